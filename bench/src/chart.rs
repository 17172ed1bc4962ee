//! Line charts as SVG: a few named lines over one axis each, linear or by tenfolds.

use std::io;

use plotters::chart::ChartBuilder;
use plotters::chart::SeriesLabelPosition;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement};
use plotters::prelude::{LineSeries, SVGBackend};
use plotters::style::{BLACK, Color, RGBColor, WHITE};

const SIZE: (u32, u32) = (760, 360);
const FONT: &str = "sans-serif";
/// Colors that are told apart by the color-blind, too.
const COLORS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 86, 86),
];

/// Why there is no chart.
pub type ChartError = DrawingAreaErrorKind<io::Error>;

/// How one axis is divided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Each tenfold is as long as the others.
    Tenfold,
    /// What is given are nines: 1 is 90 %, 2 is 99 %.
    Nines,
}

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// What it shows, with the unit.
    pub title: &'static str,
    /// How it is divided.
    pub scale: Scale,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From below to above.
    pub y: Axis,
    /// Names and points.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear | Self::Nines => value,
            Self::Tenfold => value.max(f64::MIN_POSITIVE).log10(),
        }
    }

    fn label(self, place: f64) -> String {
        let number = |value: f64| match value.abs() {
            100.0.. => format!("{value:.0}"),
            1.0.. => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        };
        match self {
            Self::Linear => number(place),
            Self::Tenfold => number(10f64.powf(place)),
            Self::Nines => format!("{} %", 100.0 - 100.0 * 10f64.powf(-place)),
        }
    }
}

impl Chart {
    /// Whether there is anything to draw.
    #[must_use]
    pub fn has_points(&self) -> bool {
        self.lines.iter().any(|(_, points)| !points.is_empty())
    }

    /// The picture.
    ///
    /// # Errors
    /// [`ChartError`].
    pub fn svg(&self) -> Result<String, ChartError> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            root.fill(&WHITE)?;
            let (x, y) = (self.x.scale, self.y.scale);
            let at = |point: &(f64, f64)| (x.place(point.0), y.place(point.1));
            let across = range(self.points().map(|point| at(point).0), self.x.scale);
            let up = range(self.points().map(|point| at(point).1), self.y.scale);
            let mut chart = ChartBuilder::on(&root)
                .caption(&self.title, (FONT, 16))
                .margin(12)
                .x_label_area_size(40)
                .y_label_area_size(64)
                .build_cartesian_2d(across.0..across.1, up.0..up.1)?;
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .x_desc(self.x.title)
                .y_desc(self.y.title)
                .x_label_formatter(&|place| x.label(*place))
                .y_label_formatter(&|place| y.label(*place))
                .draw()?;
            for (index, (name, points)) in self.lines.iter().enumerate() {
                let color = COLORS[index % COLORS.len()];
                let places: Vec<(f64, f64)> = points.iter().map(at).collect();
                chart
                    .draw_series(LineSeries::new(places.iter().copied(), color.stroke_width(2)))?
                    .label(name)
                    .legend(move |(x, y)| {
                        PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3))
                    });
                let dots = places.into_iter().map(|place| Circle::new(place, 3, color.filled()));
                chart.draw_series(dots)?;
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.2))
                .label_font((FONT, 13))
                .draw()?;
            root.present()?;
        }
        Ok(svg)
    }

    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.lines.iter().flat_map(|(_, points)| points)
    }
}

/// From the lowest to the highest, with some room; linear ones begin at 0.
fn range(places: impl Iterator<Item = f64>, scale: Scale) -> (f64, f64) {
    let (low, high) =
        places.fold((f64::MAX, f64::MIN), |(low, high), place| (low.min(place), high.max(place)));
    let low = if scale == Scale::Tenfold { low } else { low.min(0.0) };
    let room = (high - low).max(0.1) * 0.06;
    (if low == 0.0 { 0.0 } else { low - room }, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale) -> Chart {
        Chart {
            title: "Latency & rate".to_owned(),
            x: Axis { title: "posts per second", scale },
            y: Axis { title: "µs", scale: Scale::Linear },
            lines: vec![("p50".to_owned(), vec![(1_000.0, 50.0), (10_000.0, 70.0)])],
        }
    }

    #[test]
    fn a_chart_has_its_words_and_escapes_them() {
        for scale in [Scale::Linear, Scale::Tenfold, Scale::Nines] {
            let svg = chart(scale).svg().expect("draws");
            for word in ["Latency &amp; rate", "posts per second", "p50"] {
                assert!(svg.contains(word), "{word} is not in {svg}");
            }
        }
    }

    #[test]
    fn labels_are_of_the_values() {
        assert_eq!(Scale::Tenfold.label(3.0), "1000");
        assert_eq!(Scale::Nines.label(2.0), "99 %");
        assert_eq!(Scale::Linear.label(0.25), "0.25");
    }

    #[test]
    fn a_chart_without_points_says_so() {
        let mut empty = chart(Scale::Linear);
        assert!(empty.has_points());
        empty.lines[0].1.clear();
        assert!(!empty.has_points());
    }
}
