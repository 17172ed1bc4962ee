//! People: what they do with their installations, by chance.

use std::time::Duration;

use client::core::{Admission, Command, Event, GroupWish, Notice, Password, Reading, Request};
use client::store::ReceivedContent;
use wire::{Instant, LogId, Name};
use zeroize::Zeroizing;

use super::host::Node;
use super::oracle::{Attempt, Fact};
use super::plan::Plan;
use super::world::{What, World};

/// The longest text by chance.
const TEXT_LEN_MAX: u64 = 1500;
/// Messages that are shown at one time.
const SHOWN_MAX: u32 = 64;

/// A person with an account and one or more installations.
#[derive(Debug)]
pub struct User {
    /// The account.
    pub name: Name,
    /// Their installations.
    pub installations: Vec<usize>,
    /// The one in use, as an index of these.
    pub active: usize,
    /// What is attempted there, and since when.
    pub attempt: Option<(Attempt, Instant)>,
    /// The active one was asked to read since it was last online.
    pub is_reading: bool,
    /// It was asked to send.
    pub is_sending: bool,
    /// Until then they sign in with takeover, and with the right password.
    pub competes_until: Option<Instant>,
    written: u64,
}

impl User {
    /// A person that has done nothing yet.
    #[must_use]
    pub fn new(index: usize, plan: &Plan) -> Self {
        let all = 0..plan.installations;
        Self {
            name: user_name(index),
            installations: all.filter(|other| other % plan.users == index).collect(),
            active: 0,
            attempt: None,
            is_reading: false,
            is_sending: false,
            competes_until: None,
            written: 0,
        }
    }

    /// The installation in use.
    #[must_use]
    pub fn installation(&self) -> usize {
        self.installations[self.active]
    }

    /// From now on another installation is in use; nothing was attempted there yet.
    pub(super) fn turn_to(&mut self, place: usize) {
        self.active = place;
        self.attempt = None;
        self.is_reading = false;
        self.is_sending = false;
    }
}

/// What the account at `index` is called.
#[must_use]
pub fn user_name(index: usize) -> Name {
    Name::parse(&format!("user{index}")).expect("a name")
}

pub(super) fn group_name(index: usize) -> Name {
    Name::parse(&format!("group{index}")).expect("a name")
}

fn password(of: Name, is_right: bool) -> Password {
    let text = format!("{} of {of}", if is_right { "the password" } else { "a guess" });
    Password::new(Zeroizing::new(text.into_bytes()))
}

/// What the store says of an installation's session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Nobody has used it.
    Fresh,
    /// A sign-up was not answered.
    SigningUp,
    /// It has an account, and no session.
    SignedOut,
    /// It has a session.
    SignedIn,
}

impl World {
    /// A person does the next thing, and will do another.
    pub(super) fn act(&mut self, user: usize) {
        let pause = match self.has_faults {
            true => self.dice.time(Duration::from_millis(1), self.plan.pause),
            false => Duration::from_millis(500),
        };
        self.queue.push(self.now + pause, What::Act { user });
        let index = self.users[user].installation();
        if self.host(Node::Client(index)).paused.is_some() {
            return;
        }
        self.perhaps_lie(index);
        match self.has_faults {
            true => self.act_by_chance(user, index),
            false => self.settle_user(user, index),
        }
    }

    fn act_by_chance(&mut self, user: usize, index: usize) {
        self.use_rival(user, index);
        if !self.host(Node::Client(index)).is_up() {
            if self.dice.chance(600) {
                self.begin_client(user, index);
            }
            return;
        }
        if self.clients[index].is_leaving {
            return;
        }
        match self.standing(index) {
            Standing::SignedIn => self.use_session(user, index),
            standing if self.users[user].attempt.is_none() => self.enter(user, index, standing),
            _ if self.dice.chance(30) => {
                self.users[user].attempt = None;
                self.leave(index);
            }
            _ => {}
        }
    }

    /// Somebody still writes at another machine of the account, where there is a session as well.
    fn use_rival(&mut self, user: usize, active: usize) {
        let all = self.users[user].installations.clone();
        let is_in_use = |index: &usize| {
            *index != active
                && self.host(Node::Client(*index)).is_up()
                && !self.clients[*index].is_leaving
                && self.standing(*index) == Standing::SignedIn
        };
        let Some(rival) = all.into_iter().find(is_in_use) else { return };
        match self.dice.below(100) {
            0..=29 => self.write_direct(user, rival),
            30..=49 if self.plan.groups > 0 => self.write_group(user, rival),
            _ => {}
        }
    }

    pub(super) fn begin_client(&mut self, user: usize, index: usize) {
        self.users[user].attempt = None;
        self.users[user].is_reading = false;
        self.users[user].is_sending = false;
        self.start(Node::Client(index));
        self.show(index);
    }

    pub(super) fn standing(&self, index: usize) -> Standing {
        match self.clients[index].store.account().expect("the store works") {
            None => Standing::Fresh,
            Some(account) if account.pending_sign_up.is_some() => Standing::SigningUp,
            Some(account) if account.session.is_some() => Standing::SignedIn,
            Some(_) => Standing::SignedOut,
        }
    }

    fn enter(&mut self, user: usize, index: usize, standing: Standing) {
        let competes = self.users[user].competes_until.is_some_and(|until| self.now < until);
        let is_up = match standing {
            Standing::Fresh => self.dice.chance(600) && !competes,
            Standing::SigningUp => true,
            _ => false,
        };
        let is_right = self.dice.chance(850) || competes;
        let takeover = self.dice.chance(400) || competes;
        match is_up {
            true => self.sign_up(user, index),
            false => self.sign_in(user, index, is_right, takeover),
        }
    }

    pub(super) fn sign_up(&mut self, user: usize, index: usize) {
        let name = self.attempt(user, index, Attempt::SignUp);
        let password = password(name, true);
        self.feed_client(index, Event::Command(Command::SignUp { name, password }));
    }

    pub(super) fn sign_in(&mut self, user: usize, index: usize, is_right: bool, takeover: bool) {
        let name = self.attempt(user, index, Attempt::SignIn { is_right, takeover });
        let password = password(name, is_right);
        let command = Command::SignIn { name, password, takeover };
        self.feed_client(index, Event::Command(command));
    }

    fn attempt(&mut self, user: usize, index: usize, attempt: Attempt) -> Name {
        let name = self.users[user].name;
        self.users[user].attempt = Some((attempt, self.now));
        self.note(&[], format_args!("client-{index} begins {attempt:?}"));
        self.fact(&Fact::Attempted { client: index, name, attempt });
        name
    }

    fn use_session(&mut self, user: usize, index: usize) {
        if !self.users[user].is_reading && self.dice.chance(600) {
            return self.read_all(user, index);
        }
        match self.dice.below(100) {
            0..=44 => self.write_direct(user, index),
            45..=74 if self.plan.groups > 0 => self.write_group(user, index),
            75..=86 if self.plan.groups > 0 => self.change_group(index),
            87..=90 => self.leave(index),
            91 => {
                self.ask(index, Request::SignOut);
            }
            92..=95 => self.change_machine(user, index),
            96 => {
                self.ask(index, Request::Groups);
            }
            _ => self.read_all(user, index),
        }
    }

    pub(super) fn read_all(&mut self, user: usize, index: usize) {
        self.users[user].is_reading = true;
        self.ask(index, Request::Attach(Reading::All));
    }

    fn change_machine(&mut self, user: usize, index: usize) {
        let others = self.users[user].installations.len();
        let next = self.dice.index(others);
        if self.users[user].active == next {
            return;
        }
        // The other process may go on: then the two compete for the session.
        if self.dice.chance(500) {
            self.leave(index);
        }
        self.users[user].turn_to(next);
    }

    fn write_direct(&mut self, user: usize, index: usize) {
        let known = self.plan.users;
        // Sometimes to oneself, sometimes to nobody.
        let to = user_name(self.dice.index(known * 8 + 1) % (known + 1));
        if to == user_name(known) || self.is_met(to) {
            self.write_post(user, index, LogId::mailbox(to));
        }
    }

    fn write_group(&mut self, user: usize, index: usize) {
        let group = group_name(self.dice.index(self.plan.groups));
        let (name, members) = (self.users[user].name, &self.oracle.ledger.members);
        let is_member = members.get(&group).is_some_and(|members| members.contains_key(&name));
        if is_member || self.plan.has_strangers {
            self.write_post(user, index, LogId::group(group));
        }
    }

    /// Whether one may write to an account.
    fn is_met(&self, name: Name) -> bool {
        self.plan.has_strangers || self.oracle.ledger.accounts.contains_key(&name)
    }

    fn write_post(&mut self, user: usize, index: usize, log: LogId) {
        let burst = if self.dice.chance(100) { self.dice.between(2, 20) } else { 1 };
        for _ in 0..burst {
            let len = match self.dice.chance(100) {
                true => self.dice.below(TEXT_LEN_MAX),
                false => 0,
            };
            let filler = usize::try_from(len).expect("short");
            self.users[user].written += 1;
            let number = self.users[user].written;
            let name = self.users[user].name;
            let text = format!("{number} by {name} to {log}{:.<filler$}", "");
            let wall = self.wall(Node::Client(index));
            let client = &mut self.clients[index];
            let id = client.store.add_draft(&log, &text, wall).expect("the store works");
            client.texts.insert(id, text);
        }
        self.ask(index, Request::Outbox);
    }

    fn change_group(&mut self, index: usize) {
        let group = group_name(self.dice.index(self.plan.groups));
        let other = user_name(self.dice.index(self.plan.users));
        let secret = password(group, self.dice.chance(800));
        if !self.is_met(other) {
            return;
        }
        let wish = match self.dice.below(20) {
            0..=5 => GroupWish::Create(match self.dice.below(3) {
                0 => Admission::Open,
                1 => Admission::Password(secret),
                _ => Admission::Invitation,
            }),
            6..=9 => GroupWish::Join(None),
            10..=11 => GroupWish::Join(Some(secret)),
            12..=15 => GroupWish::Invite(other),
            16 => GroupWish::Leave,
            17 => GroupWish::Remove(other),
            18 => GroupWish::HandOver(other),
            _ if self.dice.chance(200) => GroupWish::Close,
            _ => GroupWish::Join(None),
        };
        self.ask(index, Request::Group { group, wish });
    }

    /// A client has told something: its person hears it.
    pub(super) fn on_notice(&mut self, index: usize, notice: Notice) {
        let user = self.clients[index].user;
        let name = self.users[user].name;
        let is_active = self.users[user].installation() == index;
        match notice {
            Notice::Received(_) => self.show(index),
            Notice::SignedUp { .. } => self.on_outcome(user, index, Ok(())),
            Notice::SignedIn => self.on_outcome(user, index, Ok(())),
            Notice::SignInFailed(failure) => self.on_outcome(user, index, Err(failure.code)),
            Notice::SessionOver(failure) => {
                if is_active {
                    self.users[user].is_reading = false;
                }
                self.fact(&Fact::SessionOver { client: index, name, code: failure.code });
            }
            Notice::Online if is_active => {
                self.users[user].is_sending = false;
            }
            Notice::Answered { ticket, result } => {
                let code = result.err().map(|failure| failure.code);
                self.note(&[], format_args!("client-{index} answered {ticket:?}: {code:?}"));
            }
            Notice::Expired { group, count } => {
                self.fact(&Fact::Expired { reader: name, log: LogId::group(group), count });
            }
            Notice::GroupWarning { group, text } => {
                self.fact(&Fact::Warned { client: index, name, group, text: &text });
            }
            _ => {}
        }
    }

    fn on_outcome(&mut self, user: usize, index: usize, result: Result<(), client::failure::Code>) {
        if self.users[user].installation() != index {
            return;
        }
        let Some((attempt, since)) = self.users[user].attempt.take() else { return };
        let name = self.users[user].name;
        self.note(&[], format_args!("client-{index} {attempt:?}: {result:?}"));
        self.fact(&Fact::Outcome { client: index, name, attempt, result, since });
    }

    /// Everything that was received and not shown is shown.
    pub(super) fn show(&mut self, index: usize) {
        let reader = self.users[self.clients[index].user].name;
        loop {
            let store = &mut self.clients[index].store;
            let messages = store.unshown(SHOWN_MAX).expect("the store works");
            if messages.is_empty() {
                return;
            }
            let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
            store.mark_shown(&ids).expect("the store works");
            for message in &messages {
                if !matches!(message.content, ReceivedContent::Text { .. }) {
                    self.trace.explain(&format_args!("client-{index} is shown {message:?}"));
                }
                self.fact(&Fact::Shown { client: index, reader, message });
            }
        }
    }
}
