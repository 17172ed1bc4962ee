//! The screen of attachments: which file, to whom, with which words.

use std::path::PathBuf;

use wire::LogId;

use super::{Action, Prompt, shown};
use crate::config::target;
use crate::crypto::content::CAPTION_LEN_MAX;

/// The place to go on at, `None` for back to the main screen; and what is wanted.
pub(super) type Turn = (Option<FileDialogue>, Vec<Action>);

/// Where the user is on this screen.
#[derive(Clone, Debug, Default)]
pub(super) enum FileDialogue {
    /// Which file?
    #[default]
    Path,
    /// To whom?
    To(PathBuf),
    /// With which words?
    Caption(PathBuf, LogId),
}

impl FileDialogue {
    pub(super) fn prompt(&self) -> Prompt {
        Prompt::Line(match self {
            Self::Path => "Image or file (its path): ".to_owned(),
            Self::To(_) => "To (a user, or #GROUP): ".to_owned(),
            Self::Caption(_, to) => format!("Caption for {} (Enter: none): ", shown(to)),
        })
    }

    pub(super) fn on_line(self, line: &str) -> Turn {
        match self {
            Self::Path | Self::To(_) if line.is_empty() => (None, Vec::new()),
            Self::Path => {
                let path = PathBuf::from(line);
                match path.is_file() {
                    true => (Some(Self::To(path)), Vec::new()),
                    false => (Some(Self::Path), vec![Action::Print("no such file".to_owned())]),
                }
            }
            Self::To(path) => match target(line) {
                Ok(to) => (Some(Self::Caption(path, to)), Vec::new()),
                Err(failure) => (Some(Self::To(path)), vec![Action::Print(failure.text)]),
            },
            Self::Caption(path, to) if line.len() > CAPTION_LEN_MAX => {
                let long = "that is too long for a caption; send it as a message".to_owned();
                (Some(Self::Caption(path, to)), vec![Action::Print(long)])
            }
            Self::Caption(path, to) => (None, vec![Action::SendFile(to, path, line.to_owned())]),
        }
    }
}
