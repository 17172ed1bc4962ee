//! A report as one file that needs no other: HTML with a table and charts inside.

use std::fmt::Write;

use crate::chart::{Chart, ChartError};

/// What a page shows.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its heading.
    pub title: String,
    /// Lines of text, as the table for people has them.
    pub text: String,
    /// Charts; those without points are left out.
    pub charts: Vec<Chart>,
}

impl Page {
    /// The file.
    ///
    /// # Errors
    /// [`ChartError`] when a chart cannot be drawn.
    pub fn html(&self) -> Result<String, ChartError> {
        let (title, text) = (escaped(&self.title), escaped(&self.text));
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <title>{title}</title>\n\
             <style>body {{ font: 16px sans-serif; margin: 2em auto; max-width: 60em; }} \
             pre {{ overflow-x: auto; }}</style>\n\
             <h1>{title}</h1>\n<pre>{text}</pre>\n"
        );
        for chart in self.charts.iter().filter(|chart| chart.has_points()) {
            writeln!(html, "<figure>{}</figure>", chart.svg()?).expect("a string takes all");
        }
        html.push_str("</html>\n");
        Ok(html)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Axis, Scale};

    #[test]
    fn a_page_needs_no_other_file() {
        let axis = Axis { title: "x", scale: Scale::Linear };
        let chart = |points| Chart {
            title: "a chart".to_owned(),
            x: axis,
            y: axis,
            lines: vec![("line".to_owned(), points)],
        };
        let page = Page {
            title: "a < b".to_owned(),
            text: "10 & 20".to_owned(),
            charts: vec![chart(vec![(1.0, 2.0)]), chart(vec![])],
        };
        let html = page.html().expect("draws");
        assert!(html.contains("<h1>a &lt; b</h1>") && html.contains("10 &amp; 20"));
        assert_eq!(html.matches("<svg").count(), 1, "none without points");
        for needs in ["src=", "href=", "url("] {
            assert!(!html.contains(needs), "{needs}");
        }
    }
}
