//! Prometheus' text format, version 0.0.4, of what a program counts.

use std::fmt::Write;

use crate::metric::Metric;

/// The media type of [`render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whose metrics they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Program {
    /// `server` or `router`.
    pub name: &'static str,
    /// Its version, such as `0.1.0`.
    pub version: &'static str,
}

/// The whole page: which program, whether it is ready, then `metrics` in their order.
#[must_use]
pub fn render(program: Program, is_ready: bool, metrics: &[Metric]) -> String {
    let mut page = String::with_capacity(192 * (metrics.len() + 2));
    describe(&mut page, "fastchat_build_info", "Always 1: which program this is.", "gauge");
    let Program { name, version } = program;
    line(
        &mut page,
        format_args!("fastchat_build_info{{program=\"{name}\",version=\"{version}\"}} 1"),
    );
    describe(&mut page, "fastchat_ready", "1 while /readyz answers 200, else 0.", "gauge");
    line(&mut page, format_args!("fastchat_ready {}", u8::from(is_ready)));
    for metric in metrics {
        let name = metric.name();
        describe(&mut page, &name, metric.help, metric.type_name());
        line(&mut page, format_args!("{name} {metric}"));
    }
    page
}

fn describe(page: &mut String, name: &str, help: &str, type_name: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    line(page, format_args!("# HELP {name} {help}"));
    line(page, format_args!("# TYPE {name} {type_name}"));
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::{Program, render};
    use crate::metric::{Kind, Metric};

    #[test]
    fn every_metric_has_its_help_and_type_before_it() {
        let help = "A \\ and\na line.";
        let metric = Metric { area: "x", field: "y", help, kind: Kind::Counter, number: 3 };
        let page = render(Program { name: "server", version: "0.1.0" }, false, &[metric]);
        let wanted = "# HELP fastchat_build_info Always 1: which program this is.\n\
                      # TYPE fastchat_build_info gauge\n\
                      fastchat_build_info{program=\"server\",version=\"0.1.0\"} 1\n\
                      # HELP fastchat_ready 1 while /readyz answers 200, else 0.\n\
                      # TYPE fastchat_ready gauge\n\
                      fastchat_ready 0\n\
                      # HELP fastchat_x_y_total A \\\\ and\\na line.\n\
                      # TYPE fastchat_x_y_total counter\n\
                      fastchat_x_y_total 3\n";
        assert_eq!(page, wanted);
    }
}
