//! What an operator has set: by flags, by variables of the environment, or in a file. Where it is
//! set more than once, the first of these counts; each mistake is named by where it was made.

mod file;
mod known;
mod reload;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

pub use known::{Known, Setting};
pub use reload::{Loaded, Reloader};

/// The words of each setting that is set.
pub type Words = BTreeMap<&'static str, Vec<String>>;

/// What was set, each setting from the place that counts.
#[derive(Debug)]
pub struct Settings {
    known: Known,
    file: Option<PathBuf>,
    given: BTreeMap<&'static str, Given>,
    mistakes: Vec<String>,
    /// The file says nothing that can be read: what it would have set is not missing.
    is_unreadable: bool,
}

/// A setting's words, of which most have one, and where they stand.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Given {
    words: Vec<String>,
    place: Place,
}

/// Where a setting is set, as a mistake in it is named.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Flag(String),
    Variable(String),
    /// File, line from 1, key.
    Line(PathBuf, usize, &'static str),
}

/// What is wrong with what was set: one line for each mistake.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(Vec<String>);

impl Settings {
    /// Takes what is set: `flags` by key, then what `environment` says, then the `file`.
    #[must_use]
    pub fn read(
        known: Known,
        flags: Vec<(&'static str, Vec<String>)>,
        environment: &dyn Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Self {
        let (given, mistakes) = (BTreeMap::new(), Vec::new());
        let file_path = file.map(Path::to_owned);
        let mut settings = Self { known, file: file_path, given, mistakes, is_unreadable: false };
        for (key, words) in flags {
            settings.take(key, words, Place::Flag(known.setting(key).flag()));
        }
        for setting in known.settings {
            let variable = known.variable(setting);
            if let Some(word) = environment(&variable) {
                settings.take(setting.key, vec![word], Place::Variable(variable));
            }
        }
        if let Some(path) = file {
            let read = file::read(path, known, &mut settings.mistakes);
            settings.is_unreadable = read.is_none();
            for line in read.unwrap_or_default() {
                let place = Place::Line(path.to_owned(), line.number, line.key);
                settings.take(line.key, line.words, place);
            }
        }
        settings
    }

    fn take(&mut self, key: &'static str, words: Vec<String>, place: Place) {
        if !words.is_empty() {
            self.given.entry(key).or_insert(Given { words, place });
        }
    }

    /// Whether it is set anywhere.
    #[must_use]
    pub fn has(&self, key: &'static str) -> bool {
        self.given.contains_key(self.known.setting(key).key)
    }

    /// The value of a setting that has one. `None` when it is not set, or cannot be read.
    pub fn one<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        let given = self.given.get(self.known.setting(key).key)?;
        let parsed = match given.words.as_slice() {
            [word] => word.parse().map_err(|error| format!("{word:?}: {error}")),
            _ => Err("is one value, not a list".to_owned()),
        };
        parsed.map_err(|mistake| self.mistake(key, mistake)).ok()
    }

    /// The values of a setting that may have several: where it is one text, by commas.
    #[must_use]
    pub fn many(&self, key: &'static str) -> Vec<String> {
        let given = self.given.get(self.known.setting(key).key);
        let words = given.into_iter().flat_map(|given| &given.words);
        words.flat_map(|word| word.split(',')).map(|word| word.trim().to_owned()).collect()
    }

    /// Names each of these that is not set.
    pub fn need(&mut self, keys: &[&'static str], instead: &str) {
        for key in keys.iter().filter(|_| !self.is_unreadable) {
            if !self.has(key) {
                let flag = self.known.setting(key).flag();
                let mistake = match &self.file {
                    Some(path) => format!("{flag} is missing, and {key} in {}", path.display()),
                    None => format!("{flag} is missing{instead}"),
                };
                self.mistakes.push(mistake);
            }
        }
    }

    /// Names what is wrong with a setting, after where it is set.
    pub fn mistake(&mut self, key: &'static str, mistake: impl Display) {
        let mistake = format!("{} {mistake}", self.place(key));
        self.mistakes.push(mistake);
    }

    /// Names what is wrong with a flag that is no setting.
    pub fn misuse(&mut self, mistake: String) {
        self.mistakes.push(mistake);
    }

    /// Where it is set, or its flag.
    #[must_use]
    pub fn place(&self, key: &'static str) -> String {
        let setting = self.known.setting(key);
        let given = self.given.get(setting.key);
        given.map_or_else(|| setting.flag(), |given| given.place.to_string())
    }

    /// Ends with what is set, or with all mistakes.
    ///
    /// # Errors
    /// [`SettingsError`] names each.
    pub fn finish(self) -> Result<Words, SettingsError> {
        let words = self.given.into_iter().map(|(key, given)| (key, given.words));
        if self.mistakes.is_empty() {
            Ok(words.collect())
        } else {
            Err(SettingsError(self.mistakes))
        }
    }
}

/// What the environment of this process says; a variable that is empty says nothing.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|word| !word.is_empty())
}

impl SettingsError {
    /// A single mistake.
    #[must_use]
    pub fn of(mistake: &str) -> Self {
        Self(vec![mistake.to_owned()])
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Line(path, line, key) => write!(f, "{}:{line}: {key}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
