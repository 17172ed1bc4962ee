//! Connecting to another process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
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
        address: SocketAddr,
        security: Security,
        policy: Policy,
    ) -> ConnId {
        let id = self.table.next_id();
        match self.open_stream(id, address, security) {
            Err(why) => self.pending.push(NetEvent::Closed { conn: id, why }),
            Ok(stream) => {
                let conn = self.table.insert(Conn::new(id, Way::Dialed, stream, policy));
                self.timers.set(conn, Some(self.now + DIAL_TIME_MAX));
            }
        }
        id
    }

    fn open_stream(
        &self,
        id: ConnId,
        address: SocketAddr,
        security: Security,
    ) -> Result<Stream, CloseCause> {
        let tls = match security {
            Security::Plain => None,
            Security::Connect(config, dns_name) => Some(connection(config, dns_name)?),
        };
        let socket = TcpStream::connect(address)?;
        let mut stream = Stream::new(socket, tls);
        stream.register(self.poll.registry(), Owner::Conn(id).token())?;
        Ok(stream)
    }
}

fn connection(config: Arc<ClientConfig>, dns_name: String) -> Result<Connection, CloseCause> {
    let name =
        ServerName::try_from(dns_name).map_err(|error| CloseCause::Tls(error.to_string()))?;
    ClientConnection::new(config, name)
        .map(Connection::Client)
        .map_err(|error| CloseCause::Tls(error.to_string()))
}
