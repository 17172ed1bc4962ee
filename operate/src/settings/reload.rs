//! Reading the settings again while a program runs.

use super::{Known, SettingsError, Words};

/// What was read, and the words that it was read from.
pub type Loaded<C> = Result<(C, Words), SettingsError>;

/// Reads the settings of a program again, from where they were read at its start.
pub struct Reloader<C> {
    known: Known,
    read: Box<dyn Fn() -> Loaded<C>>,
    /// Those that count now.
    pub(super) words: Words,
}

impl<C> Reloader<C> {
    /// For a program that runs with `words`; `read` reads anew.
    #[must_use]
    pub fn new(known: Known, words: Words, read: Box<dyn Fn() -> Loaded<C>>) -> Self {
        Self { known, read, words }
    }

    /// Reads again and logs what has changed, or every mistake: with one, `None`, and what was
    /// read before goes on counting.
    pub fn reload(&mut self) -> Option<C> {
        match (self.read)() {
            Ok((config, words)) => {
                self.note(&words);
                Some(config)
            }
            Err(error) => {
                for mistake in error.to_string().lines() {
                    tracing::warn!(mistake, "settings");
                }
                tracing::warn!("the settings stay as they were");
                None
            }
        }
    }

    fn note(&mut self, words: &Words) {
        for setting in self.known.settings {
            let (key, next) = (setting.key, words.get(setting.key));
            if self.words.get(key) == next {
                continue;
            }
            if !setting.is_reloaded {
                tracing::warn!(setting = key, "has changed, which counts from the next start on");
                continue;
            }
            let (from, to) = (said(self.words.get(key)), said(next));
            tracing::info!(setting = key, from, to, "has changed");
            match next {
                Some(next) => self.words.insert(key, next.clone()),
                None => self.words.remove(key),
            };
        }
    }
}

/// What was set, as an operator reads it.
fn said(words: Option<&Vec<String>>) -> String {
    words.map_or_else(|| "the default".to_owned(), |words| words.join(" "))
}
