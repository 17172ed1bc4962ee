//! A seat delivers entries to its sessions: pushed when caught up, pulled when behind.
//!
//! A session is *live* after a range reply that said `caught_up`; from then on every entry pushed
//! by the home goes straight on. It falls *behind* when its window of unseen entries or its write
//! queue is full, and when the link to the home is lost. Behind, pushed entries are skipped; ranges
//! after the session's position are read as room comes, and bring the same entries.

use wire::limits::{REREAD_PAUSE, UNSEEN_ENTRIES_MAX};
use wire::message::{
    Attach, CaughtUp, Deliver, Dismiss, Entry, PeerAttach, PeerDeliver, PeerRange, PeerRead,
    PeerSeen, Seen,
};
use wire::{ConnId, FaultCode, Kind, LogHandle, LogId, LogKind, Seq, ServerId};

use super::event::Effect;
use super::metrics::Metrics;
use super::readers::Readers;
use super::seat::{Seat, signed};
use super::session::{Handle, HandleState, Session};
use super::timer::Timer;
use super::turn::Turn;
use super::unseen::{Outstanding, Unseen};

/// What a session has been sent of one log.
#[derive(Debug)]
pub(super) struct Reading {
    /// Every entry up to here was sent on this session, or seen by the reader before, or is gone.
    position: Seq,
    /// The reader holds everything up to here durably.
    seen: Seq,
    /// Its user was shown everything up to here; 0 when nothing was said of it.
    shown: Seq,
    live: bool,
    /// The range after this was asked for and has not come.
    asked: Option<Seq>,
    /// The first range may be one that was asked for before this reading began: it says nothing
    /// of what was pushed in between.
    discards: bool,
    unseen: Unseen,
    /// The length of the entry that found no room; asking earlier would bring it in vain.
    wants: u32,
    /// The last entry that is for this reader: [`Seq::MAX`] but while it is no member any more.
    end: Seq,
}

impl Reading {
    fn new(cursor: Seq, discards: bool, outstanding: &Outstanding) -> Self {
        Self {
            position: cursor,
            seen: cursor,
            shown: Seq(0),
            live: false,
            asked: None,
            discards,
            unseen: Unseen::new(outstanding),
            wants: 0,
            end: Seq::MAX,
        }
    }

    /// The home is lost: nothing comes until it is asked again, and it says again how far to read.
    pub(super) fn interrupt(&mut self) {
        self.end = Seq::MAX;
        self.live = false;
        self.asked = None;
        self.discards = false;
    }

    /// The home says up to where the reader reads; whether it holds all of that.
    fn bound(&mut self, upto: Seq) -> bool {
        self.end = upto;
        if self.end == Seq::MAX {
            // What was pushed meanwhile was passed over.
            self.live = false;
        }
        self.seen >= upto
    }

    /// Whether an entry, or what follows a position, may be for this reader.
    fn is_beyond(&self, seq: Seq) -> bool {
        seq > self.end
    }

    /// Whether a range is under way.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether the window takes an entry of `len` bytes now; if not, it is remembered.
    fn makes_room(&mut self, len: usize) -> bool {
        let room = self.unseen.has_room(len);
        self.wants = if room { 0 } else { u32::try_from(len).expect("bodies are far below 4 GiB") };
        room
    }

    /// Whether the window takes the entry that found no room.
    fn has_room_again(&mut self) -> bool {
        self.makes_room(usize::try_from(self.wants).expect("usize has 64 bits on every target"))
    }

    fn sent(&mut self, seq: Seq, len: usize) {
        assert!(seq > self.position, "entries are sent in order, each once");
        self.position = seq;
        self.unseen.push(seq, len);
    }

    /// Whether `upto`, clamped to what was sent, is news.
    fn saw(&mut self, upto: Seq) -> Option<Seq> {
        let upto = upto.min(self.position);
        self.unseen.pop(upto);
        (upto > self.seen).then(|| {
            self.seen = upto;
            upto
        })
    }

    /// Whether `upto`, clamped to what was sent, is news of what the user was shown.
    pub(super) fn showed(&mut self, upto: Seq) -> Option<Seq> {
        let upto = upto.min(self.position);
        let is_news = upto > self.shown;
        self.shown = self.shown.max(upto);
        is_news.then_some(upto)
    }
}

impl Seat {
    /// A client begins to read a log.
    pub(super) fn on_attach(&mut self, conn: ConnId, attach: &Attach, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let code = match session.handles.get_mut(attach.handle) {
            None => FaultCode::BAD_HANDLE,
            Some(handle) if handle.is_to_a_person() => FaultCode::NOT_A_READER,
            Some(Handle { state: HandleState::Opening { attach: waiting }, .. })
                if waiting.is_none() =>
            {
                *waiting = Some(attach.cursor);
                return;
            }
            Some(handle) if handle.reading.is_some() => FaultCode::WRONG_STATE,
            Some(Handle { state: HandleState::Opening { .. }, .. }) => FaultCode::WRONG_STATE,
            Some(_) => return self.begin_reading(conn, attach.handle, attach.cursor, turn),
        };
        self.reject(conn, code, (Kind::ATTACH, attach.handle.0), turn);
    }

    /// The log is open and its reader attached.
    pub(super) fn begin_reading(
        &mut self,
        conn: ConnId,
        id: LogHandle,
        cursor: Seq,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let Some(handle) = session.handles.get_mut(id) else {
            return;
        };
        let log = handle.log(session.account);
        let discards = session.stale_reads.get_mut().is_some_and(|stale| stale.remove(&log));
        handle.reading = Some(Reading::new(cursor, discards, &self.outstanding));
        match self.readers.get_mut(&log) {
            Some(readers) => readers.add(conn),
            // The session of a mailbox's owner is found by its name.
            None if log.kind == LogKind::Mailbox => {}
            None => drop(self.readers.insert(log, Readers::One(conn))),
        }
        resume_reading(session, id, turn);
    }

    /// A client holds entries durably.
    pub(super) fn on_seen(&mut self, conn: ConnId, seen: &Seen, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let (account, epoch) = (session.account, session.epoch);
        let Some(handle) = session.handles.get_mut(seen.handle) else {
            return turn.fault(conn, FaultCode::BAD_HANDLE, Kind::SEEN, seen.handle.0);
        };
        let Some(reading) = &mut handle.reading else {
            return turn.fault(conn, FaultCode::NOT_A_READER, Kind::SEEN, seen.handle.0);
        };
        if let Some(upto) = reading.saw(seen.upto)
            && handle.state == HandleState::Open
        {
            let message = PeerSeen { log: handle.log(account), account, epoch, upto };
            turn.tell_server(handle.home, message);
        }
        ask_range(session, seen.handle, turn);
    }

    /// A home pushes a new entry to the sessions here that read its log.
    pub(super) fn on_deliver(&mut self, from: ServerId, message: PeerDeliver, turn: &mut Turn<'_>) {
        let PeerDeliver { log, entry } = message;
        let readers = match log.kind {
            LogKind::Mailbox => self.conn_of(&log.name).map(Readers::One),
            LogKind::Group => None,
        };
        let readers = readers.as_ref().or_else(|| self.readers.get(&log)).map(Readers::all);
        let (clients, metrics) = (&mut self.clients, &mut *turn.metrics);
        let mut live = |conn: &ConnId| {
            let session = signed(clients, *conn)?;
            Some((*conn, takes_live(session, from, &log, &entry, metrics)?))
        };
        match readers.unwrap_or_default() {
            [] => {}
            [conn] => {
                if let Some((conn, id)) = live(conn) {
                    deliver(conn, id, entry, turn);
                }
            }
            conns => fan(conns.iter().filter_map(live).collect(), entry, turn),
        }
    }

    /// A home answers a session that is behind.
    pub(super) fn on_range(&mut self, from: ServerId, range: PeerRange, turn: &mut Turn<'_>) {
        let Some(conn) = self.conn_of(&range.account) else {
            return;
        };
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        if session.epoch != range.epoch {
            return;
        }
        let Some((id, handle)) = session.handle_of(&range.log) else {
            return;
        };
        if handle.home != from {
            return self.confused_about(&range.log, from, turn);
        }
        // A client may have closed the log and attached anew since: that range was not for this.
        let Some(reading) = &mut handle.reading else {
            return;
        };
        if reading.asked != Some(range.after) {
            return;
        }
        reading.asked = None;
        if std::mem::take(&mut reading.discards) {
            return ask_range(session, id, turn);
        }
        if range.failed {
            return turn.timers.arm(turn.now + REREAD_PAUSE, Timer::Reread(conn));
        }
        take_range(conn, id, handle, range, turn);
        ask_range(session, id, turn);
    }

    /// A range could not be read a moment ago.
    pub(super) fn on_reread(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        if let Some(session) = signed(&mut self.clients, conn) {
            ask_ranges(session, turn);
        }
    }

    /// A home says that a session may not read a log any more, or only up to an entry: it goes on
    /// until its client holds that.
    pub(super) fn on_dismiss(&mut self, from: ServerId, dismiss: &Dismiss, turn: &mut Turn<'_>) {
        let Some(conn) = self.conn_of(&dismiss.account) else {
            return;
        };
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let is_due = session.epoch <= dismiss.epoch;
        let Some((id, handle)) = session.handle_of(&dismiss.log) else {
            return;
        };
        let Some(reading) = handle.reading.as_mut().filter(|_| is_due && handle.home == from)
        else {
            return;
        };
        if !reading.bound(dismiss.upto) {
            return ask_range(session, id, turn);
        }
        session.remove_handle(id);
        self.forget_reader(&dismiss.log, conn);
        turn.fault(conn, dismiss.code, Kind::ATTACH, id.0);
    }

    /// A client's write queue crossed its mark.
    pub(super) fn on_pressure(&mut self, conn: ConnId, high: bool, turn: &mut Turn<'_>) {
        if let Some(session) = signed(&mut self.clients, conn) {
            session.high = high;
            ask_ranges(session, turn);
        }
    }
}

/// Attaches to the home with what the reader holds, and asks for what follows.
pub(super) fn resume_reading(session: &mut Session, id: LogHandle, turn: &mut Turn<'_>) {
    let (account, epoch) = (session.account, session.epoch);
    let Some(handle) = session.handles.get_mut(id) else {
        return;
    };
    if let (Some(reading), HandleState::Open) = (&handle.reading, handle.state) {
        let message = PeerAttach { log: handle.log(account), account, epoch, cursor: reading.seen };
        turn.tell_server(handle.home, message);
        ask_range(session, id, turn);
    }
}

/// The handle under which a session takes a pushed entry; `None` when it takes it later, or never.
fn takes_live(
    session: &mut Session,
    from: ServerId,
    log: &LogId,
    entry: &Entry,
    metrics: &mut Metrics,
) -> Option<LogHandle> {
    let high = session.high;
    let (id, handle) = session.handle_of(log)?;
    let reading = handle.reading.as_mut()?;
    let is_news = entry.seq > reading.position && !reading.is_beyond(entry.seq);
    if handle.home != from || !reading.live || !is_news {
        return None;
    }
    let len = entry.body.bytes().len();
    if high || !reading.makes_room(len) {
        reading.live = false;
        metrics.behind += 1;
        return None;
    }
    reading.sent(entry.seq, len);
    Some(id)
}

/// Sends what the window has room for; the rest is read again later.
fn take_range(
    conn: ConnId,
    id: LogHandle,
    handle: &mut Handle,
    range: PeerRange,
    turn: &mut Turn<'_>,
) {
    let Some(reading) = &mut handle.reading else {
        return;
    };
    for entry in range.entries.into_items() {
        if entry.seq <= reading.position || reading.is_beyond(entry.seq) {
            continue;
        }
        let len = entry.body.bytes().len();
        if !reading.makes_room(len) {
            return;
        }
        reading.sent(entry.seq, len);
        deliver(conn, id, entry, turn);
    }
    reading.position = reading.position.max(range.upto);
    if range.caught_up {
        reading.live = true;
        let upto = reading.position;
        turn.tell_client(conn, CaughtUp { handle: id, upto, expired: range.expired });
    }
}

fn deliver(conn: ConnId, handle: LogHandle, entry: Entry, turn: &mut Turn<'_>) {
    turn.metrics.delivered += 1;
    turn.tell_client(conn, Deliver { handle, entry });
}

/// Sends one entry to all who take it.
fn fan(readers: Vec<(ConnId, LogHandle)>, entry: Entry, turn: &mut Turn<'_>) {
    if readers.is_empty() {
        return;
    }
    turn.metrics.delivered += u64::try_from(readers.len()).expect("usize fits u64");
    turn.effects.push(Effect::Fan { readers, entry });
}

fn ask_ranges(session: &mut Session, turn: &mut Turn<'_>) {
    let behind = |handle: &Handle| handle.reading.as_ref().is_some_and(|reading| !reading.live);
    let ids = session.handles.iter().filter(|(_, handle)| behind(handle));
    let ids: Vec<LogHandle> = ids.map(|(id, _)| id).collect();
    for id in ids {
        ask_range(session, id, turn);
    }
}

/// Asks for the next range, if the session is behind, has room, and has not asked already.
fn ask_range(session: &mut Session, id: LogHandle, turn: &mut Turn<'_>) {
    let (account, epoch, high) = (session.account, session.epoch, session.high);
    let Some(handle) = session.handles.get_mut(id) else {
        return;
    };
    let log = handle.log(account);
    let Some(reading) = &mut handle.reading else {
        return;
    };
    let waits = reading.live || reading.is_asking() || high || handle.state != HandleState::Open;
    if waits || !reading.has_room_again() {
        return;
    }
    let room = UNSEEN_ENTRIES_MAX.saturating_sub(reading.unseen.len()).max(1);
    reading.asked = Some(reading.position);
    let message = PeerRead {
        log,
        account,
        epoch,
        after: reading.position,
        entries_max: u16::try_from(room).expect("at most UNSEEN_ENTRIES_MAX"),
    };
    turn.tell_server(handle.home, message);
}
