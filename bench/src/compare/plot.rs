//! The comparison as one picture: a panel for each case, a bar for each contender.

use std::io;

use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::Rectangle;
use plotters::prelude::SVGBackend;
use plotters::style::{BLACK, Color, IntoTextStyle, RGBColor, WHITE};

use super::case::{Case, Contender};
use super::summary::{Row, Spread, Summary};
use super::table::number;
use crate::peers::peer::Peer;

/// Why a picture cannot be drawn.
pub type DrawError = DrawingAreaErrorKind<io::Error>;

type Panel<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

const FONT: &str = "sans-serif";
const PANEL_WIDTH: i32 = 540;
const PANEL_HEAD: i32 = 46;
const BAR_HEIGHT: i32 = 18;
const NAME_WIDTH: i32 = 116;
const VALUE_WIDTH: i32 = 80;

/// A bar: whose, and how long.
type Bar = (Contender, Spread);

/// Draws the first figure of each case, as SVG. Each tenfold is as long as the others.
///
/// # Errors
/// [`DrawError`].
pub fn draw(summary: &Summary) -> Result<String, DrawError> {
    let panels: Vec<(&Case, Vec<Bar>)> = summary
        .cases()
        .into_iter()
        .map(|case| (case, bars(summary.of_case(case))))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    let highest = panels.iter().map(|(_, bars)| height(bars.len())).max().unwrap_or(PANEL_HEAD);
    let rows = panels.len().div_ceil(2).max(1);
    let total = highest * i32::try_from(rows).expect("few cases");
    let size = (u32::try_from(2 * PANEL_WIDTH), u32::try_from(total));
    let size = (size.0.expect("a constant"), size.1.expect("few bars"));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        for ((case, bars), panel) in panels.iter().zip(root.split_evenly((rows, 2))) {
            draw_panel(case, bars, &panel)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn bars<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Bar> {
    let bars = rows.filter_map(|row| Some((row.contender, (*row.spreads.first()?)?)));
    // A logarithm needs something to begin with.
    bars.filter(|(_, spread)| spread.median > 0.0).collect()
}

fn height(bars: usize) -> i32 {
    PANEL_HEAD + BAR_HEIGHT * i32::try_from(bars).expect("few contenders") + 12
}

fn draw_panel(case: &Case, bars: &[Bar], panel: &Panel<'_>) -> Result<(), DrawError> {
    let (large, small) = ((FONT, 14).into_text_style(panel), (FONT, 12).into_text_style(panel));
    panel.draw_text(case.title, &large, (8, 6))?;
    panel.draw_text(case.figures[0].title, &small, (8, 24))?;
    let all = bars.iter().map(|(_, spread)| spread.median.log10());
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    // The shortest bar is still one.
    let (from, width) = (low - 0.2, (high - low + 0.2).max(0.2));
    let room = f64::from(PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH);
    for (y, (contender, spread)) in (PANEL_HEAD..).step_by(18).zip(bars) {
        let share = (spread.median.log10() - from) / width;
        let end = NAME_WIDTH + pixels(share * room);
        panel.draw_text(contender.name(), &small, (8, y))?;
        let corners = [(NAME_WIDTH, y + 1), (end, y + BAR_HEIGHT - 4)];
        panel.draw(&Rectangle::new(corners, color(*contender).filled()))?;
        panel.draw_text(&number(spread.median), &small, (end + 5, y))?;
    }
    draw_target(case, (from, width, room), bars.len(), panel)
}

/// A line where FastChat is to be.
fn draw_target(
    case: &Case,
    (from, width, room): (f64, f64, f64),
    bars: usize,
    panel: &Panel<'_>,
) -> Result<(), DrawError> {
    use super::case::Target;
    let Some(Target::Most(bound) | Target::Least(bound)) = case.figures[0].target else {
        return Ok(());
    };
    let share = (bound.log10() - from) / width;
    if (0.0..=1.0).contains(&share) {
        let x = NAME_WIDTH + pixels(share * room);
        let corners = [(x, PANEL_HEAD - 2), (x + 1, height(bars) - 12)];
        panel.draw(&Rectangle::new(corners, BLACK.filled()))?;
    }
    Ok(())
}

/// Whole pixels; nothing here is as wide as 16 bits can say.
fn pixels(length: f64) -> i32 {
    (0..i16::MAX).map(i32::from).find(|pixel| f64::from(*pixel) >= length).unwrap_or(0)
}

/// Ours, the floor, and the others.
fn color(contender: Contender) -> RGBColor {
    match contender {
        Contender::FastChat { tls: false } => RGBColor(0, 114, 178),
        Contender::FastChat { tls: true } => RGBColor(86, 180, 233),
        Contender::Peer(Peer::Relay) => RGBColor(153, 153, 153),
        Contender::Peer(_) => RGBColor(230, 159, 0),
    }
}
