//! At most one session of an account is in force: its epoch is given once, none that is kept later
//! is older, and no seat acts for one once that of another installation is on its home's disk.
//!
//! A seat acts for a session when it sends a log's home something in its name, or gives its client
//! an entry or an answer of a log. Sessions of one installation may overlap: it has one connection,
//! and one row wherever it posts.

use std::collections::BTreeMap;

use server::core::Outgoing;
use storage::Change;
use wire::message::Question;
use wire::{ConnId, Instant, Name, Origin, ServerId, SessionEpoch, ToClient, ToPeer};

use super::{Fact, Ledger, Property};

type Session = (Name, SessionEpoch);

#[derive(Default)]
pub(super) struct Sessions {
    given: BTreeMap<Session, (usize, [u8; 32])>,
    newest: BTreeMap<usize, SessionEpoch>,
    /// Whose each session is.
    origins: BTreeMap<Session, Origin>,
    /// The newest session of each account that is on a disk.
    granted: BTreeMap<Name, SessionEpoch>,
    /// Whose session is on which connection.
    seated: BTreeMap<(ServerId, ConnId), Session>,
}

impl Sessions {
    fn keep(
        &mut self,
        client: usize,
        (name, epoch): Session,
        token: [u8; 32],
    ) -> Result<(), String> {
        let holder = (client, token);
        let first = *self.given.entry((name, epoch)).or_insert(holder);
        if first != holder {
            return Err(format!("{name} {epoch:?}: client-{} and client-{client}", first.0));
        }
        let newest = self.newest.entry(client).or_default();
        if *newest > epoch {
            return Err(format!("client-{client} gets {epoch:?} after {newest:?}"));
        }
        *newest = epoch;
        Ok(())
    }

    fn grant(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::PutSession { name, session } = change {
                self.origins.insert((*name, session.epoch), session.origin);
                let newest = self.granted.entry(*name).or_default();
                *newest = session.epoch.max(*newest);
            }
        }
    }

    fn act(&self, server: ServerId, (name, epoch): Session) -> Result<(), String> {
        let newest = self.granted.get(&name).copied().unwrap_or_default();
        let origin = |epoch| self.origins.get(&(name, epoch));
        if newest > epoch && origin(newest) != origin(epoch) {
            return Err(format!("{server} acts for {name} {epoch:?}, but {newest:?} is another's"));
        }
        Ok(())
    }

    fn on_said(
        &mut self,
        server: ServerId,
        conn: ConnId,
        message: &Outgoing,
    ) -> Result<(), String> {
        let session = match message {
            Outgoing::Client(ToClient::Welcome(welcome)) => {
                self.seated.insert((server, conn), (welcome.name, welcome.epoch));
                None
            }
            Outgoing::Client(message) if is_of_a_log(message) => {
                self.seated.get(&(server, conn)).copied()
            }
            Outgoing::Peer(message) => named(message),
            Outgoing::Client(_) | Outgoing::Router(_) => None,
        };
        session.map_or(Ok(()), |session| self.act(server, session))
    }
}

fn is_of_a_log(message: &ToClient) -> bool {
    use ToClient::{Accepted, CaughtUp, Deliver, LogOpened, Refused, Up};
    matches!(message, Accepted(_) | CaughtUp(_) | Deliver(_) | LogOpened(_) | Refused(_) | Up(_))
}

/// In whose name a seat asks a home for something.
fn named(message: &ToPeer) -> Option<Session> {
    Some(match message {
        ToPeer::PeerPost(post) => (post.sender, post.epoch),
        ToPeer::PeerAttach(attach) => (attach.account, attach.epoch),
        ToPeer::PeerSeen(seen) => (seen.account, seen.epoch),
        ToPeer::PeerRead(read) => (read.account, read.epoch),
        ToPeer::PeerShown(shown) => (shown.account, shown.epoch),
        ToPeer::AskAs(ask) => (ask.account, ask.epoch),
        ToPeer::Ask(ask) => match &ask.question {
            Question::AskOpenLog(open) => (open.account, open.epoch),
            _ => return None,
        },
        _ => return None,
    })
}

impl Property for Sessions {
    fn name(&self) -> &'static str {
        "one session in force"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Session { client, name, session } => {
                self.keep(*client, (*name, session.epoch), session.token.0)
            }
            Fact::Committed { batch, .. } => {
                self.grant(&batch.changes);
                Ok(())
            }
            Fact::Said { server, conn, message } => self.on_said(*server, *conn, message),
            Fact::Died { server } => {
                self.seated.retain(|(at, _), _| at != server);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
