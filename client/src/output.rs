//! How results look, to people and to scripts: data on standard output, talk on standard error.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wire::roster::Act;
use wire::{LogId, LogKind, Name, Number, Seq, Wall};

use crate::crypto::Attachment;
use crate::escape::{indented, one_line};
use crate::failure::Failure;
use crate::interrupt;
use crate::media::name::sanitise;
use crate::media::preview::{Palette, preview};
use crate::store::{Continuity, InboxMessage, ReceivedContent};

mod remark;

pub use remark::Remark;

/// Before what belongs to a line above.
const INDENT: &str = "    ";
const MISSING: &str = "a message before this one never came";
const BEFORE_YOU_JOINED: &str = "a message from before you joined";

/// A message to be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The log it stands in.
    pub log: LogId,
    /// Its place there.
    pub seq: Seq,
    /// Who sent it.
    pub sender: Name,
    /// Its number.
    pub number: Number,
    /// When the home appended it.
    pub at: Wall,
    /// What it says.
    pub content: ReceivedContent,
    /// The sender's message before it never came.
    pub is_after_gap: bool,
    /// What became of its attachment here.
    pub fetched: Fetched,
}

/// What became of an attachment that came with a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fetched {
    /// Where it was saved.
    pub path: Option<PathBuf>,
    /// Its content as base64, when that was asked for.
    pub data: Option<String>,
    /// Why it cannot be had.
    pub error: Option<String>,
}

impl From<InboxMessage> for Shown {
    fn from(message: InboxMessage) -> Self {
        Self {
            log: message.log,
            seq: message.seq,
            sender: message.sender,
            number: message.number,
            at: message.at,
            content: message.content,
            is_after_gap: message.continuity == Continuity::Missing,
            fetched: Fetched::default(),
        }
    }
}

impl Shown {
    /// One object of `recv --json`.
    #[must_use]
    pub fn json(&self) -> Value {
        let (kind, text, verified) = match &self.content {
            ReceivedContent::Text { text, verified, .. } => ("text", text.clone(), *verified),
            ReceivedContent::Attachment { attachment, verified, .. } => {
                ("attachment", attachment.caption.clone(), *verified)
            }
            ReceivedContent::GrantRequest { verified, .. } => {
                ("grant-request", String::new(), *verified)
            }
            ReceivedContent::Invitation { group, verified, .. } => {
                ("invitation", format!("{} {}", self.sender, invites(group)), *verified)
            }
            ReceivedContent::Unknown { kind, verified, .. } => {
                ("unknown", unknown_kind(*kind), *verified)
            }
            ReceivedContent::Undecryptable { reason } => ("undecryptable", reason.clone(), false),
            ReceivedContent::BeforeYouJoined => {
                ("before-you-joined", BEFORE_YOU_JOINED.to_owned(), false)
            }
            ReceivedContent::Roster { act, text, valid } => {
                (roster_kind(*act, *valid), text.clone(), *valid)
            }
            ReceivedContent::Warning { text } => ("warning", text.clone(), false),
        };
        let mut object = json!({
            "log": self.log.to_string(),
            "from": self.sender.as_str(),
            "number": self.number.value(),
            "seq": self.seq.0,
            "at": timestamp(self.at).to_string(),
            "kind": kind,
            "text": text,
            "verified": verified,
        });
        if let ReceivedContent::Attachment { attachment, .. } = &self.content {
            object["attachment"] = self.attachment_json(attachment);
        }
        if let ReceivedContent::Invitation { group, .. } = &self.content {
            object["group"] = json!(format!("#{group}"));
        }
        object
    }

    /// The object before it, where the sender's message before this one never came.
    #[must_use]
    pub fn gap_json(&self) -> Option<Value> {
        self.is_after_gap.then(|| {
            json!({
                "log": self.log.to_string(),
                "from": self.sender.as_str(),
                "kind": "missing",
                "before": self.seq.0,
                "text": MISSING,
            })
        })
    }

    fn attachment_json(&self, attachment: &Attachment) -> Value {
        let path = self.fetched.path.as_ref().map(|path| path.to_string_lossy());
        let mut object = json!({
            "name": sanitise(&attachment.name),
            "type": attachment.media_type,
            "size": attachment.size,
            "path": path,
        });
        if let Some(data) = &self.fetched.data {
            object["data"] = json!(data);
        }
        if let Some(error) = &self.fetched.error {
            object["error"] = json!(error);
        }
        object
    }

    /// The lines that show an attached image, within `columns` cells; none for anything else, or
    /// without colours.
    #[must_use]
    pub fn preview(&self, style: Style, columns: u16) -> Vec<String> {
        match &self.content {
            ReceivedContent::Attachment { attachment, .. } if style.is_coloured => {
                preview(&attachment.thumbnail, columns, Palette::detect()).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Where the attachment is now, or why it is not here.
    fn fate(&self, style: Style) -> String {
        match (&self.fetched.path, &self.fetched.error) {
            (Some(path), _) => {
                let path = one_line(&path.to_string_lossy());
                format!("\n{INDENT}{}", style.dim(&format!("saved as {path}")))
            }
            (None, Some(error)) => {
                let text = format!("not saved: {}", one_line(error));
                format!("\n{INDENT}{}", style.warning(&text))
            }
            (None, None) => String::new(),
        }
    }

    /// What a person sees: one line, or several when the text has line breaks.
    #[must_use]
    pub fn line(&self, style: Style) -> String {
        let time = style.dim(&local_time(self.at));
        let speaker = self.speaker(style);
        let gap = match self.is_after_gap {
            true => style.warning(MISSING),
            false => String::new(),
        };
        let gap = if gap.is_empty() { gap } else { gap + "\n" };
        let said = match &self.content {
            ReceivedContent::Text { text, .. } => indented(text, INDENT),
            ReceivedContent::Attachment { attachment, .. } => attached(attachment, style),
            ReceivedContent::GrantRequest { .. } => style.dim("asks for a key again"),
            ReceivedContent::Invitation { group, .. } => {
                return format!("{gap}{time} {speaker} {}{}", invites(group), self.note(style));
            }
            ReceivedContent::Unknown { kind, .. } => style.warning(&unknown_kind(*kind)),
            ReceivedContent::Undecryptable { reason } => {
                style.warning(&format!("cannot be opened: {}", one_line(reason)))
            }
            ReceivedContent::BeforeYouJoined => style.dim(BEFORE_YOU_JOINED),
            ReceivedContent::Roster { text, valid: true, .. } => style.dim(&one_line(text)),
            ReceivedContent::Roster { text, valid: false, .. }
            | ReceivedContent::Warning { text } => style.warning(&one_line(text)),
        };
        let (fate, note) = (self.fate(style), self.note(style));
        format!("{gap}{time} {speaker}: {said}{fate}{note}")
    }

    /// That the sender's key is not the agreed one, if it is not.
    fn note(&self, style: Style) -> String {
        match &self.content {
            ReceivedContent::Text { verified, .. }
            | ReceivedContent::Attachment { verified, .. }
            | ReceivedContent::Invitation { verified, .. }
            | ReceivedContent::Unknown { verified, .. }
                if !verified =>
            {
                let text = format!(
                    "signed with a key you have not agreed to; see `fastchat verify {}`",
                    self.sender
                );
                format!("\n{INDENT}{}", style.warning(&text))
            }
            _ => String::new(),
        }
    }

    /// Who says it, and in which group; changes of a group say themselves who made them.
    fn speaker(&self, style: Style) -> String {
        let sender = style.bold(self.sender.as_str());
        let log = style.bold(&self.log.to_string());
        match (self.log.kind, &self.content) {
            (LogKind::Mailbox, _) => sender,
            (LogKind::Group, ReceivedContent::Roster { .. } | ReceivedContent::Warning { .. }) => {
                log
            }
            (LogKind::Group, _) => format!("{log} {sender}"),
        }
    }
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Style {
    is_coloured: bool,
}

impl Style {
    /// No colours.
    pub const PLAIN: Self = Self { is_coloured: false };

    /// Colours when standard output is a terminal and `NO_COLOR` is not set.
    #[must_use]
    pub fn detect() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { is_coloured: stdout().is_terminal() && !no_color && !dumb }
    }

    /// Something less important.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Something that stands out.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Something to be careful about.
    #[must_use]
    pub fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.is_coloured {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// Writes one line of data to standard output.
///
/// # Errors
/// Nobody reads it any more, or the disk behind it is full.
pub fn data(line: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    writeln!(out, "{line}").map_err(|error| unwritable(&error))
}

/// Everything written so far has left this process.
///
/// # Errors
/// As [`data`].
pub fn flush() -> Result<(), Failure> {
    stdout().lock().flush().map_err(|error| unwritable(&error))
}

/// Writes one line of talk to standard error. A closed one is nothing to stop for.
pub fn talk(line: &str) {
    if let Err(error) = writeln!(stderr().lock(), "{line}") {
        tracing::debug!(%error, "standard error is closed");
    }
}

/// Tells a failure, to scripts as one JSON object.
pub fn failure(failure: &Failure, is_json: bool) {
    match is_json {
        true => {
            let object = json!({ "error": failure.code.name(), "message": failure.text });
            talk(&object.to_string());
        }
        false => talk(&format!("fastchat: {}", one_line(&failure.text))),
    }
}

fn unwritable(error: &std::io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return interrupt::on_closed_output();
    }
    Failure::unexpected(format!("standard output cannot be written: {error}"))
}

/// How many columns the terminal behind standard output has; `None` when there is none.
#[must_use]
pub fn columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    (stdout().is_terminal() && size.ws_col > 0).then_some(size.ws_col)
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> impl std::fmt::Display {
    indicatif::BinaryBytes(count)
}

/// The file's name, type and size, and what its sender says about it.
fn attached(attachment: &Attachment, style: Style) -> String {
    let Attachment { name, media_type, size, caption, .. } = attachment;
    let size = bytes(*size);
    let file = style.bold(&format!("[{}, {}, {size}]", sanitise(name), one_line(media_type)));
    if caption.is_empty() { file } else { format!("{file} {}", indented(caption, INDENT)) }
}

/// The kind of a change of a group's members, as scripts see it.
fn roster_kind(act: Act, is_valid: bool) -> &'static str {
    match act {
        _ if !is_valid => "not-counted",
        Act::Create => "created",
        Act::Join => "joined",
        Act::Leave => "left",
        Act::Invite => "invited",
        Act::Remove => "removed",
        Act::HandOver => "handed-over",
        Act::Close => "closed",
    }
}

/// What an invitation says, after who says it.
fn invites(group: &Name) -> String {
    format!("invites you to #{group}: fastchat group join {group}")
}

fn unknown_kind(kind: u8) -> String {
    format!("a message of kind {kind}; a newer program may show it")
}

/// A time for scripts.
pub(crate) fn timestamp(at: Wall) -> Timestamp {
    i64::try_from(at.0)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A time for people.
pub(crate) fn local_time(at: Wall) -> String {
    timestamp(at).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use wire::{LogId, Name, Number, Seq, Wall};

    use super::{Fetched, Shown, Style};
    use crate::store::ReceivedContent;

    fn message(content: ReceivedContent) -> Shown {
        let name = |text| Name::parse(text).expect("a name");
        Shown {
            log: LogId::mailbox(name("alice")),
            seq: Seq(5),
            sender: name("bob"),
            number: Number::new(3).expect("in range"),
            at: Wall(1_700_000_000_123),
            content,
            is_after_gap: false,
            fetched: Fetched::default(),
        }
    }

    fn text(text: &str, verified: bool) -> ReceivedContent {
        ReceivedContent::Text { text: text.to_owned(), sent: Wall(0), previous: [0; 32], verified }
    }

    #[test]
    fn json_has_exactly_the_published_members() {
        let value = message(text("hi\n\"there\"", true)).json();
        assert_eq!(
            value.to_string(),
            "{\"at\":\"2023-11-14T22:13:20.123Z\",\"from\":\"bob\",\"kind\":\"text\",\
             \"log\":\"@alice\",\"number\":3,\"seq\":5,\"text\":\"hi\\n\\\"there\\\"\",\
             \"verified\":true}"
        );
    }

    #[test]
    fn what_does_not_open_says_why_and_is_not_verified() {
        let reason = "tampered with".to_owned();
        let value = message(ReceivedContent::Undecryptable { reason }).json();
        assert_eq!(value["kind"], "undecryptable");
        assert_eq!(value["text"], "tampered with");
        assert_eq!(value["verified"], false);
    }

    #[test]
    fn a_gap_is_told_to_scripts_and_to_people() {
        let whole = message(text("hi", true));
        assert_eq!(whole.gap_json(), None);
        let shown = Shown { is_after_gap: true, ..whole };
        let gap = shown.gap_json().expect("a gap").to_string();
        assert_eq!(
            gap,
            "{\"before\":5,\"from\":\"bob\",\"kind\":\"missing\",\"log\":\"@alice\",\
             \"text\":\"a message before this one never came\"}"
        );
        assert!(shown.line(Style::PLAIN).starts_with("a message before this one never came\n"));
    }

    #[test]
    fn an_invitation_says_how_to_accept_it_and_whom_it_may_be_from() {
        let group = Name::parse("rust").expect("a name");
        let (sent, previous) = (Wall(0), [0; 32]);
        let content = ReceivedContent::Invitation { group, sent, previous, verified: false };
        let shown = message(content);
        let said = "bob invites you to #rust: fastchat group join rust";
        let line = shown.line(Style::PLAIN);
        assert!(line.contains(said) && line.contains("verify bob"), "{line}");
        let value = shown.json();
        assert_eq!((&value["kind"], &value["group"]), (&"invitation".into(), &"#rust".into()));
        assert_eq!((&value["text"], &value["verified"]), (&said.into(), &false.into()));
    }

    #[test]
    fn people_see_no_escape_of_others_and_a_warning_for_an_unverified_key() {
        let line = message(text("a\u{1b}[31mred", false)).line(Style::PLAIN);
        assert!(line.contains("bob: a\\u{1b}[31mred"), "{line}");
        assert!(line.contains("verify bob"), "{line}");
        assert!(!line.contains('\u{1b}'));
    }
}
