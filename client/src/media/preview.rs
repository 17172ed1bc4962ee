//! A thumbnail as coloured half blocks: two pixels to a cell. What is printed are numbers of ours
//! and one letter; no byte of the file reaches the terminal.

use std::fmt::Write;

use image::imageops::FilterType;

use super::image::decode_thumbnail;

/// Widest preview, in cells: an image that is told from another, not a picture book.
const COLUMNS_MAX: u16 = 48;
/// Highest preview, in cells.
const ROWS_MAX: u16 = 16;

/// How many colours the terminal knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Palette {
    /// Three bytes for each.
    True,
    /// The 6 × 6 × 6 cube of 256 colours.
    Cube,
}

impl Palette {
    /// What `COLORTERM` says.
    #[must_use]
    pub fn detect() -> Self {
        let colours = std::env::var("COLORTERM").unwrap_or_default();
        if matches!(colours.as_str(), "truecolor" | "24bit") { Self::True } else { Self::Cube }
    }
}

/// The lines that show `thumbnail` within `columns`; `None` when it is no image.
#[must_use]
pub fn preview(thumbnail: &[u8], columns: u16, palette: Palette) -> Option<Vec<String>> {
    let image = decode_thumbnail(thumbnail).ok()?;
    let columns = columns.min(COLUMNS_MAX);
    if columns == 0 {
        return None;
    }
    let (width, height) = (u32::from(columns), 2 * u32::from(ROWS_MAX));
    let small = image.resize(width, height, FilterType::Triangle).to_rgb8();
    let mut lines = Vec::new();
    for top in (0..small.height()).step_by(2) {
        let mut line = String::new();
        for x in 0..small.width() {
            let upper = small.get_pixel(x, top).0;
            let lower = small.get_pixel_checked(x, top + 1).map(|pixel| pixel.0);
            put_cell(upper, lower, palette, &mut line);
        }
        line.push_str("\u{1b}[0m");
        lines.push(line);
    }
    Some(lines)
}

/// The upper half in the foreground's colour, the lower one in the background's.
fn put_cell(upper: [u8; 3], lower: Option<[u8; 3]>, palette: Palette, line: &mut String) {
    put_colour(38, upper, palette, line);
    match lower {
        Some(lower) => put_colour(48, lower, palette, line),
        None => line.push_str("\u{1b}[49m"),
    }
    line.push('▀');
}

fn put_colour(ground: u8, [r, g, b]: [u8; 3], palette: Palette, line: &mut String) {
    let written = match palette {
        Palette::True => write!(line, "\u{1b}[{ground};2;{r};{g};{b}m"),
        Palette::Cube => {
            let [r, g, b] = [r, g, b].map(|value| (u16::from(value) * 5 + 127) / 255);
            write!(line, "\u{1b}[{ground};5;{}m", 16 + 36 * r + 6 * g + b)
        }
    };
    written.expect("a String takes everything");
}
