//! What may be set of a program, and under which names.

/// One thing that may be set: `peer_listen` in a file is `--peer-listen` as a flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Its name in a file.
    pub key: &'static str,
    /// The variable of all programs that sets it, where it is not the program's own.
    variable: Option<&'static str>,
    /// Whether a process takes a new value over on SIGHUP.
    pub is_reloaded: bool,
}

/// All that may be set of a program.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What its variables begin with, such as `FASTCHAT_SERVER`.
    pub prefix: &'static str,
    /// Each thing.
    pub settings: &'static [Setting],
}

impl Setting {
    /// A setting that counts from a start on.
    #[must_use]
    pub const fn fixed(key: &'static str) -> Self {
        Self { key, variable: None, is_reloaded: false }
    }

    /// A setting that SIGHUP reloads.
    #[must_use]
    pub const fn reloaded(key: &'static str) -> Self {
        Self { key, variable: None, is_reloaded: true }
    }

    /// The same, by a variable of this name.
    #[must_use]
    pub const fn by(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }

    /// Its flag.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }
}

impl Known {
    /// The setting with this key.
    ///
    /// # Panics
    /// When there is none: keys are the program's own words.
    #[must_use]
    pub fn setting(&self, key: &str) -> &'static Setting {
        self.find(key).expect("the program names what it knows")
    }

    /// The setting with this key, if there is one.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The variable that sets it.
    #[must_use]
    pub fn variable(&self, setting: &Setting) -> String {
        let own = || format!("{}_{}", self.prefix, setting.key.to_uppercase());
        setting.variable.map_or_else(own, str::to_owned)
    }
}
