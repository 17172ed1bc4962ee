//! The log-in screen: name, password, taking over.

use wire::Name;

use super::{Action, Dialogue, Place, unknown};
use crate::config::user_name;
use crate::core::Password;
use crate::failure::Failure;

impl Dialogue {
    pub(super) fn on_log_in(&mut self, line: &str) -> Vec<Action> {
        match line {
            "1" | "2" => {
                self.place = Place::User { is_new: line == "1" };
                Vec::new()
            }
            "q" | "quit" => vec![Action::Quit],
            "" => Vec::new(),
            _ => unknown(line, "1, 2 or q"),
        }
    }

    pub(super) fn on_user(&mut self, line: &str, is_new: bool) -> Vec<Action> {
        let name = match (line, self.user) {
            ("", Some(user)) => user,
            (line, _) => match user_name(line, "username") {
                Ok(name) => name,
                Err(failure) => return vec![Action::Print(failure.text)],
            },
        };
        match (&self.given, is_new) {
            (Some(password), true) => self.sign_up(name, password.clone()),
            (Some(password), false) => self.sign_in(name, password.clone(), false),
            (None, is_new) => {
                self.place = Place::Password { name, is_new };
                Vec::new()
            }
        }
    }

    pub(super) fn on_take_over(
        &mut self,
        line: &str,
        name: Name,
        password: Password,
    ) -> Vec<Action> {
        match line {
            "y" | "yes" | "Y" => self.sign_in(name, password, true),
            _ => {
                self.place = Place::LogIn;
                Vec::new()
            }
        }
    }

    pub(super) fn sign_up(&mut self, name: Name, password: Password) -> Vec<Action> {
        let place = Place::Working { name, password: password.clone() };
        self.place = place;
        vec![Action::SignUp(name, password)]
    }

    pub(super) fn sign_in(
        &mut self,
        name: Name,
        password: Password,
        takeover: bool,
    ) -> Vec<Action> {
        let place = Place::Working { name, password: password.clone() };
        self.place = place;
        vec![Action::SignIn(name, password, takeover)]
    }

    pub(super) fn back_to_log_in(&mut self, text: &str) -> Vec<Action> {
        self.place = Place::LogIn;
        vec![Action::Print(in_menu(text))]
    }
}

/// The next step of a failure as the log-in screen offers it, instead of a command line.
fn in_menu(text: &str) -> String {
    text.replace("run `fastchat signin --takeover`", "choose 2")
        .replace("run `fastchat signin`", "choose 2")
        .replace("run `fastchat signup`", "choose 1")
}

/// What stands in the way of a session that the program keeps trying to bring back.
pub(in crate::ui) fn still_trying(failure: &Failure) -> String {
    let text = failure.text.trim_end_matches("; try again in a moment");
    format!("{text}; trying again, what you write waits in the outbox")
}
