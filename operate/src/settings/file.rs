//! Settings from a TOML file: keys with a text, a number, or a list of these.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Known;

/// Bytes of a file that is read, at most: no file of settings has so many.
const FILE_LEN_MAX: u64 = 64 << 10;

/// A setting in a file.
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    pub(super) key: &'static str,
    pub(super) words: Vec<String>,
}

/// What the file at `path` sets, in its order; what it should not say becomes mistakes. `None` when
/// it cannot be read, or is no TOML.
pub(super) fn read(path: &Path, known: Known, mistakes: &mut Vec<String>) -> Option<Vec<Line>> {
    let shown = path.display();
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.push(format!("cannot read {shown}: {error}"));
            return None;
        }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    let is_toml = errors.is_empty();
    for error in errors {
        let line = error.span().map_or(1, |span| line_of(&text, span.start));
        mistakes.push(format!("{shown}:{line}: {}", error.message()));
    }
    let mut lines = Vec::new();
    for (name, value) in table.into_inner() {
        let number = line_of(&text, name.span().start);
        let Some(setting) = known.find(name.as_ref()) else {
            mistakes.push(unknown(&format!("{shown}:{number}"), name.as_ref(), known));
            continue;
        };
        match words(value) {
            Some(words) => lines.push(Line { number, key: setting.key, words }),
            None => {
                let key = setting.key;
                let mistake = "is a text, a number, or a list of these in brackets";
                mistakes.push(format!("{shown}:{number}: {key} {mistake}"));
            }
        }
    }
    lines.sort_by_key(|line| line.number);
    is_toml.then_some(lines)
}

fn read_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_LEN_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_LEN_MAX {
        return Err(std::io::Error::other(format!("it is larger than {FILE_LEN_MAX} bytes")));
    }
    Ok(text)
}

fn unknown(place: &str, name: &str, known: Known) -> String {
    let spelled = name.trim_start_matches("--").replace('-', "_");
    match known.find(&spelled) {
        Some(setting) => format!("{place}: {name:?} is written {} here", setting.key),
        None => {
            let keys: Vec<&str> = known.settings.iter().map(|setting| setting.key).collect();
            format!("{place}: there is no {name:?}; there are {}", keys.join(", "))
        }
    }
}

fn words(value: Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    match value.into_inner() {
        DeValue::Array(values) => {
            values.into_iter().map(|value| word(value.into_inner())).collect()
        }
        value => word(value).map(|word| vec![word]),
    }
}

fn word(value: DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        _ => None,
    }
}

/// The line, from 1, of a byte of the text.
fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}
