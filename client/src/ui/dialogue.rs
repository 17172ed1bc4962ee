//! What the user may type and what it means: pure, so that every path through the menu is tested.

use std::path::PathBuf;

use wire::{LogId, LogKind, Name};

use crate::commands::password::Kind;
use crate::config::{group_name, target, user_name};
use crate::core::{GroupWish, Password};
use crate::crypto::keys::KeyId;
use crate::crypto::plaintext::check_text;
use crate::failure::{Code, Failure};

use files::FileDialogue;
use groups::{GroupDialogue, Turn};
pub(super) use log_in::still_trying;

mod files;
mod groups;
mod log_in;

const LOG_IN: &str = "1 sign up · 2 sign in · q quit";
const MAIN: &str = "\
1 message a user · 2 message a group · 3 groups: create, join, leave, members …
4 pending · 5 contacts and safety numbers · 6 send an image or a file
7 attachments that were not saved · q quit";

/// What the menu wants from its surroundings.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Show a line.
    Print(String),
    /// Make an account.
    SignUp(Name, Password),
    /// Begin a session.
    SignIn(Name, Password, bool),
    /// Put a message to a user or a group into the outbox.
    Send(LogId, String),
    /// Put a message with a file and a caption into the outbox.
    SendFile(LogId, PathBuf, String),
    /// Show the attachments that were not saved yet; ends in [`Dialogue::on_unsaved`].
    ListUnsaved,
    /// Save one of those that were shown, counted from 0; or all of them.
    Save(Option<usize>),
    /// Show the groups that the user is in.
    ListGroups,
    /// Show who is in a group.
    ListMembers(Name),
    /// Change a group.
    Change(Name, GroupWish),
    /// Go on with a group whose members are in doubt.
    TrustGroup(Name),
    /// Show the messages that wait.
    ShowWaiting,
    /// Send again, or give up, what may have arrived or not.
    Decide(Decision),
    /// Show all contacts.
    ListContacts,
    /// Show one contact; ends in [`Dialogue::on_contact`].
    ShowContact(Name),
    /// Agree to a key; `true`: and mark it verified.
    Trust(Name, KeyId, bool),
    /// Leave.
    Quit,
}

/// What becomes of messages that may have arrived or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// They are sent once more.
    Again,
    /// They are given up.
    Drop,
}

/// What the menu waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Prompt {
    /// A line.
    Line(String),
    /// A line that is not shown.
    Secret(String, Kind),
    /// Nothing: something is under way.
    Nothing,
}

/// Where the user is in the menu.
pub(super) struct Dialogue {
    place: Place,
    /// Whose data directory this is, or who was named on the command line.
    user: Option<Name>,
    /// A password that need not be asked for.
    given: Option<Password>,
    /// The group that the user was invited to last.
    invited: Option<Name>,
}

#[derive(Clone, Debug)]
enum Place {
    LogIn,
    User { is_new: bool },
    Password { name: Name, is_new: bool },
    Again { name: Name, password: Password },
    Working { name: Name, password: Password },
    TakeOver { name: Name, password: Password },
    Main { me: Name },
    To { me: Name, is_group: bool },
    Text { me: Name, to: LogId },
    Groups { me: Name, groups: GroupDialogue },
    Files { me: Name, files: FileDialogue },
    Unsaved { me: Name, count: usize },
    Contacts { me: Name },
    Looking { me: Name },
    Contact { me: Name, name: Name, key: KeyId },
}

impl Dialogue {
    /// Begins at the log-in screen.
    pub(super) fn new(user: Option<Name>, given: Option<Password>) -> Self {
        let place = Place::LogIn;
        Self { place, user, given, invited: None }
    }

    /// What is shown before the user is asked.
    pub(super) fn heading(&self) -> Option<&'static str> {
        match self.place {
            Place::LogIn => Some(LOG_IN),
            Place::Main { .. } => Some(MAIN),
            Place::Groups { ref groups, .. } => groups.heading(),
            _ => None,
        }
    }

    pub(super) fn prompt(&self) -> Prompt {
        let line = |text: &str| Prompt::Line(text.to_owned());
        match &self.place {
            Place::LogIn => line("> "),
            Place::User { .. } => match self.user {
                Some(user) => Prompt::Line(format!("Username [{user}]: ")),
                None => line("Username: "),
            },
            Place::Password { .. } => Prompt::Secret("Password: ".to_owned(), Kind::Account),
            Place::Again { .. } => Prompt::Secret("Password again: ".to_owned(), Kind::Account),
            Place::Working { .. } | Place::Looking { .. } => Prompt::Nothing,
            Place::TakeOver { .. } => line("End the session there and go on here? [y/N] "),
            Place::Main { me } => Prompt::Line(format!("{me}> ")),
            Place::To { is_group: false, .. } => line("To: "),
            Place::To { is_group: true, .. } => line("To group: "),
            Place::Text { to, .. } => Prompt::Line(format!("Message to {}: ", shown(to))),
            Place::Groups { groups, .. } => groups.prompt(),
            Place::Files { files, .. } => files.prompt(),
            Place::Unsaved { .. } => line("Save which? (its number · a all · Enter: back) "),
            Place::Contacts { .. } => line("Whose safety number? (Enter: back) "),
            Place::Contact { .. } => line(
                "v verified: the numbers are the same · a agree without comparing · Enter back: ",
            ),
        }
    }

    /// The user has typed a line.
    pub(super) fn on_line(&mut self, line: &str) -> Vec<Action> {
        let line = line.trim();
        match self.place.clone() {
            Place::LogIn => self.on_log_in(line),
            Place::User { is_new } => self.on_user(line, is_new),
            Place::TakeOver { name, password } => self.on_take_over(line, name, password),
            Place::Main { me } => self.on_main(line, me),
            Place::To { me, is_group } => self.on_to(line, me, is_group),
            Place::Text { me, to } => self.on_text(line, me, to),
            Place::Groups { me, groups } => self.on_groups(me, groups.on_line(line)),
            Place::Files { me, files } => self.on_files(me, files.on_line(line)),
            Place::Unsaved { me, count } => self.on_wanted(line, me, count),
            Place::Contacts { me } => self.on_contacts(line, me),
            Place::Contact { me, name, key } => self.on_choice(line, me, name, key),
            Place::Password { .. } | Place::Again { .. } => Vec::new(),
            Place::Working { .. } | Place::Looking { .. } => Vec::new(),
        }
    }

    /// The user has typed a password, or the wrong thing for one.
    pub(super) fn on_secret(&mut self, typed: Result<Password, Failure>) -> Vec<Action> {
        if let Place::Groups { me, groups } = self.place.clone() {
            return self.on_groups(me, groups.on_secret(typed));
        }
        let password = match typed {
            Ok(password) => password,
            Err(failure) => return self.back_to_log_in(&failure.text),
        };
        match self.place.clone() {
            Place::Password { name, is_new: true } => {
                self.place = Place::Again { name, password };
                Vec::new()
            }
            Place::Password { name, .. } => self.sign_in(name, password, false),
            Place::Again { name, password: first } if first.bytes() == password.bytes() => {
                self.sign_up(name, password)
            }
            Place::Again { .. } => self.back_to_log_in("the two passwords differ; try again"),
            _ => Vec::new(),
        }
    }

    /// The user wants to leave this place: one step back, and at the outermost one out.
    pub(super) fn on_cancel(&mut self) -> Vec<Action> {
        match self.place.clone() {
            Place::LogIn | Place::Main { .. } => vec![Action::Quit],
            Place::To { me, .. }
            | Place::Text { me, .. }
            | Place::Groups { me, .. }
            | Place::Files { me, .. }
            | Place::Unsaved { me, .. }
            | Place::Contacts { me }
            | Place::Looking { me }
            | Place::Contact { me, .. } => self.go_main(me),
            _ => {
                self.place = Place::LogIn;
                Vec::new()
            }
        }
    }

    /// The session is on.
    pub(super) fn on_signed_in(&mut self, me: Name) {
        self.user = Some(me);
        if self.prompt() == Prompt::Nothing || matches!(self.place, Place::LogIn) {
            self.place = Place::Main { me };
        }
    }

    /// Sign-up or sign-in has failed.
    pub(super) fn on_sign_in_failed(&mut self, failure: &Failure) -> Vec<Action> {
        match (failure.code, self.place.clone()) {
            (Code::AlreadyLoggedIn, Place::Working { name, password }) => {
                self.place = Place::TakeOver { name, password };
                vec![Action::Print(format!("{name} is already logged in on another machine."))]
            }
            // The password may be the wrong one: ask for it next time.
            _ => {
                self.given = None;
                self.back_to_log_in(&failure.text)
            }
        }
    }

    /// The session has ended.
    pub(super) fn on_session_over(&mut self, failure: &Failure) -> Vec<Action> {
        self.back_to_log_in(&failure.text)
    }

    /// The contact that was asked for is shown; `None`: it is not to be had.
    pub(super) fn on_contact(&mut self, contact: Option<(Name, KeyId)>) {
        if let Place::Looking { me } = self.place {
            self.place = match contact {
                Some((name, key)) => Place::Contact { me, name, key },
                None => Place::Main { me },
            };
        }
    }

    /// A joining without a password was answered. Whether the answer leads on, to a password.
    pub(super) fn on_joined(&mut self, group: Name, result: &Result<(), Failure>) -> bool {
        let Place::Groups { me, groups } = &self.place else {
            return false;
        };
        let me = *me;
        self.invited = self.invited.filter(|invited| *invited != group || result.is_err());
        let Some(turn) = groups.on_joined(group, result) else {
            return false;
        };
        let leads_on = turn.0.is_some();
        self.on_groups(me, turn);
        leads_on
    }

    /// Somebody says that the user is invited: joining offers that group.
    pub(super) fn on_invitation(&mut self, group: Name) {
        self.invited = Some(group);
    }

    /// There is no connection now: whoever waits for an answer waits at the main screen.
    pub(super) fn on_no_connection(&mut self) -> bool {
        match self.place {
            Place::Groups { me, groups: GroupDialogue::Joining(_) } => {
                self.place = Place::Main { me };
                true
            }
            _ => false,
        }
    }

    /// So many attachments were shown that were not saved yet.
    pub(super) fn on_unsaved(&mut self, count: usize) {
        if let (Place::Main { me }, 1..) = (&self.place, count) {
            self.place = Place::Unsaved { me: *me, count };
        }
    }

    fn on_wanted(&mut self, line: &str, me: Name, count: usize) -> Vec<Action> {
        let index = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let wanted = match (line, index) {
            ("", _) => return self.go_main(me),
            ("a", _) => None,
            (_, Some(index)) if index < count => Some(index),
            _ => return unknown(line, "a number of the list, a or Enter"),
        };
        self.place = Place::Main { me };
        vec![Action::Save(wanted)]
    }

    fn on_main(&mut self, line: &str, me: Name) -> Vec<Action> {
        if line.starts_with(['@', '#'])
            && let Some((to, text)) = line.split_once(' ')
        {
            return match target(to) {
                Ok(to) => self.on_text(text.trim(), me, to),
                Err(failure) => vec![Action::Print(failure.text)],
            };
        }
        match line {
            "1" | "2" => self.place = Place::To { me, is_group: line == "2" },
            "3" => {
                self.place = Place::Groups { me, groups: GroupDialogue::Choice(self.invited) };
                return vec![Action::ListGroups];
            }
            "4" => return vec![Action::ShowWaiting],
            "5" => {
                self.place = Place::Contacts { me };
                return vec![Action::ListContacts];
            }
            "6" => self.place = Place::Files { me, files: FileDialogue::default() },
            "again" => return vec![Action::Decide(Decision::Again)],
            "drop" => return vec![Action::Decide(Decision::Drop)],
            "7" => return vec![Action::ListUnsaved],
            "q" | "quit" => return vec![Action::Quit],
            "" => {}
            _ => return unknown(line, "1 to 7 or q, or @NAME or #GROUP and a message"),
        }
        Vec::new()
    }

    fn on_to(&mut self, line: &str, me: Name, is_group: bool) -> Vec<Action> {
        if line.is_empty() {
            return self.go_main(me);
        }
        let to = match is_group {
            true => group_name(line).map(LogId::group),
            false => user_name(line, "user").map(LogId::mailbox),
        };
        match to {
            Ok(to) => {
                self.place = Place::Text { me, to };
                Vec::new()
            }
            Err(failure) => vec![Action::Print(failure.text)],
        }
    }

    fn on_text(&mut self, line: &str, me: Name, to: LogId) -> Vec<Action> {
        self.place = Place::Main { me };
        if line.is_empty() {
            return Vec::new();
        }
        match check_text(line) {
            Ok(()) => vec![Action::Send(to, line.to_owned())],
            Err(error) => vec![Action::Print(error.to_string())],
        }
    }

    fn on_groups(&mut self, me: Name, (next, actions): Turn) -> Vec<Action> {
        self.place = match next {
            Some(groups) => Place::Groups { me, groups },
            None => Place::Main { me },
        };
        actions
    }

    fn on_files(&mut self, me: Name, (next, actions): files::Turn) -> Vec<Action> {
        self.place = match next {
            Some(files) => Place::Files { me, files },
            None => Place::Main { me },
        };
        actions
    }

    fn on_contacts(&mut self, line: &str, me: Name) -> Vec<Action> {
        if line.is_empty() {
            return self.go_main(me);
        }
        match user_name(line, "user") {
            Ok(name) => {
                self.place = Place::Looking { me };
                vec![Action::ShowContact(name)]
            }
            Err(failure) => vec![Action::Print(failure.text)],
        }
    }

    fn on_choice(&mut self, line: &str, me: Name, name: Name, key: KeyId) -> Vec<Action> {
        match line {
            "v" | "a" => {
                self.place = Place::Main { me };
                vec![Action::Trust(name, key, line == "v")]
            }
            "" => self.go_main(me),
            _ => unknown(line, "v, a or Enter"),
        }
    }

    fn go_main(&mut self, me: Name) -> Vec<Action> {
        self.place = Place::Main { me };
        Vec::new()
    }
}

/// A log as people call it.
pub(super) fn shown(log: &LogId) -> String {
    match log.kind {
        LogKind::Mailbox => log.name.to_string(),
        LogKind::Group => log.to_string(),
    }
}

fn unknown(line: &str, choices: &str) -> Vec<Action> {
    let line = crate::escape::one_line(line);
    vec![Action::Print(format!("\"{line}\" is not on the menu; type {choices}"))]
}

#[cfg(test)]
mod tests;
