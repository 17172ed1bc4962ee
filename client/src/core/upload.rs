//! Grants on their way to a log's home: split into frames, put, confirmed.

use wire::limits::GRANTS_MAX;
use wire::message::{Announcement, PutGrants, ReaderGrant};
use wire::{LogId, MessageSession, Name, RequestId};

use super::context::Context;
use super::session_op::SessionOp;
use crate::store::{SessionPart, SessionRecord};

/// The grants of one part that the home has not confirmed.
#[derive(Debug)]
pub(crate) struct Upload {
    log: LogId,
    number: MessageSession,
    part: u16,
    roster_version: u32,
    announcement: Announcement,
    frames: Vec<Frame>,
    /// The store has them: they may leave.
    pub(crate) is_kept: bool,
}

#[derive(Debug)]
struct Frame {
    grants: Vec<ReaderGrant>,
    asked: Option<RequestId>,
    is_put: bool,
}

impl Upload {
    /// New grants, which the store is about to keep.
    pub(crate) fn new(
        log: LogId,
        number: MessageSession,
        part: &SessionPart,
        grants: &[ReaderGrant],
    ) -> Self {
        // A part without readers is announced all the same: it is then complete.
        let mut frames: Vec<Frame> = grants.chunks(GRANTS_MAX).map(Frame::new).collect();
        if frames.is_empty() {
            frames.push(Frame::new(&[]));
        }
        Self {
            log,
            number,
            part: part.part,
            roster_version: part.roster_version,
            announcement: part.announcement.clone(),
            frames,
            is_kept: false,
        }
    }

    /// What the home had not confirmed when the last process ended.
    pub(crate) fn restore(log: LogId, record: &SessionRecord) -> Vec<Self> {
        let uploads = record.parts.iter().filter_map(|part| {
            let open = record.grants.iter().filter(|g| g.part == part.part && !g.is_put);
            let grants: Vec<_> = open.map(|grant| grant.grant.clone()).collect();
            (!grants.is_empty()).then(|| {
                let upload = Self::new(log, record.number, part, &grants);
                Self { is_kept: true, ..upload }
            })
        });
        uploads.collect()
    }

    pub(crate) fn session(&self) -> MessageSession {
        self.number
    }

    /// Puts what was not put on this connection; whether posts may follow. The last frame, which
    /// makes the part complete, waits until the home has the others: it may refuse any of them.
    pub(crate) fn put(&mut self, room: &mut usize, ctx: &mut Context<'_>) -> bool {
        if !self.is_kept {
            return false;
        }
        let count = self.frames.len();
        for at in 0..count {
            if self.frames[at].is_put || self.frames[at].asked.is_some() {
                continue;
            }
            let is_last = at + 1 == count;
            let waits = is_last && !self.frames[..at].iter().all(|frame| frame.is_put);
            if *room == 0 || waits {
                return false;
            }
            let Some(key_log) = ctx.key_log() else {
                return false;
            };
            *room -= 1;
            let request = ctx.request();
            self.frames[at].asked = Some(request);
            ctx.send(PutGrants {
                request,
                log: self.log,
                message_session: self.number,
                part: self.part,
                roster_version: self.roster_version,
                announcement: self.announcement.clone(),
                grants: self.frames[at].list(),
                last: is_last,
                key_log,
            });
        }
        self.is_done()
    }

    /// Questions that the home has not answered.
    pub(crate) fn asked(&self) -> usize {
        self.frames.iter().filter(|frame| !frame.is_put && frame.asked.is_some()).count()
    }

    pub(crate) fn is_about(&self, request: RequestId) -> bool {
        self.frames.iter().any(|frame| frame.asked == Some(request))
    }

    /// The home has a frame on its disk; whether it is one of these.
    pub(crate) fn on_put(&mut self, request: RequestId, ctx: &mut Context<'_>) -> bool {
        let found = self.frames.iter_mut().find(|frame| frame.asked == Some(request));
        let Some(frame) = found else {
            return false;
        };
        frame.is_put = true;
        let readers = frame.readers();
        ctx.store(SessionOp::Confirm { log: self.log, number: self.number, readers });
        true
    }

    pub(crate) fn is_done(&self) -> bool {
        self.frames.iter().all(|frame| frame.is_put)
    }

    /// What was put and not confirmed is put again.
    pub(crate) fn unask(&mut self) {
        for frame in self.frames.iter_mut().filter(|frame| !frame.is_put) {
            frame.asked = None;
        }
    }
}

impl Frame {
    fn new(grants: &[ReaderGrant]) -> Self {
        Self { grants: grants.to_vec(), asked: None, is_put: false }
    }

    fn list(&self) -> wire::List<ReaderGrant, GRANTS_MAX> {
        wire::List::new(self.grants.clone()).expect("split by the limit")
    }

    fn readers(&self) -> Vec<Name> {
        self.grants.iter().map(|grant| grant.reader).collect()
    }
}
