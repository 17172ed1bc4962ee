//! The same figures as pictures: one SVG file each, with a panel for each kind of users.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::types::{RangedCoordf64, RangedCoordi32};
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement};
use plotters::prelude::{Cartesian2d, LineSeries, SVGBackend};
use plotters::series::DashedLineSeries;
use plotters::style::{BLACK, Color, IntoTextStyle, RGBColor, WHITE};
use router::core::strategy::Strategy;
use thiserror::Error;

use super::Outcome;
use super::crowd::Skew;
use super::figures::Row;

const SIZE: (u32, u32) = (1_080, 380);
const FONT: &str = "sans-serif";

/// Why there are no plots.
#[derive(Debug, Error)]
pub enum PlotError {
    /// A file cannot be written.
    #[error("--plots: cannot write {}: {source}; name a directory of your own", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A picture cannot be drawn.
    #[error("a plot cannot be drawn: {0}")]
    Draw(#[from] DrawingAreaErrorKind<io::Error>),
}

/// One picture.
struct Picture {
    file: &'static str,
    title: &'static str,
    /// Each tenfold is as high as the others.
    is_log: bool,
    value: fn(&Row) -> f64,
    /// What none can go below, drawn as a dashed line.
    ideal: Option<fn(&Row) -> f64>,
}

const PICTURES: [Picture; 5] = [
    Picture {
        file: "evenness.svg",
        title: "Sessions of the server with the most, as parts of the mean",
        is_log: false,
        value: |row| row.evenness.max,
        ideal: None,
    },
    Picture {
        file: "overflow.svg",
        title: "Sessions whose seat is not their home, in percent",
        is_log: false,
        value: |row| row.travel.overflow * 100.0,
        ideal: None,
    },
    Picture {
        file: "hops.svg",
        title: "Links between servers that a message crosses beyond those that it must",
        is_log: false,
        value: |row| row.travel.extra,
        ideal: None,
    },
    Picture {
        file: "joins.svg",
        title: "Sessions that sit elsewhere when one server has joined, in percent",
        is_log: true,
        value: |row| row.joins.share * 100.0,
        ideal: Some(|row| row.joins.ideal * 100.0),
    },
    Picture {
        file: "leaves.svg",
        title: "Sessions that sit elsewhere when one server has left, in percent",
        is_log: true,
        value: |row| row.leaves.share * 100.0,
        ideal: Some(|row| row.leaves.ideal * 100.0),
    },
];

/// Makes the directory `dir`, if it is not there.
///
/// # Errors
/// [`PlotError::File`].
pub fn make_dir(dir: &Path) -> Result<(), PlotError> {
    fs::create_dir_all(dir).map_err(|source| PlotError::File { path: dir.to_owned(), source })
}

/// Draws all pictures into the directory `dir`.
///
/// # Errors
/// [`PlotError`].
pub fn write_all(outcome: &Outcome, dir: &Path) -> Result<(), PlotError> {
    for picture in &PICTURES {
        let path = dir.join(picture.file);
        let svg = picture.draw(&outcome.rows)?;
        fs::write(&path, svg).map_err(|source| PlotError::File { path, source })?;
    }
    Ok(())
}

type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;
type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordi32, RangedCoordf64>>;

impl Picture {
    fn draw(&self, rows: &[Row]) -> Result<String, DrawingAreaErrorKind<io::Error>> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            root.fill(&WHITE)?;
            let root = root.titled(self.title, (FONT, 18))?;
            let (legend, root) = root.split_vertically(26);
            self.draw_legend(&legend)?;
            let panels = root.split_evenly((1, Skew::ALL.len()));
            for (skew, panel) in Skew::ALL.into_iter().zip(&panels) {
                self.draw_panel(rows, skew, panel)?;
            }
            root.present()?;
        }
        Ok(svg)
    }

    fn draw_panel(&self, rows: &[Row], skew: Skew, panel: &Panel<'_>) -> Drawn {
        let of_skew: Vec<&Row> = rows.iter().filter(|row| row.skew == skew).collect();
        let mut sizes: Vec<u16> = of_skew.iter().map(|row| row.servers).collect();
        sizes.dedup();
        let last = i32::try_from(sizes.len()).expect("few sizes") - 1;
        let (low, high) = self.range(rows);
        let mut chart = ChartBuilder::on(panel)
            .caption(skew.name(), (FONT, 15))
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(44)
            .build_cartesian_2d(0..last.max(1), low..high)?;
        let size_at = |index: &i32| {
            let index = usize::try_from(*index).ok();
            let size = index.and_then(|index| sizes.get(index));
            size.map_or_else(String::new, u16::to_string)
        };
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("servers")
            .x_labels(sizes.len())
            .y_labels(if self.is_log { 5 } else { 8 })
            .x_label_formatter(&size_at)
            .y_label_formatter(&|value| self.label(*value))
            .draw()?;
        self.draw_lines(&of_skew, &mut chart)
    }

    fn draw_legend(&self, strip: &Panel<'_>) -> Drawn {
        let style = (FONT, 14).into_text_style(strip);
        let strategies = Strategy::ALL.map(|strategy| (strategy.name(), look(strategy).0));
        let ideal = self.ideal.map(|_| ("ideal (dashed)", BLACK));
        for (index, (name, color)) in (0..).zip(strategies.into_iter().chain(ideal)) {
            let x = 120 + 180 * index;
            strip.draw(&PathElement::new([(x, 14), (x + 20, 14)], color.stroke_width(3)))?;
            strip.draw_text(name, &style, (x + 26, 6))?;
        }
        Ok(())
    }

    fn draw_lines(&self, rows: &[&Row], chart: &mut Chart<'_, '_>) -> Drawn {
        for strategy in Strategy::ALL {
            let (color, size) = look(strategy);
            let mine = rows.iter().filter(|row| row.strategy == strategy);
            let points: Vec<(i32, f64)> =
                (0..).zip(mine.map(|row| self.height((self.value)(row)))).collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
            chart
                .draw_series(points.into_iter().map(|at| Circle::new(at, size, color.filled())))?;
        }
        if let Some(ideal) = self.ideal {
            let any = rows.iter().filter(|row| row.strategy == Strategy::BoundedHash);
            let points = (0..).zip(any.map(|row| self.height(ideal(row))));
            chart.draw_series(DashedLineSeries::new(points, 4, 4, BLACK.stroke_width(1)))?;
        }
        Ok(())
    }

    /// The lowest and the highest value of all panels, with some room.
    fn range(&self, rows: &[Row]) -> (f64, f64) {
        let ideals = self.ideal.into_iter().flat_map(|ideal| rows.iter().map(ideal));
        let values = rows.iter().map(self.value).chain(ideals).map(|value| self.height(value));
        let (low, high) = values
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let room = (high - low).max(0.01) * 0.05;
        (low - room, high + room)
    }

    fn height(&self, value: f64) -> f64 {
        if self.is_log { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    fn label(&self, height: f64) -> String {
        let value = if self.is_log { 10f64.powf(height) } else { height };
        match value {
            10.0.. => format!("{value:.0}"),
            _ if self.is_log => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        }
    }
}

/// Colors that are told apart by the color-blind, too; and dots of different sizes, because lines
/// lie on each other.
fn look(strategy: Strategy) -> (RGBColor, i32) {
    match strategy {
        Strategy::BoundedHash => (RGBColor(0, 114, 178), 3),
        Strategy::RoundRobin => (RGBColor(213, 94, 0), 5),
        Strategy::Random => (RGBColor(0, 158, 115), 4),
        Strategy::LeastConnections => (RGBColor(204, 121, 167), 3),
    }
}
