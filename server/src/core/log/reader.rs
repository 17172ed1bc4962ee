//! Readers attach, say what they hold, and detach. Moving a cursor truncates what all have seen.

use wire::message::{PeerAttach, PeerDetach, PeerSeen};
use wire::{Name, Seq, ServerId, SessionEpoch};

use super::home::Home;
use super::member::{NotAttached, Reader};
use super::out::{AlarmCause, LogOut};
use super::state::Log;

impl Log {
    /// A session begins to read; what it holds already counts as seen.
    pub(super) fn attach(
        &mut self,
        from: ServerId,
        attach: &PeerAttach,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        if self.attach_session(from, (&attach.account, attach.epoch), home, out) {
            self.move_cursor(from, (&attach.account, attach.epoch), attach.cursor, home, out);
            self.bound_reading(from, (&attach.account, attach.epoch), out);
        }
    }

    /// Attaches a session without moving its cursor; whether it is attached now.
    pub(super) fn attach_reader(
        &mut self,
        server: ServerId,
        (account, epoch): (&Name, SessionEpoch),
        home: &mut Home,
        out: &mut LogOut,
    ) -> bool {
        let is_attached = self.attach_session(server, (account, epoch), home, out);
        if is_attached {
            self.bound_reading(server, (account, epoch), out);
        }
        is_attached
    }

    /// Who has departed hears up to where it reads.
    fn bound_reading(&self, server: ServerId, session: (&Name, SessionEpoch), out: &mut LogOut) {
        if let Some((upto, _)) = self.members.departure(session.0) {
            self.tell_departed(server, session, upto, out);
        }
    }

    fn attach_session(
        &mut self,
        server: ServerId,
        (account, epoch): (&Name, SessionEpoch),
        home: &mut Home,
        out: &mut LogOut,
    ) -> bool {
        let attachment = home.next_attachment();
        let reader = Reader { server, epoch, attachment, is_reading: false };
        match self.members.attach(account, reader) {
            Ok(()) => true,
            Err(NotAttached::Stale) => false,
            Err(NotAttached::NotAMember) => {
                home.alarm(AlarmCause::NotAReader, server, &self.id, out);
                false
            }
        }
    }

    /// A session no longer reads.
    pub(super) fn detach(&mut self, from: ServerId, detach: &PeerDetach, home: &mut Home) {
        self.members.detach(&detach.account, |reader| {
            reader.server == from && reader.epoch == detach.epoch
        });
        self.trim(home);
    }

    /// A reader holds more. Other sessions than the attached one change nothing.
    pub(super) fn seen(
        &mut self,
        from: ServerId,
        seen: &PeerSeen,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        if self.members.reader(&seen.account, from, seen.epoch).is_some() {
            self.note_pace(seen.upto, home);
            self.move_cursor(from, (&seen.account, seen.epoch), seen.upto, home, out);
        }
    }

    /// The reader is quick when the newest entry that it has now seen is that young.
    fn note_pace(&mut self, upto: Seq, home: &Home) {
        let floor = self.floor();
        let seen = self.tail.above(floor).take_while(|held| held.entry.seq <= upto).last();
        if let Some(seen) = seen {
            self.is_prompt = home.instant.since(seen.since) <= home.limits.hold;
        }
    }

    fn move_cursor(
        &mut self,
        from: ServerId,
        (account, epoch): (&Name, SessionEpoch),
        upto: Seq,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        if self.is_mailbox() && self.head < upto && upto <= home.opened() {
            // A crash took what says that it was seen. Everything here that old is seen, too.
            (self.head, self.pushed) = (upto, upto);
        }
        if upto > self.head {
            if !std::mem::replace(&mut self.is_alarmed, true) {
                home.alarm(AlarmCause::CursorAboveHead, from, &self.id, out);
            }
            return;
        }
        let before = self.safe(home).upto;
        if self.members.advance(account, upto.min(self.visible())) {
            if self.members.remove_if_over(account).is_some() {
                self.tell_departed(from, (account, epoch), Seq(0), out);
            }
            self.usage.truncate(self.floor());
            if self.is_mailbox() {
                self.skip_seen(before, home, out);
            } else {
                self.mark_dirty(home);
            }
            self.trim(home);
        }
    }
}
