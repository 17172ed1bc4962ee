//! The socket in the data directory: other processes ask the holder of the connection, and hear
//! when the store has changed. What they say is small; who does not read is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use wire::net::{LocalAddress, Net, SourceId};

use super::HUB_TICKETS;
use super::lines::{LINE_LEN_MAX, Reply, read_request, write_reply};
use crate::core::{Notice, Request, Ticket};

/// Processes that may wait at one time.
const PEERS_MAX: usize = 64;

/// The listener and those who wait.
#[derive(Debug)]
pub struct Hub {
    path: PathBuf,
    listener: Option<(UnixListener, SourceId)>,
    peers: BTreeMap<SourceId, Peer>,
    last_number: u64,
}

#[derive(Debug)]
struct Peer {
    number: u64,
    stream: UnixStream,
    input: Vec<u8>,
}

impl Hub {
    /// Listens at `path`, where only this user may connect. Without a socket the others wait for
    /// the lock instead.
    pub(super) fn open(path: &Path, net: &mut Net) -> Self {
        let listener = match listen(path, net) {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::warn!(%error, "other processes cannot use this one's connection");
                None
            }
        };
        Self { path: path.to_owned(), listener, peers: BTreeMap::new(), last_number: 0 }
    }

    pub(super) fn has_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    /// A source is ready: what is asked, and by which peer.
    pub(super) fn on_ready(&mut self, id: SourceId, net: &mut Net) -> Vec<(u64, Request)> {
        if self.listener.as_ref().is_some_and(|(_, mine)| *mine == id) {
            self.accept(net);
            return Vec::new();
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return Vec::new();
        };
        let number = peer.number;
        let is_open = peer.read();
        let requests = peer.requests();
        if !is_open || requests.is_none() {
            self.drop_peer(id, net);
        }
        let requests = requests.unwrap_or_default();
        requests.into_iter().map(|asked| (number, asked)).collect()
    }

    /// Passes on what concerns those who wait.
    pub(super) fn tell(&mut self, notices: &[Notice], net: &mut Net) {
        if self.peers.is_empty() {
            return;
        }
        for notice in notices {
            match notice {
                Notice::Answered { ticket, result } => {
                    self.answer(*ticket, &Reply::Answered(result.clone()), net);
                }
                Notice::SessionOver(failure) => {
                    let reply = Reply::Answered(Err(failure.clone()));
                    self.say(&reply, |_| true, net);
                }
                Notice::Transfer(progress) => {
                    self.say(&Reply::Transfer(*progress), |_| true, net);
                }
                notice if changes_store(notice) => self.say(&Reply::Changed, |_| true, net),
                _ => {}
            }
        }
    }

    fn answer(&mut self, ticket: Ticket, reply: &Reply, net: &mut Net) {
        if let Some(number) = ticket.0.checked_sub(HUB_TICKETS) {
            self.say(reply, |peer| peer.number == number, net);
        }
    }

    fn say(&mut self, reply: &Reply, whom: impl Fn(&Peer) -> bool, net: &mut Net) {
        let line = write_reply(reply) + "\n";
        let mut gone = Vec::new();
        for (id, peer) in self.peers.iter_mut().filter(|(_, peer)| whom(peer)) {
            if peer.stream.write_all(line.as_bytes()).is_err() {
                gone.push(*id);
            }
        }
        for id in gone {
            self.drop_peer(id, net);
        }
    }

    fn accept(&mut self, net: &mut Net) {
        while let Some((listener, _)) = &self.listener {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            if self.peers.len() >= PEERS_MAX {
                continue;
            }
            let Ok(id) = net.register(&mut stream) else {
                continue;
            };
            self.last_number += 1;
            let peer = Peer { number: self.last_number, stream, input: Vec::new() };
            self.peers.insert(id, peer);
        }
    }

    fn drop_peer(&mut self, id: SourceId, net: &mut Net) {
        if let Some(mut peer) = self.peers.remove(&id)
            && let Err(error) = net.deregister(&mut peer.stream, id)
        {
            tracing::debug!(%error, "a peer was gone already");
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.listener.is_some()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "the socket was gone already");
        }
    }
}

impl Peer {
    /// Reads what is there; whether the peer is still there.
    fn read(&mut self) -> bool {
        let mut buffer = [0; LINE_LEN_MAX];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(len) => self.input.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            if self.input.len() > LINE_LEN_MAX {
                return false;
            }
        }
    }

    /// The whole lines so far; `None` when one is no request.
    fn requests(&mut self) -> Option<Vec<Request>> {
        let mut requests = Vec::new();
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let line = std::str::from_utf8(&line).ok()?;
            requests.push(read_request(line.trim_end())?);
        }
        Some(requests)
    }
}

/// Whether those who look into the store should look again.
fn changes_store(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::OutboxChanged
            | Notice::Received(_)
            | Notice::ContactChanged { .. }
            | Notice::GroupChanged(_)
            | Notice::Conflict
    )
}

fn listen(path: &Path, net: &mut Net) -> std::io::Result<(UnixListener, SourceId)> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut listener = UnixListener::bind(LocalAddress::of(path)?.path())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let id = net.register(&mut listener)?;
    Ok((listener, id))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    use wire::Name;
    use wire::net::{Net, NetEvent};

    use super::Hub;
    use crate::core::{Notice, Request, Ticket};
    use crate::failure::{Code, Failure};
    use crate::shell::HUB_TICKETS;
    use crate::shell::follower::{Follower, Heard, Reply};

    const TIME_MAX: Duration = Duration::from_secs(10);

    /// Turns until something is asked.
    fn asked(hub: &mut Hub, net: &mut Net) -> (u64, Request) {
        let mut events = Vec::new();
        loop {
            events.clear();
            net.poll(Some(TIME_MAX), &mut events).expect("polls");
            for event in &events {
                let NetEvent::Source { id } = event else { continue };
                if let Some(asked) = hub.on_ready(*id, net).first() {
                    return asked.clone();
                }
            }
            assert!(!events.is_empty(), "nothing was asked in time");
        }
    }

    #[test]
    fn a_follower_asks_hears_changes_and_its_own_answer_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let mut net = Net::new().expect("a net");
        let mut hub = Hub::open(&path, &mut net);
        let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let request = Request::Fetch(Name::parse("bob").expect("a name"));
        let wanted = request.clone();
        let follower = thread::spawn(move || {
            let mut follower = Follower::ask(&path, &request).expect("connects");
            [(); 3].map(|()| follower.wait(TIME_MAX).expect("waits"))
        });
        let (peer, heard) = asked(&mut hub, &mut net);
        assert_eq!(heard, wanted);
        let failure = Failure::new(Code::NoSuchUser, "nobody");
        let answered = |number| Notice::Answered {
            ticket: Ticket(HUB_TICKETS + number),
            result: Err(failure.clone()),
        };
        hub.tell(&[Notice::OutboxChanged, answered(peer + 1), answered(peer)], &mut net);
        drop(hub);
        drop(net);
        let heard = follower.join().expect("ends");
        let answer = Heard::Reply(Reply::Answered(Err(failure)));
        assert_eq!(heard, [Heard::Reply(Reply::Changed), answer, Heard::Gone]);
    }

    #[test]
    fn a_path_that_is_too_long_for_an_address_has_a_socket_too() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = directory.path().join("x".repeat(200));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("socket");
        let mut net = Net::new().expect("a net");
        let mut hub = Hub::open(&path, &mut net);
        let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Follower::ask(&path, &Request::Outbox).expect("connects");
        assert_eq!(asked(&mut hub, &mut net).1, Request::Outbox);
        drop(hub);
        assert!(!path.exists(), "it goes with its owner");
    }

    #[test]
    fn nonsense_ends_the_conversation_and_a_stale_socket_is_no_obstacle() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket of a dead process"));
        let mut net = Net::new().expect("a net");
        let mut hub = Hub::open(&path, &mut net);
        let mut stranger = UnixStream::connect(&path).expect("connects");
        stranger.write_all(b"what is this\n").expect("writes");
        let mut long = UnixStream::connect(&path).expect("connects");
        long.write_all(&[b'x'; 5000]).expect("writes");
        let honest = UnixStream::connect(&path).expect("connects");
        (&honest).write_all(b"outbox\n").expect("writes");
        assert_eq!(asked(&mut hub, &mut net).1, Request::Outbox);
        assert_eq!(hub.peers.len(), 1, "only the honest one is left");
    }
}
