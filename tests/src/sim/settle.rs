//! After the faults: everyone comes back, sends what waits, reads what is there, and stays.

use client::core::Request;

use super::host::Node;
use super::user::Standing;
use super::world::World;

impl World {
    /// A person whose machines all work again. What waits on one of them is sent from there, one
    /// after the other; the last stays on.
    pub(super) fn settle_user(&mut self, user: usize, index: usize) {
        let waiting = self.waiting_installation(user);
        if waiting.is_some_and(|waiting| waiting != index) {
            return self.switch_to(user, index, waiting.expect("just seen"));
        }
        if !self.host(Node::Client(index)).is_up() {
            return self.begin_client(user, index);
        }
        if self.clients[index].is_leaving {
            return;
        }
        match self.standing(index) {
            Standing::SignedIn => self.settle_session(user, index),
            _ if self.users[user].attempt.is_some() => {}
            Standing::SigningUp => self.sign_up(user, index),
            Standing::Fresh
                if !self.oracle.ledger.accounts.contains_key(&self.users[user].name) =>
            {
                self.sign_up(user, index);
            }
            Standing::Fresh | Standing::SignedOut => self.sign_in(user, index, true, true),
        }
    }

    fn settle_session(&mut self, user: usize, index: usize) {
        if !self.users[user].is_reading {
            self.read_all(user, index);
        }
        if !self.users[user].is_sending {
            self.users[user].is_sending = true;
            self.ask(index, Request::Outbox);
        }
    }

    /// The installation in use if something waits there, else another one where something does.
    fn waiting_installation(&self, user: usize) -> Option<usize> {
        let user = &self.users[user];
        let (active, all) = (user.installation(), user.installations.iter().copied());
        let mut waiting = all.filter(|index| self.has_waiting(*index));
        match self.has_waiting(active) {
            true => Some(active),
            false => waiting.next(),
        }
    }

    fn switch_to(&mut self, user: usize, from: usize, to: usize) {
        self.note(&[], format_args!("client-{from} makes room for client-{to}"));
        self.leave(from);
        let place = self.users[user].installations.iter().position(|index| *index == to);
        self.users[user].turn_to(place.expect("it is one of them"));
    }

    /// Whether an installation has drafts, or posts that were not answered.
    pub(super) fn has_waiting(&self, index: usize) -> bool {
        !self.clients[index].store.busy_logs().expect("the store works").is_empty()
    }

    /// What keeps the world from being at rest, after everyone has looked at all their machines.
    pub(super) fn unrest(&mut self) -> Option<String> {
        (0..self.clients.len()).for_each(|index| self.show(index));
        for user in &self.users {
            let (name, index) = (user.name, user.installation());
            let core = self.clients[index].core.as_ref();
            if !core.is_some_and(client::core::Core::is_online) {
                return Some(format!("{name} is not on, at client-{index}"));
            }
            let waiting = user.installations.iter().find(|index| self.has_waiting(**index));
            if let Some(index) = waiting {
                let store = &self.clients[*index].store;
                let logs = store.busy_logs().expect("the store works");
                let drafts = store.drafts(3).expect("the store works");
                return Some(format!("{name} waits at client-{index} in {logs:?}: {drafts:?}"));
            }
            if !core.is_some_and(client::core::Core::is_outbox_empty) {
                return Some(format!("{name}'s outbox is not empty, at client-{index}"));
            }
        }
        if !self.oracle.ledger.is_all_shown() {
            return Some("not everything that was accepted was shown".to_owned());
        }
        None
    }
}
