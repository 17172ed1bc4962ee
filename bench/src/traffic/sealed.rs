//! The mode *sealed*: grants before posts, and keys before readers have what was posted.

use std::time::Duration;

use wire::field::List;
use wire::message::{Announcement, Entry, FetchGrant, Grant, PutGrants, ReaderGrant};
use wire::{Instant, RequestId};

use super::{Traffic, TrafficError, say};
use crate::account::Account;
use crate::body::Identity;
use crate::inbox::Acknowledgement;
use crate::layout::Target;
use crate::load::Effect;
use crate::sealing::work::Done;
use crate::sealing::{Opened, Sealing, Way};

impl Traffic {
    pub(super) fn sealing(&self, accounts: &[&Account]) -> Sealing {
        let ways = self.layout.lanes().iter().filter_map(|lane| {
            let Target::Mailbox(reader) = lane.target else { return None };
            let Account { name: sender, origin, .. } = *accounts[lane.writer];
            Some(Way { sender, origin, reader: accounts[reader].name })
        });
        Sealing::new(&ways.collect::<Vec<_>>(), self.body_len)
    }

    /// Whether the next post of a lane can be made; if it needs a message session, one begins.
    pub(super) fn may_compose(&mut self, lane: usize, out: &mut Vec<Effect>) -> bool {
        let Some(sealing) = &mut self.sealing else {
            return true;
        };
        let sender = &self.writers[lane].sender;
        if sealing.is_ready(lane) || sender.is_going_back() {
            return true;
        }
        if sender.may_send() {
            out.extend(sealing.begin(lane).map(Effect::Work));
        }
        false
    }

    /// Work is done that took so much CPU time.
    ///
    /// # Errors
    /// [`TrafficError::Grant`] when it came to nothing.
    pub fn on_worked(
        &mut self,
        now: Instant,
        (done, cost): (Done, Duration),
        out: &mut Vec<Effect>,
    ) -> Result<(), TrafficError> {
        self.record.crypto += cost;
        match done {
            Done::Announced { lane, announcement, grant } => {
                self.put_grant(lane, announcement, grant, out);
            }
            Done::Opened { reader, lane, key } => {
                let sealing = self.sealing.as_mut().expect("only sealed runs have work");
                for (number, is_good) in sealing.on_key(reader, lane, &key) {
                    self.on_opened(now, (reader, lane), number, is_good);
                }
            }
            Done::Failed(why) => return Err(TrafficError::Grant(why)),
        }
        Ok(())
    }

    fn put_grant(
        &mut self,
        lane: usize,
        announcement: Announcement,
        grant: ReaderGrant,
        out: &mut Vec<Effect>,
    ) {
        let sealing = self.sealing.as_ref().expect("only sealed runs have grants");
        let (log, message_session) = sealing.session(lane);
        let writer = self.layout.lanes()[lane].writer;
        let put = PutGrants {
            request: request(lane),
            log,
            message_session,
            part: 0,
            roster_version: 0,
            announcement,
            grants: List::new(vec![grant]).expect("one is allowed"),
            last: true,
            key_log: List::new(vec![self.bundles[writer].clone()]).expect("one is allowed"),
        };
        say(writer, put, out);
    }

    /// A grant is at its home.
    pub fn on_granted(&mut self, put: RequestId) {
        if let (Some(sealing), Some(lane)) = (&mut self.sealing, lane_of(put)) {
            sealing.on_granted(lane);
            self.mark_ready(lane);
        }
    }

    /// A reader's grant came.
    pub fn on_grant(&mut self, reader: usize, grant: Grant, out: &mut Vec<Effect>) {
        if let (Some(sealing), Some(lane)) = (&self.sealing, lane_of(grant.request)) {
            out.push(Effect::Work(sealing.on_grant(reader, lane, grant)));
        }
    }

    pub(super) fn on_sealed(
        &mut self,
        now: Instant,
        place: Acknowledgement,
        entry: &Entry,
        out: &mut Vec<Effect>,
    ) {
        let (reader, number) = (place.0, entry.number.value());
        let sealing = self.sealing.as_mut().expect("a sealed run");
        let lane = sealing.lane(entry.sender, self.names[reader]);
        let identity = lane.map(|lane| Identity {
            lane: u32::try_from(lane).expect("the plan bounds the lanes"),
            number,
        });
        self.inboxes.on_entry(now, place, identity);
        let Some(lane) = lane else {
            self.record.counts.damaged += 1;
            return;
        };
        match sealing.open(reader, lane, entry) {
            Opened::Good => self.on_opened(now, (reader, lane), number, true),
            Opened::Bad => self.on_opened(now, (reader, lane), number, false),
            Opened::Waits { ask: None } => {}
            Opened::Waits { ask: Some(message_session) } => {
                let from = sealing.place(lane, message_session);
                let (log, sender, origin) = (from.log, from.sender, from.origin);
                let request = request(lane);
                say(reader, FetchGrant { request, log, sender, origin, message_session }, out);
            }
        }
    }

    fn on_opened(&mut self, now: Instant, at: (usize, usize), number: u64, is_good: bool) {
        match is_good {
            // The order of a lane's numbers is looked at; that of seqs is the inbox's.
            true => self.on_entry(now, at, number, true),
            false => self.record.counts.damaged += 1,
        }
    }
}

fn request(lane: usize) -> RequestId {
    RequestId(u32::try_from(lane).expect("the plan bounds the lanes"))
}

fn lane_of(request: RequestId) -> Option<usize> {
    usize::try_from(request.0).ok()
}
