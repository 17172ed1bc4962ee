//! The rows of one log that are in memory, read from the store when first needed.

use std::collections::BTreeSet;

use slab::Slab;
use storage::{Batch, Change, RowRecord};
use wire::{LogId, MessageSession, Name, Origin, Seq, ServerId};

use super::home::Home;
use super::row::Row;
use super::waiting::Waiting;
use crate::core::few::Few;

/// See the module. A row keeps its place while anything of it is not durable.
#[derive(Debug, Default)]
pub(super) struct Rows {
    places: Slab<Place>,
    by_poster: Few<(Name, Origin), usize>,
    /// Places whose row differs from what a batch held last.
    changed: Vec<usize>,
    /// Bytes of grants by sender, in rows that are not in memory while another of the sender's is.
    elsewhere: Few<Name, u64>,
    /// Senders whose bytes of grants differ from what a batch held last.
    regranted: BTreeSet<Name>,
    /// Places whose row knows of entries that were seen and never written, and that no batch held.
    riding: usize,
    /// Places whose row is in the batch that is in flight: read again, it would be an older one.
    in_flight: Vec<usize>,
}

/// One row, or who waits for it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) sender: Name,
    pub(super) origin: Origin,
    state: State,
    /// Entries and grants of this row that are not durable.
    uncommitted: usize,
    is_changed: bool,
    is_riding: bool,
}

#[derive(Debug)]
enum State {
    Loading(Waiting),
    Ready(Row),
}

impl Rows {
    /// The place of a row, if it is in memory.
    pub(super) fn find(&self, sender: Name, origin: Origin) -> Option<usize> {
        self.by_poster.get(&(sender, origin)).copied()
    }

    /// A place for a row that is about to be read. Rows that nothing waits for make room.
    pub(super) fn insert_loading(
        &mut self,
        sender: Name,
        origin: Origin,
        rows_max: usize,
    ) -> usize {
        if self.places.len() >= rows_max {
            self.forget_idle();
        }
        let state = State::Loading(Waiting::default());
        let (uncommitted, is_changed, is_riding) = (0, false, false);
        let place = Place { sender, origin, state, uncommitted, is_changed, is_riding };
        if self.places.is_empty() {
            // Most logs have one poster.
            self.places.reserve_exact(1);
        }
        let key = self.places.insert(place);
        self.by_poster.insert((sender, origin), key);
        key
    }

    /// The row was read, and how many bytes of grants its sender has; gives who waited for it.
    pub(super) fn load(
        &mut self,
        key: usize,
        record: Option<RowRecord>,
        grants_len: u64,
    ) -> Waiting {
        let row = record.map(Row::from_record).unwrap_or_default();
        // Of a sender with a row in memory the sum is newer than what was read.
        let sender = self.places[key].sender;
        let elsewhere = self.elsewhere.or_insert_with(sender, || grants_len);
        *elsewhere = elsewhere.saturating_sub(row.message_sessions.len());
        match std::mem::replace(&mut self.places[key].state, State::Ready(row)) {
            State::Loading(waiting) => waiting,
            State::Ready(_) => panic!("a row is read once while it is in memory"),
        }
    }

    /// The row at a place, or who waits for it.
    pub(super) fn get(&mut self, key: usize) -> Result<&mut Row, &mut Waiting> {
        match &mut self.places[key].state {
            State::Ready(row) => Ok(row),
            State::Loading(waiting) => Err(waiting),
        }
    }

    /// The row at a place that is known to be read, and whose it is.
    pub(super) fn ready(&mut self, key: usize) -> (&mut Row, Name, Origin) {
        let Place { sender, origin, state, .. } = &mut self.places[key];
        match state {
            State::Ready(row) => (row, *sender, *origin),
            State::Loading(_) => panic!("a row that is used was read"),
        }
    }

    /// The row differs from the store; `appended` when an entry rides with it.
    pub(super) fn note_change(&mut self, key: usize, appended: bool) {
        let place = &mut self.places[key];
        place.uncommitted += usize::from(appended);
        if !place.is_changed {
            place.is_changed = true;
            self.changed.push(key);
        }
    }

    /// Bytes of grants that the sender of a row has in the log.
    pub(super) fn grants_len(&self, key: usize) -> u64 {
        self.sender_len(&self.places[key].sender)
    }

    /// The row has more grants.
    pub(super) fn note_grants(&mut self, key: usize) {
        self.regranted.insert(self.places[key].sender);
        self.note_change(key, false);
    }

    /// A batch holds grants of the row, and the last of those that make a session complete: the
    /// row that says so belongs into it.
    pub(super) fn note_put(&mut self, key: usize, complete: Option<MessageSession>) {
        if let Some(session) = complete {
            self.ready(key).0.message_sessions.note_put(session);
        }
        self.note_change(key, false);
    }

    /// Grants of the row are on their way to the disk.
    pub(super) fn pin(&mut self, key: usize) {
        self.places[key].uncommitted += 1;
    }

    /// One entry of the row, or one frame of its grants, is durable.
    pub(super) fn note_committed(&mut self, key: usize) {
        self.places[key].uncommitted -= 1;
    }

    /// An entry of the row was seen and is never written.
    pub(super) fn note_riding(&mut self, key: usize) {
        let place = &mut self.places[key];
        if place.is_changed && !std::mem::replace(&mut place.is_riding, true) {
            self.riding += 1;
        }
    }

    /// The batch in flight is durable; the places of rows with rejections that may be told now.
    pub(super) fn on_committed(&mut self) -> Vec<usize> {
        let places = &mut self.places;
        let mut rejected = Vec::new();
        for key in self.in_flight.drain(..) {
            let place = &mut places[key];
            place.uncommitted -= 1;
            if place.row().on_committed() {
                rejected.push(key);
            }
        }
        rejected
    }

    /// Whether some row knows of entries that were seen and never written, and is not in a batch.
    pub(super) fn rides(&self) -> bool {
        self.riding > 0
    }

    /// Puts the changed rows into a batch that holds the log's entries up to `composed` and has
    /// none up to `truncated`. When it or an earlier one holds all grants that were taken, rows in
    /// memory let go of those that no entry needs.
    pub(super) fn compose(
        &mut self,
        log: LogId,
        (composed, truncated): (Seq, Seq),
        is_granted: bool,
        batch: &mut Batch,
    ) {
        for key in &self.changed {
            self.places[*key].row().message_sessions.compose(composed);
        }
        if is_granted {
            self.drop_grants(log, truncated, batch);
        }
        let places = &mut self.places;
        let (riding, in_flight) = (&mut self.riding, &mut self.in_flight);
        self.changed.retain(|key| {
            let place = &mut places[*key];
            let (record, is_whole) = place.row().compose(composed);
            let (sender, origin) = (place.sender, place.origin);
            batch.changes.push(Change::PutRow { log, sender, origin, row: record });
            place.is_changed = !is_whole;
            *riding -= usize::from(std::mem::take(&mut place.is_riding));
            place.uncommitted += 1;
            in_flight.push(*key);
            place.is_changed
        });
        for sender in std::mem::take(&mut self.regranted) {
            let len = self.sender_len(&sender);
            batch.changes.push(Change::PutGrantsLen { log, sender, len });
        }
    }

    /// The reader was shown everything up to `upto`: each poster with news of its entries.
    pub(super) fn tell_shown(
        &mut self,
        upto: Seq,
        mut tell: impl FnMut(ServerId, (Name, Origin), Seq),
    ) {
        for (_, place) in &mut self.places {
            if let State::Ready(row) = &mut place.state
                && let Some((server, seq)) = row.take_shown(upto)
            {
                tell(server, (place.sender, place.origin), seq);
            }
        }
    }

    /// Nobody waits at `server` any more.
    pub(super) fn forget_server(&mut self, server: ServerId, home: &mut Home) {
        for (_, place) in &mut self.places {
            match &mut place.state {
                State::Ready(row) => row.forget_server(server),
                State::Loading(waiting) => {
                    waiting.retain(home, |arrival| arrival.from() != server);
                }
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Nothing of any row is in memory, or on its way to the disk.
    pub(super) fn is_blank(&self) -> bool {
        self.places.is_empty()
            && self.elsewhere.is_empty()
            && self.regranted.is_empty()
            && self.in_flight.is_empty()
    }

    /// Rows that differ from what a batch held last.
    pub(super) fn unwritten(&self) -> usize {
        self.changed.len()
    }

    /// Operations that wait for rows, and their costs.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let queues = self.places.iter().filter_map(|(_, place)| match &place.state {
            State::Loading(waiting) => Some((waiting.len(), waiting.pending_len())),
            State::Ready(_) => None,
        });
        queues.fold((0, 0), |sum, queue| (sum.0 + queue.0, sum.1 + queue.1))
    }

    pub(super) fn is_coherent(&self) -> bool {
        let changed = self.places.iter().filter(|(_, place)| place.is_changed).count();
        let riding = self.places.iter().filter(|(_, place)| place.is_riding).count();
        self.by_poster.len() == self.places.len()
            && self.riding == riding
            && self.changed.len() == changed
            && self.places.iter().all(|(_, place)| match &place.state {
                State::Ready(row) => row.is_coherent(),
                State::Loading(_) => place.uncommitted == 0 && !place.is_changed,
            })
    }

    fn drop_grants(&mut self, log: LogId, truncated: Seq, batch: &mut Batch) {
        for (key, place) in &mut self.places {
            let (sender, origin) = (place.sender, place.origin);
            let State::Ready(row) = &mut place.state else { continue };
            let gone = row.message_sessions.release(truncated);
            if gone.is_empty() {
                continue;
            }
            for (from, upto) in gone {
                batch.changes.push(Change::DropGrants { log, sender, origin, from, upto });
            }
            self.regranted.insert(sender);
            if !std::mem::replace(&mut place.is_changed, true) {
                self.changed.push(key);
            }
        }
    }

    /// Forgets a row that nobody has used, until somebody does.
    pub(super) fn forget_if_unused(&mut self, key: usize) {
        let place = &self.places[key];
        let is_unused = matches!(&place.state, State::Ready(row) if row.is_unused());
        if !is_unused || place.uncommitted > 0 || place.is_changed {
            return;
        }
        let Place { sender, origin, .. } = self.places.remove(key);
        self.by_poster.remove(&(sender, origin));
        if !self.places.iter().any(|(_, place)| place.is_ready_of(&sender)) {
            self.elsewhere.remove(&sender);
        }
        if self.places.is_empty() {
            self.places = Slab::new();
        }
    }

    /// Forgets rows that are as the disk has them.
    fn forget_idle(&mut self) {
        let (by_poster, elsewhere) = (&mut self.by_poster, &mut self.elsewhere);
        self.places.retain(|_, place| {
            let State::Ready(row) = &place.state else { return true };
            if place.uncommitted > 0 || place.is_changed {
                return true;
            }
            by_poster.remove(&(place.sender, place.origin));
            let elsewhere = elsewhere.get_mut(&place.sender).expect("load counted it");
            *elsewhere = elsewhere.saturating_add(row.message_sessions.len());
            false
        });
        let ready = self.places.iter().filter(|(_, place)| matches!(place.state, State::Ready(_)));
        let ready: BTreeSet<Name> = ready.map(|(_, place)| place.sender).collect();
        self.elsewhere.retain(|sender, _| ready.contains(sender));
    }

    fn sender_len(&self, sender: &Name) -> u64 {
        let (first, last) = ((*sender, Origin([0; 16])), (*sender, Origin([0xff; 16])));
        let rows = self.by_poster.range(&first, &last).map(|key| match &self.places[*key].state {
            State::Ready(row) => row.message_sessions.len(),
            State::Loading(_) => 0,
        });
        self.elsewhere.get(sender).copied().unwrap_or_default().saturating_add(rows.sum())
    }
}

impl Place {
    fn is_ready_of(&self, sender: &Name) -> bool {
        self.sender == *sender && matches!(self.state, State::Ready(_))
    }

    fn row(&mut self) -> &mut Row {
        match &mut self.state {
            State::Ready(row) => row,
            State::Loading(_) => panic!("a row that changed was read"),
        }
    }
}
