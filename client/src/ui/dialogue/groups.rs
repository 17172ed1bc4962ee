//! The screen of groups: which change, of which group, for whom.

use wire::Name;

use super::{Action, Prompt, unknown};
use crate::commands::password::Kind;
use crate::config::{group_name, user_name};
use crate::core::{Admission, GroupWish, Password};
use crate::failure::{Code, Failure};

const CHOICES: &str = "1 create · 2 join · 3 leave · 4 members · 5 invite · 6 remove · \
                       7 hand over · 8 close · 9 trust · Enter back";

/// The place to go on at, `None` for back to the main screen; and what is wanted.
pub(super) type Turn = (Option<GroupDialogue>, Vec<Action>);

/// Where the user is on this screen.
#[derive(Clone, Debug)]
pub(super) enum GroupDialogue {
    /// What shall be done? And to which group the user was invited last.
    Choice(Option<Name>),
    /// With which group?
    Group(Verb),
    /// Which group is joined, when this one was offered?
    Invited(Name),
    /// To whom?
    User(Verb, Name),
    /// Who may join it?
    Entrance(Name),
    /// Its home is asked, which says whether it has a password.
    Joining(Name),
    /// The password; whether the group is new.
    Password(Name, bool),
    /// The new password again.
    Again(Name, Password),
    /// Really?
    Closing(Name),
}

/// What shall be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Create,
    Join,
    Leave,
    Members,
    Invite,
    Remove,
    HandOver,
    Close,
    Trust,
}

const VERBS: [Verb; 9] = [
    Verb::Create,
    Verb::Join,
    Verb::Leave,
    Verb::Members,
    Verb::Invite,
    Verb::Remove,
    Verb::HandOver,
    Verb::Close,
    Verb::Trust,
];

impl GroupDialogue {
    pub(super) fn heading(&self) -> Option<&'static str> {
        matches!(self, Self::Choice(_)).then_some(CHOICES)
    }

    pub(super) fn prompt(&self) -> Prompt {
        match self {
            Self::Choice(_) => Prompt::Line("Groups: ".to_owned()),
            Self::Group(Verb::Create) => Prompt::Line("Name of the new group: ".to_owned()),
            Self::Group(_) => Prompt::Line("Group: ".to_owned()),
            Self::Invited(group) => Prompt::Line(format!("Group [{group}]: ")),
            Self::User(..) => Prompt::Line("User: ".to_owned()),
            Self::Entrance(_) => Prompt::Line(
                "Who may join? 1 everybody · 2 who knows its password · 3 whom you invite: "
                    .to_owned(),
            ),
            Self::Joining(_) => Prompt::Nothing,
            Self::Password(..) => Prompt::Secret("Group password: ".to_owned(), Kind::Group),
            Self::Again(..) => Prompt::Secret("Group password again: ".to_owned(), Kind::Group),
            Self::Closing(group) => {
                Prompt::Line(format!("Really end #{group} for everybody? [y/N] "))
            }
        }
    }

    pub(super) fn on_line(self, line: &str) -> Turn {
        let agreed = matches!(line, "y" | "yes" | "Y");
        match self {
            Self::Invited(group) if line.is_empty() => join(group),
            _ if line.is_empty() => back(),
            Self::Choice(invited) => on_choice(line, invited),
            Self::Invited(offered) => match group_name(line) {
                Ok(group) => join(group),
                Err(failure) => stay(Self::Invited(offered), failure.text),
            },
            Self::Group(verb) => match group_name(line) {
                Ok(group) => on_group(verb, group),
                Err(failure) => stay(Self::Group(verb), failure.text),
            },
            Self::User(verb, group) => match user_name(line, "user") {
                Ok(user) => on_user(verb, group, user),
                Err(failure) => stay(Self::User(verb, group), failure.text),
            },
            Self::Entrance(group) => on_entrance(line, group),
            Self::Closing(group) if agreed => change(group, GroupWish::Close),
            Self::Closing(_) => back(),
            Self::Joining(_) | Self::Password(..) | Self::Again(..) => go(self),
        }
    }

    /// The home has answered to a joining without a password; `None` when it was not that.
    pub(super) fn on_joined(&self, asked: Name, result: &Result<(), Failure>) -> Option<Turn> {
        match (self, result) {
            (Self::Joining(group), _) if *group != asked => None,
            (Self::Joining(group), Err(failure)) if failure.code == Code::WrongGroupPassword => {
                Some(go(Self::Password(*group, false)))
            }
            (Self::Joining(_), _) => Some(back()),
            _ => None,
        }
    }

    pub(super) fn on_secret(self, typed: Result<Password, Failure>) -> Turn {
        let password = match typed {
            Ok(password) => password,
            Err(failure) => return (None, vec![Action::Print(failure.text)]),
        };
        match self {
            Self::Password(group, true) => go(Self::Again(group, password)),
            Self::Password(group, false) => change(group, GroupWish::Join(Some(password))),
            Self::Again(group, first) if first == password => {
                change(group, GroupWish::Create(Admission::Password(password)))
            }
            Self::Again(..) => {
                (None, vec![Action::Print("the two group passwords differ; try again".to_owned())])
            }
            other => go(other),
        }
    }
}

fn on_choice(line: &str, invited: Option<Name>) -> Turn {
    let verb = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match (verb.and_then(|index| VERBS.get(index)), invited) {
        (Some(Verb::Join), Some(group)) => go(GroupDialogue::Invited(group)),
        (Some(verb), _) => go(GroupDialogue::Group(*verb)),
        (None, _) => (Some(GroupDialogue::Choice(invited)), unknown(line, "1 to 9 or Enter")),
    }
}

fn on_group(verb: Verb, group: Name) -> Turn {
    match verb {
        Verb::Create => go(GroupDialogue::Entrance(group)),
        Verb::Join => join(group),
        Verb::Leave => change(group, GroupWish::Leave),
        Verb::Members => (None, vec![Action::ListMembers(group)]),
        Verb::Invite | Verb::Remove | Verb::HandOver => go(GroupDialogue::User(verb, group)),
        Verb::Close => go(GroupDialogue::Closing(group)),
        Verb::Trust => (None, vec![Action::TrustGroup(group)]),
    }
}

fn on_user(verb: Verb, group: Name, user: Name) -> Turn {
    match verb {
        Verb::Invite => change(group, GroupWish::Invite(user)),
        Verb::Remove => change(group, GroupWish::Remove(user)),
        Verb::HandOver => change(group, GroupWish::HandOver(user)),
        Verb::Create | Verb::Join | Verb::Leave | Verb::Members | Verb::Close | Verb::Trust => {
            back()
        }
    }
}

fn on_entrance(line: &str, group: Name) -> Turn {
    match line {
        "1" => change(group, GroupWish::Create(Admission::Open)),
        "2" => go(GroupDialogue::Password(group, true)),
        "3" => change(group, GroupWish::Create(Admission::Invitation)),
        _ => (Some(GroupDialogue::Entrance(group)), unknown(line, "1, 2, 3 or Enter")),
    }
}

/// Joins, and waits: the group may turn out to have a password.
fn join(group: Name) -> Turn {
    let wish = GroupWish::Join(None);
    (Some(GroupDialogue::Joining(group)), vec![Action::Change(group, wish)])
}

fn go(place: GroupDialogue) -> Turn {
    (Some(place), Vec::new())
}

fn back() -> Turn {
    (None, Vec::new())
}

fn stay(place: GroupDialogue, text: String) -> Turn {
    (Some(place), vec![Action::Print(text)])
}

fn change(group: Name, wish: GroupWish) -> Turn {
    (None, vec![Action::Change(group, wish)])
}
