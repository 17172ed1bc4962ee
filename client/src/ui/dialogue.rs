//! What the user may type and what it means: pure, so that every path through the menu is tested.

use wire::Name;

use crate::config::user_name;
use crate::core::Password;
use crate::crypto::keys::KeyId;
use crate::crypto::plaintext::check_text;
use crate::failure::{Code, Failure};

const LOG_IN: &str = "1 sign up · 2 sign in · q quit";
const MAIN: &str = "1 message a user · 2 read what waits · 3 contacts and fingerprints · q quit";

/// What the menu wants from its surroundings.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Show a line.
    Print(String),
    /// Make an account.
    SignUp(Name, Password),
    /// Begin a session.
    SignIn(Name, Password, bool),
    /// Put a message into the outbox.
    Send(Name, String),
    /// Show the messages that wait.
    ShowWaiting,
    /// Show all contacts.
    ListContacts,
    /// Show one contact; ends in [`Dialogue::on_contact`].
    ShowContact(Name),
    /// Agree to a key; `true`: and mark it verified.
    Trust(Name, KeyId, bool),
    /// Leave.
    Quit,
}

/// What the menu waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Prompt {
    /// A line.
    Line(String),
    /// A line that is not shown.
    Secret(String),
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
    To { me: Name },
    Text { me: Name, to: Name },
    Contacts { me: Name },
    Looking { me: Name },
    Contact { me: Name, name: Name, key: KeyId },
}

impl Dialogue {
    /// Begins at the log-in screen.
    pub(super) fn new(user: Option<Name>, given: Option<Password>) -> Self {
        let place = Place::LogIn;
        Self { place, user, given }
    }

    /// What is shown before the user is asked.
    pub(super) fn heading(&self) -> Option<&'static str> {
        match self.place {
            Place::LogIn => Some(LOG_IN),
            Place::Main { .. } => Some(MAIN),
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
            Place::Password { .. } => Prompt::Secret("Password: ".to_owned()),
            Place::Again { .. } => Prompt::Secret("Password again: ".to_owned()),
            Place::Working { .. } | Place::Looking { .. } => Prompt::Nothing,
            Place::TakeOver { .. } => line("End the session there and go on here? [y/N] "),
            Place::Main { me } => Prompt::Line(format!("{me}> ")),
            Place::To { .. } => line("To: "),
            Place::Text { to, .. } => Prompt::Line(format!("Message to {to}: ")),
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
            Place::To { me } => self.on_to(line, me),
            Place::Text { me, to } => self.on_text(line, me, to),
            Place::Contacts { me } => self.on_contacts(line, me),
            Place::Contact { me, name, key } => self.on_choice(line, me, name, key),
            Place::Password { .. } | Place::Again { .. } => Vec::new(),
            Place::Working { .. } | Place::Looking { .. } => Vec::new(),
        }
    }

    /// The user has typed a password, or the wrong thing for one.
    pub(super) fn on_secret(&mut self, typed: Result<Password, Failure>) -> Vec<Action> {
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
            Place::To { me }
            | Place::Text { me, .. }
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

    fn on_log_in(&mut self, line: &str) -> Vec<Action> {
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

    fn on_user(&mut self, line: &str, is_new: bool) -> Vec<Action> {
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

    fn on_take_over(&mut self, line: &str, name: Name, password: Password) -> Vec<Action> {
        match line {
            "y" | "yes" | "Y" => self.sign_in(name, password, true),
            _ => {
                self.place = Place::LogIn;
                Vec::new()
            }
        }
    }

    fn on_main(&mut self, line: &str, me: Name) -> Vec<Action> {
        if let Some((to, text)) = line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            return match user_name(to, "user") {
                Ok(to) => self.on_text(text.trim(), me, to),
                Err(failure) => vec![Action::Print(failure.text)],
            };
        }
        match line {
            "1" => self.place = Place::To { me },
            "2" => return vec![Action::ShowWaiting],
            "3" => {
                self.place = Place::Contacts { me };
                return vec![Action::ListContacts];
            }
            "q" | "quit" => return vec![Action::Quit],
            "" => {}
            _ => return unknown(line, "1, 2, 3 or q, or @NAME and a message"),
        }
        Vec::new()
    }

    fn on_to(&mut self, line: &str, me: Name) -> Vec<Action> {
        if line.is_empty() {
            return self.go_main(me);
        }
        match user_name(line, "user") {
            Ok(to) => {
                self.place = Place::Text { me, to };
                Vec::new()
            }
            Err(failure) => vec![Action::Print(failure.text)],
        }
    }

    fn on_text(&mut self, line: &str, me: Name, to: Name) -> Vec<Action> {
        self.place = Place::Main { me };
        if line.is_empty() {
            return Vec::new();
        }
        match check_text(line) {
            Ok(()) => vec![Action::Send(to, line.to_owned())],
            Err(error) => vec![Action::Print(error.to_string())],
        }
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

    fn sign_up(&mut self, name: Name, password: Password) -> Vec<Action> {
        let place = Place::Working { name, password: password.clone() };
        self.place = place;
        vec![Action::SignUp(name, password)]
    }

    fn sign_in(&mut self, name: Name, password: Password, takeover: bool) -> Vec<Action> {
        let place = Place::Working { name, password: password.clone() };
        self.place = place;
        vec![Action::SignIn(name, password, takeover)]
    }

    fn go_main(&mut self, me: Name) -> Vec<Action> {
        self.place = Place::Main { me };
        Vec::new()
    }

    fn back_to_log_in(&mut self, text: &str) -> Vec<Action> {
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

fn unknown(line: &str, choices: &str) -> Vec<Action> {
    let line = crate::escape::one_line(line);
    vec![Action::Print(format!("\"{line}\" is not on the menu; type {choices}"))]
}

#[cfg(test)]
mod tests {
    use wire::Name;
    use zeroize::Zeroizing;

    use super::{Action, Dialogue, Prompt};
    use crate::core::Password;
    use crate::crypto::keys::KeyId;
    use crate::failure::{Code, Failure};

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    fn password(text: &str) -> Password {
        Password::new(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn signed_in() -> Dialogue {
        let mut dialogue = Dialogue::new(None, None);
        dialogue.on_signed_in(name("alice"));
        dialogue
    }

    #[test]
    fn a_new_user_chooses_a_name_and_types_the_password_twice() {
        let mut dialogue = Dialogue::new(None, None);
        assert!(dialogue.on_line("1").is_empty());
        assert!(matches!(dialogue.on_line("9x").as_slice(), [Action::Print(_)]));
        assert!(dialogue.on_line("Alice").is_empty());
        assert!(dialogue.on_secret(Ok(password("pw"))).is_empty());
        let wrong = dialogue.on_secret(Ok(password("other")));
        assert!(matches!(wrong.as_slice(), [Action::Print(text)] if text.contains("differ")));
        dialogue.on_line("1");
        dialogue.on_line("alice");
        dialogue.on_secret(Ok(password("pw")));
        let actions = dialogue.on_secret(Ok(password("pw")));
        assert!(matches!(actions.as_slice(), [Action::SignUp(who, _)] if *who == name("alice")));
        assert_eq!(dialogue.prompt(), Prompt::Nothing);
        dialogue.on_signed_in(name("alice"));
        assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
    }

    #[test]
    fn a_session_elsewhere_can_be_taken_over_or_left_alone() {
        let elsewhere = Failure::new(Code::AlreadyLoggedIn, "elsewhere");
        for (answer, takes_over) in [("y", true), ("", false)] {
            let mut dialogue = Dialogue::new(Some(name("alice")), None);
            dialogue.on_line("2");
            dialogue.on_line("");
            dialogue.on_secret(Ok(password("pw")));
            dialogue.on_sign_in_failed(&elsewhere);
            let actions = dialogue.on_line(answer);
            let takeover = matches!(actions.as_slice(), [Action::SignIn(_, _, true)]);
            assert_eq!(takeover, takes_over);
        }
    }

    #[test]
    fn a_message_is_sent_from_the_menu_or_in_one_line() {
        let mut dialogue = signed_in();
        dialogue.on_line("1");
        dialogue.on_line("bob");
        let actions = dialogue.on_line("hello there");
        assert!(matches!(actions.as_slice(), [Action::Send(to, text)]
                if *to == name("bob") && text == "hello there"));
        let actions = dialogue.on_line("@bob me again");
        assert!(matches!(actions.as_slice(), [Action::Send(_, text)] if text == "me again"));
        let long = format!("@bob {}", "x".repeat(100_000));
        assert!(matches!(dialogue.on_line(&long).as_slice(), [Action::Print(_)]));
    }

    #[test]
    fn a_contact_is_looked_at_and_verified() {
        let mut dialogue = signed_in();
        assert!(matches!(dialogue.on_line("3").as_slice(), [Action::ListContacts]));
        assert!(matches!(dialogue.on_line("bob").as_slice(), [Action::ShowContact(_)]));
        assert_eq!(dialogue.prompt(), Prompt::Nothing);
        dialogue.on_contact(Some((name("bob"), KeyId([7; 32]))));
        let actions = dialogue.on_line("v");
        assert!(
            matches!(actions.as_slice(), [Action::Trust(_, key, true)] if *key == KeyId([7; 32]))
        );
    }

    #[test]
    fn cancel_goes_one_step_back_and_out_at_last() {
        let mut dialogue = signed_in();
        dialogue.on_line("1");
        dialogue.on_line("bob");
        assert!(dialogue.on_cancel().is_empty());
        assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
        assert!(matches!(dialogue.on_cancel().as_slice(), [Action::Quit]));
        dialogue.on_session_over(&Failure::signed_out());
        assert!(matches!(dialogue.on_line("q").as_slice(), [Action::Quit]));
    }

    #[test]
    fn a_session_that_is_over_leads_to_the_log_in_choices() {
        let mut dialogue = signed_in();
        dialogue.on_line("1");
        let actions = dialogue.on_session_over(&Failure::signed_out());
        assert!(matches!(&actions[0], Action::Print(text) if text.contains("choose 2")));
        assert_eq!(dialogue.heading(), Some(super::LOG_IN));
        assert!(dialogue.on_line("2").is_empty());
        assert_eq!(dialogue.prompt(), Prompt::Line("Username [alice]: ".to_owned()));
    }

    #[test]
    fn a_wrong_given_password_is_asked_for_the_next_time() {
        let mut dialogue = Dialogue::new(Some(name("alice")), Some(password("wrong")));
        dialogue.on_line("2");
        assert!(matches!(dialogue.on_line("").as_slice(), [Action::SignIn(..)]));
        dialogue.on_sign_in_failed(&Failure::new(Code::IncorrectPassword, "wrong"));
        dialogue.on_line("2");
        dialogue.on_line("");
        assert!(matches!(dialogue.prompt(), Prompt::Secret(_)));
    }
}
