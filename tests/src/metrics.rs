//! Reads Prometheus' text format line by line, and refuses what a scraper would or should.

use std::collections::BTreeMap;

/// One metric of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// Its help text, unescaped.
    pub help: String,
    /// `counter` or `gauge`.
    pub type_name: String,
    /// What is between its braces.
    pub labels: String,
    /// Its value.
    pub value: f64,
}

/// The metrics of a page in their order.
///
/// # Errors
/// The first line that is wrong: form, order, a second time, or a name without its unit.
pub fn parse(page: &str) -> Result<Vec<Sample>, String> {
    if !page.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut samples: Vec<Sample> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let (name, help) = comment(line, "# HELP ")?;
        let type_line = lines.next().unwrap_or_default();
        let (typed, type_name) = comment(type_line, "# TYPE ")?;
        let sample = sample(lines.next().unwrap_or_default(), help, type_name)?;
        if typed != name || sample.name != name {
            return Err(format!("{name}: help, type and value are of different metrics"));
        }
        if samples.iter().any(|earlier| earlier.name == name) {
            return Err(format!("{name}: a second time"));
        }
        check(&sample)?;
        samples.push(sample);
    }
    Ok(samples)
}

/// The values by name.
///
/// # Panics
/// When the page is wrong.
#[must_use]
pub fn values(page: &str) -> BTreeMap<String, f64> {
    let samples = parse(page).unwrap_or_else(|error| panic!("{error}\n{page}"));
    samples.into_iter().map(|sample| (sample.name, sample.value)).collect()
}

fn comment<'a>(line: &'a str, start: &str) -> Result<(&'a str, &'a str), String> {
    let rest = line.strip_prefix(start).and_then(|rest| rest.split_once(' '));
    rest.ok_or_else(|| format!("{start:?} is missing: {line:?}"))
}

fn sample(line: &str, help: &str, type_name: &str) -> Result<Sample, String> {
    let wrong = || format!("no sample: {line:?}");
    let (series, value) = line.rsplit_once(' ').ok_or_else(wrong)?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').ok_or_else(wrong)?),
        None => (series, ""),
    };
    let value: f64 = value.parse().map_err(|_| wrong())?;
    let (name, labels) = (name.to_owned(), labels.to_owned());
    let (help, type_name) = (help.to_owned(), type_name.to_owned());
    Ok(Sample { name, help, type_name, labels, value })
}

fn check(sample: &Sample) -> Result<(), String> {
    let Sample { name, help, type_name, value, .. } = sample;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with("fastchat_") || !name.chars().all(is_plain) {
        return Err(format!("{name}: not a name of ours"));
    }
    if !value.is_finite() || *value < 0.0 {
        return Err(format!("{name}: {value}"));
    }
    if !help.ends_with('.') || !help.starts_with(|c: char| c.is_ascii_uppercase() || c == '1') {
        return Err(format!("{name}: its help is no sentence: {help}"));
    }
    let is_counter = match type_name.as_str() {
        "counter" => true,
        "gauge" => false,
        other => return Err(format!("{name}: type {other}")),
    };
    if is_counter != name.ends_with("_total") {
        return Err(format!("{name}: a counter ends with _total, and nothing else does"));
    }
    let unit = name.trim_end_matches("_total");
    if ["_len", "_micros", "_permille", "_ms"].iter().any(|bad| unit.ends_with(bad)) {
        return Err(format!("{name}: units are bytes, seconds and ratios"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn wrong_pages_are_refused() {
        let page = |name: &str, kind: &str, value: &str| {
            format!("# HELP {name} Frames.\n# TYPE {name} {kind}\n{name} {value}\n")
        };
        let right = page("fastchat_x_total", "counter", "1");
        assert_eq!(parse(&right).expect("is right")[0].value.to_string(), "1");
        let wrong = [
            page("fastchat_x", "counter", "1"),
            page("fastchat_x_total", "gauge", "1"),
            page("fastchat_x_total", "count", "1"),
            page("fastchat_x_len", "gauge", "1"),
            page("fastchat_x", "gauge", "one"),
            page("fastchat_x", "gauge", "NaN"),
            page("Fastchat", "gauge", "1"),
            format!("{right}{right}"),
            right.trim_end().to_owned(),
            right.replace("# TYPE fastchat_x_total", "# TYPE fastchat_y_total"),
            right.replace("# HELP fastchat_x_total Frames.\n", ""),
            right.replace("Frames.", "frames"),
        ];
        for page in wrong {
            parse(&page).expect_err(&page);
        }
    }
}
