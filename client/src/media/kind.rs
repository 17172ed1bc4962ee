//! Media types by content: a name says what its giver wants it to say.

use super::image;

/// The bytes at a file's beginning that decide.
pub const HEAD_LEN: usize = 4096;

/// The media type of a file that begins with `head`.
#[must_use]
pub fn media_type(head: &[u8]) -> &'static str {
    if let Some(format) = image::format(head) {
        return format.to_mime_type();
    }
    if head.starts_with(b"%PDF-") {
        return "application/pdf";
    }
    if is_text(head) { "text/plain" } else { "application/octet-stream" }
}

/// UTF-8 without controls; the last letter may be cut.
fn is_text(head: &[u8]) -> bool {
    let (text, is_cut) = match std::str::from_utf8(head) {
        Ok(text) => (text, false),
        Err(error) => {
            let text = head.get(..error.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(text).unwrap_or_default(), error.error_len().is_none())
        }
    };
    let is_whole = text.len() == head.len() || (is_cut && head.len() >= HEAD_LEN);
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t');
    is_whole && !text.is_empty() && text.chars().all(is_plain)
}
