//! Words of others on one's own terminal: nothing in them may move the cursor, change colours,
//! imitate other lines, or turn the reading direction.

use std::fmt::Write;

/// `text` on one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    escape(text, push_escaped)
}

/// `text` with its line breaks, each followed by `indent`, so that no line looks like a message.
#[must_use]
pub fn indented(text: &str, indent: &str) -> String {
    escape(text.trim_end_matches('\n'), |letter, out| match letter {
        '\n' => {
            out.push('\n');
            out.push_str(indent);
        }
        '\t' => out.push_str("    "),
        letter => push_escaped(letter, out),
    })
}

fn escape(text: &str, harmful: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_harmful(letter) {
            true => harmful(letter, &mut out),
            false => out.push(letter),
        }
    }
    out
}

fn push_escaped(letter: char, out: &mut String) {
    write!(out, "\\u{{{:x}}}", u32::from(letter)).expect("a String takes everything");
}

/// Controls of ASCII and Latin-1, line separators, and what reorders or hides text.
pub(crate) fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        ) && letter != '\u{200d}'
}

#[cfg(test)]
mod tests {
    use super::{indented, one_line};

    #[test]
    fn controls_are_shown_not_obeyed() {
        assert_eq!(one_line("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(one_line("a\r\nb\u{7}"), "a\\u{d}\\u{a}b\\u{7}");
        assert_eq!(one_line("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(one_line("abc\u{202e}def"), "abc\\u{202e}def");
    }

    #[test]
    fn other_scripts_and_joined_emoji_stay() {
        let text = "żółć 漢字 👩\u{200d}💻";
        assert_eq!(one_line(text), text);
    }

    #[test]
    fn lines_are_indented_so_that_none_looks_like_a_message() {
        let text = "one\n[12:00] bob: two\n\n";
        assert_eq!(indented(text, "  "), "one\n  [12:00] bob: two");
        assert_eq!(indented("a\tb\rc", "  "), "a    b\\u{d}c");
    }
}
