//! What homes answer: logs open, keys are those of the tests, grants are put and given.

use bytes::Bytes;
use wire::message::{
    Bundles, Fault, FetchBundles, FetchGrant, FetchKeyLog, FetchRoster, Grant, GrantsPut, Groups,
    LogOpened,
};
use wire::{FaultCode, Kind, List, Opaque, ToServer};

use super::world::{IntoBundle, World, bundle_of, identity_of, number};
use crate::crypto::SessionPlace;

impl World {
    /// Answers what was asked since `from`, and what is asked then: logs open with `base`, keys are
    /// those of the tests, grants are put and given.
    pub(super) fn answer_questions(&mut self, from: usize, base: u64) {
        let mut at = from;
        loop {
            while let Some(message) = self.sent.get(at).cloned() {
                at += 1;
                self.answer_question(message, base);
            }
            self.work();
            if at >= self.sent.len() && self.jobs.is_empty() {
                return;
            }
        }
    }

    fn answer_question(&mut self, message: ToServer, base: u64) {
        match message {
            ToServer::OpenLog(open) => {
                self.server(LogOpened { handle: open.handle, base: number(base) });
            }
            ToServer::FetchBundles(fetch) if self.unreachable == Some(fetch.name) => {
                let (code, request) = (FaultCode::UNAVAILABLE, fetch.request.0);
                self.server(Fault::about(code, Kind::FETCH_BUNDLES, request));
            }
            ToServer::FetchBundles(fetch) => self.answer_bundles(&fetch),
            ToServer::FetchKeyLog(fetch) => self.answer_key_log(&fetch),
            ToServer::FetchRoster(fetch) => self.answer_roster(&fetch),
            ToServer::PutGrants(put) => match self.put_fault {
                None => self.server(GrantsPut { request: put.request }),
                Some(code) => self.server(Fault::about(code, Kind::PUT_GRANTS, put.request.0)),
            },
            ToServer::FetchGrant(fetch) => self.answer_grant(&fetch),
            ToServer::ListGroups(list) => self.server(Groups {
                request: list.request,
                groups: List::new(self.noted.clone()).expect("few"),
            }),
            _ => {}
        }
    }

    /// Says that the home has the grants that were put since `from`.
    pub(super) fn confirm_puts(&mut self, from: usize) {
        for message in self.sent.get(from..).unwrap_or_default().to_vec() {
            if let ToServer::PutGrants(put) = message {
                self.server(GrantsPut { request: put.request });
            }
        }
    }

    /// Answers the questions for grants that came since the last time.
    pub(super) fn give_grants(&mut self) {
        self.work();
        while let Some(message) = self.sent.get(self.given).cloned() {
            self.given += 1;
            if let ToServer::FetchGrant(fetch) = message {
                self.answer_grant(&fetch);
            }
        }
        self.work();
    }

    fn answer_roster(&mut self, fetch: &FetchRoster) {
        let newer = self.statements.iter().filter(|(version, _)| *version > fetch.after);
        let newer = newer.map(|(_, bytes)| Opaque::new(bytes.clone()).expect("short"));
        let statements = List::new(newer.collect()).expect("few");
        let FetchRoster { request, group, .. } = *fetch;
        self.server(wire::message::Roster { request, group, statements, complete: true });
    }

    fn answer_grant(&mut self, fetch: &FetchGrant) {
        let FetchGrant { request, log, sender, origin, message_session } = *fetch;
        let place = SessionPlace { sender, log, origin, message_session };
        match self.grants.get(&place) {
            Some(grant) => self.server(Grant { request, ..grant.clone() }),
            None => {
                let code = FaultCode::GRANT_MISSING;
                self.server(Fault::about(code, Kind::FETCH_GRANT, request.0));
            }
        }
    }

    fn answer_bundles(&mut self, fetch: &FetchBundles) {
        let who = fetch.name.as_str();
        let known = self.store.contacts.get(&fetch.name).map(|known| known.bundles.clone());
        let all = known.unwrap_or_else(|| vec![bundle_of(identity_of(who), who).encoded().clone()]);
        let after = usize::try_from(fetch.after).expect("few");
        self.bundles(fetch, all.into_iter().skip(after).collect());
    }

    /// Answers a question for a copy of keys.
    pub(super) fn answer_key_log(&mut self, fetch: &FetchKeyLog) {
        let FetchKeyLog { request, name, .. } = *fetch;
        let copy = self.copies.get(&name).cloned().unwrap_or_default();
        self.bundles(&FetchBundles { request, name, after: 0 }, copy);
    }

    /// Answers a question for keys.
    pub(super) fn bundles(&mut self, fetch: &FetchBundles, bundles: Vec<Bytes>) {
        let bundles = bundles.into_iter().map(|b| b.try_into_bundle()).collect();
        self.server(Bundles {
            request: fetch.request,
            name: fetch.name,
            bundles: wire::field::List::new(bundles).expect("few"),
            complete: true,
        });
    }
}
