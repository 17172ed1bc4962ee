//! Where a password comes from: a file, the environment or a prompt; never the command line.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Read, stdin};
use std::path::Path;

use zeroize::Zeroizing;

use crate::config::Config;
use crate::core::Password;
use crate::failure::Failure;
use crate::interrupt;

/// Longest password, in bytes.
pub const PASSWORD_LEN_MAX: usize = 1024;

/// What a password is for: mistakes name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Signing up and in.
    Account,
    /// Joining a group.
    Group,
}

impl Kind {
    /// What such a password is called.
    #[must_use]
    pub fn called(self) -> &'static str {
        match self {
            Self::Account => "password",
            Self::Group => "group password",
        }
    }

    /// How to give it where nobody can be asked.
    fn elsewhere(self) -> &'static str {
        match self {
            Self::Account => "--password-file FILE or FASTCHAT_PASSWORD",
            Self::Group => "--group-password-file FILE or FASTCHAT_GROUP_PASSWORD",
        }
    }
}

/// The password that was given without a prompt, if one was.
///
/// # Errors
/// The file cannot be read, or holds no usable password.
pub fn given(config: &Config) -> Result<Option<Password>, Failure> {
    if let Some(path) = &config.password_file {
        return in_file(path).map(Some);
    }
    from_environment("FASTCHAT_PASSWORD", Kind::Account)
}

/// The password in the file that `--password-file` names.
///
/// # Errors
/// It cannot be read, or holds no usable password.
pub fn in_file(path: &Path) -> Result<Password, Failure> {
    from_file(path, "--password-file", Kind::Account)
}

/// The given password, else one typed at a prompt; twice when it is a new one.
///
/// # Errors
/// There is no terminal to ask at, or the two differ.
pub fn read(config: &Config, is_new: bool) -> Result<Password, Failure> {
    if let Some(password) = given(config)? {
        return Ok(password);
    }
    if !stdin().is_terminal() {
        let elsewhere = Kind::Account.elsewhere();
        return Err(Failure::usage(format!("no password; use {elsewhere}, or a terminal")));
    }
    match is_new {
        true => prompt_new(Kind::Account),
        false => prompt("Password: ", Kind::Account),
    }
}

/// A group's password that was given without a prompt, if one was.
///
/// # Errors
/// The file cannot be read, or holds no usable password.
pub fn for_group(file: Option<&Path>) -> Result<Option<Password>, Failure> {
    match file {
        Some(path) => from_file(path, "--group-password-file", Kind::Group).map(Some),
        None => from_environment("FASTCHAT_GROUP_PASSWORD", Kind::Group),
    }
}

/// Asks at the terminal for a new password, twice.
///
/// # Errors
/// As [`prompt`], or the two differ.
pub fn prompt_new(kind: Kind) -> Result<Password, Failure> {
    let (words, again) = match kind {
        Kind::Account => ("Password: ", "Password again: "),
        Kind::Group => ("Group password: ", "Group password again: "),
    };
    let password = prompt(words, kind)?;
    if prompt(again, kind)?.bytes() != password.bytes() {
        return Err(Failure::usage(format!("the two {}s differ; try again", kind.called())));
    }
    Ok(password)
}

/// Asks at the terminal, without showing what is typed.
///
/// # Errors
/// The terminal cannot be read, or the password is not usable.
pub fn prompt(words: &str, kind: Kind) -> Result<Password, Failure> {
    match prompt_or_cancel(words, kind)? {
        Some(password) => Ok(password),
        None => Err(interrupt::obey()),
    }
}

/// As [`prompt`]; `None` when the interrupt key was typed instead.
///
/// # Errors
/// As [`prompt`].
pub fn prompt_or_cancel(words: &str, kind: Kind) -> Result<Option<Password>, Failure> {
    let unreadable = |error: std::io::Error| {
        let (called, elsewhere) = (kind.called(), kind.elsewhere());
        Failure::usage(format!("the {called} cannot be read ({error}); use {elsewhere}"))
    };
    let held = interrupt::hold().map_err(unreadable)?;
    let typed = rpassword::prompt_password(words);
    drop(held);
    match typed {
        Ok(typed) => check(Zeroizing::new(typed.into_bytes()), kind).map(Some),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

/// Takes `bytes` as a password.
///
/// # Errors
/// It is empty or too long.
pub fn check(bytes: Zeroizing<Vec<u8>>, kind: Kind) -> Result<Password, Failure> {
    let called = kind.called();
    match bytes.len() {
        0 => Err(Failure::usage(format!("the {called} is empty"))),
        1..=PASSWORD_LEN_MAX => Ok(Password::new(bytes)),
        _ => Err(Failure::usage(format!("the {called} has more than {PASSWORD_LEN_MAX} bytes"))),
    }
}

fn from_environment(variable: &str, kind: Kind) -> Result<Option<Password>, Failure> {
    match std::env::var(variable) {
        Ok(text) => check(Zeroizing::new(text.into_bytes()), kind).map(Some),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("{variable} is not UTF-8")))
        }
    }
}

fn from_file(path: &Path, option: &str, kind: Kind) -> Result<Password, Failure> {
    let wrong =
        |error: std::io::Error| Failure::usage(format!("{option} {}: {error}", path.display()));
    let limit = u64::try_from(PASSWORD_LEN_MAX).expect("a small constant") + 3;
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_LEN_MAX + 3));
    let file = File::open(path).map_err(wrong)?;
    BufReader::new(file.take(limit)).read_until(b'\n', &mut line).map_err(wrong)?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    check(line, kind)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Kind, PASSWORD_LEN_MAX, from_file};

    fn written(content: &str) -> Result<Vec<u8>, crate::failure::Failure> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), content).expect("written");
        from_file(file.path(), "--password-file", Kind::Account)
            .map(|password| password.bytes().to_vec())
    }

    #[test]
    fn a_file_gives_its_first_line() {
        assert_eq!(written("a b c\nmore\n").expect("usable"), b"a b c");
        assert_eq!(written("no end").expect("usable"), b"no end");
        assert_eq!(written("windows\r\n").expect("usable"), b"windows");
    }

    #[test]
    fn empty_and_huge_ones_are_refused() {
        assert!(written("\n").is_err());
        assert!(written("").is_err());
        assert!(written(&"x".repeat(PASSWORD_LEN_MAX)).is_ok());
        assert!(written(&"x".repeat(PASSWORD_LEN_MAX + 1)).is_err());
    }

    #[test]
    fn mistakes_say_which_password_they_are_about() {
        let mistake = |len: usize, kind| {
            let bytes = zeroize::Zeroizing::new(vec![b'x'; len]);
            super::check(bytes, kind).expect_err("it is none").text
        };
        for len in [0, PASSWORD_LEN_MAX + 1] {
            assert!(mistake(len, Kind::Account).starts_with("the password "));
            assert!(mistake(len, Kind::Group).starts_with("the group password "));
        }
    }
}
