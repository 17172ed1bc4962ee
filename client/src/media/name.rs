//! Names of files, as others give them: safe on any file system and any terminal.

use crate::escape::is_harmful;

/// Bytes of a sanitised name: leaves room for a number within the 255 of file systems.
const LEN_MAX: usize = 200;
/// What a file is called whose name has nothing to keep.
const FALLBACK: &str = "attachment";
/// Devices on some systems, whatever extension follows.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

/// `name` without folders, controls and whatever has a meaning to a shell, file system or terminal;
/// never empty, hidden, or longer than 200 bytes.
#[must_use]
pub fn sanitise(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String =
        base.chars().map(|letter| if is_safe(letter) { letter } else { '_' }).collect();
    let safe = safe.trim_matches([' ', '.']);
    let safe = match safe.chars().next() {
        None => FALLBACK.to_owned(),
        Some('-' | '~') => format!("_{safe}"),
        Some(_) if is_reserved(safe) => format!("_{safe}"),
        Some(_) => safe.to_owned(),
    };
    shorten(&safe)
}

/// The name with ` (number)` before its extension.
#[must_use]
pub fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = split(name);
    format!("{stem} ({number}){extension}")
}

fn is_safe(letter: char) -> bool {
    !letter.is_control() && !is_harmful(letter) && !"<>:\"|?*".contains(letter)
}

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_port = |prefix| {
        let number: Option<&str> = stem.strip_prefix(prefix);
        number.is_some_and(|rest| rest.len() == 1 && rest.chars().all(|c| c.is_ascii_digit()))
    };
    RESERVED.contains(&stem.as_str()) || is_port("com") || is_port("lpt")
}

/// Cuts the stem, so that the extension still says what it is.
fn shorten(name: &str) -> String {
    if name.len() <= LEN_MAX {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let extension = if extension.len() <= 20 { extension } else { "" };
    let mut end = LEN_MAX - extension.len();
    while !stem.is_char_boundary(end.min(stem.len())) {
        end -= 1;
    }
    let stem = stem.get(..end.min(stem.len())).unwrap_or(FALLBACK);
    format!("{}{extension}", stem.trim_end_matches([' ', '.']))
}

/// Stem and extension with its dot; the extension may be empty, the stem is not.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}
