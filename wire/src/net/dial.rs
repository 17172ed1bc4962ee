//! Connecting to another process.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection};

use super::Net;
use super::conn::{Conn, Way};
use super::event::{CloseCause, NetEvent};
use super::policy::{Policy, Security};
use super::stream::Stream;
use super::token::Owner;
use crate::id::ConnId;

/// TCP and TLS together must be agreed within this.
const DIAL_TIME_MAX: Duration = Duration::from_secs(10);

impl Net {
    /// Begins a dial under a fresh id. What fails at once is told like what fails later.
    pub(super) fn begin_dial(
        &mut self,
        way: (Option<IpAddr>, SocketAddr),
        security: Security,
        policy: Policy,
    ) -> ConnId {
        let id = self.table.next_id();
        match self.open_stream(id, way, security) {
            Err(why) => self.pending.push(NetEvent::Closed { conn: id, why }),
            Ok(stream) => {
                let conn = self.table.insert(Conn::new(id, Way::Dialed, stream, policy));
                self.timers.set(conn, self.now + DIAL_TIME_MAX);
            }
        }
        id
    }

    fn open_stream(
        &self,
        id: ConnId,
        way: (Option<IpAddr>, SocketAddr),
        security: Security,
    ) -> Result<Stream, CloseCause> {
        let tls = match security {
            Security::Plain => None,
            Security::Connect(config, dns_name) => Some(connection(config, dns_name)?),
        };
        let socket = connect(way)?;
        let mut stream = Stream::new(socket, tls);
        stream.register(self.poll.registry(), Owner::Conn(id).token())?;
        Ok(stream)
    }
}

/// Begins to connect, from an address of this machine if one is named.
fn connect((local, address): (Option<IpAddr>, SocketAddr)) -> io::Result<TcpStream> {
    let Some(local) = local else {
        return TcpStream::connect(address);
    };
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    net::bind(&socket, &SocketAddr::new(local, 0))?;
    match net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from_std(socket.into())),
        Err(error) => Err(error.into()),
    }
}

fn connection(config: Arc<ClientConfig>, dns_name: String) -> Result<Connection, CloseCause> {
    let name =
        ServerName::try_from(dns_name).map_err(|error| CloseCause::Tls(error.to_string()))?;
    ClientConnection::new(config, name)
        .map(Connection::Client)
        .map_err(|error| CloseCause::Tls(error.to_string()))
}
