//! The servers that a router has named: ways to a seat while no router answers.

use std::net::SocketAddr;

use rusqlite::Row;
use wire::limits::SERVERS_MAX;
use wire::{ServerId, Wall};

use super::Store;
use super::cached::Cached;
use super::error::StoreError;

/// A server that a router has named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownServer {
    /// Which server; its certificate proves it.
    pub server: ServerId,
    /// Where it listened for clients.
    pub address: SocketAddr,
    /// When a router named it last, by this machine's clock.
    pub heard: Wall,
}

/// What routers have said about the cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KnownServers {
    /// The server that owns the account, if a router has said so.
    pub home: Option<ServerId>,
    /// The servers, by id, at most [`SERVERS_MAX`].
    pub servers: Vec<KnownServer>,
}

impl Store {
    /// The servers that were kept. A row that cannot be read is as good as none.
    ///
    /// # Errors
    /// [`StoreError`]: the database fails.
    pub fn known_servers(&self) -> Result<KnownServers, StoreError> {
        let sql = "SELECT server, address, heard, is_home FROM servers ORDER BY server LIMIT ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let most = i64::try_from(SERVERS_MAX).expect("a small constant");
        let mut rows = statement.query((most,))?;
        let mut known = KnownServers::default();
        while let Some(row) = rows.next()? {
            if let Some((server, is_home)) = read(row) {
                known.home = if is_home { Some(server.server) } else { known.home };
                known.servers.push(server);
            }
        }
        Ok(known)
    }

    /// Keeps `known` instead of what was kept before.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub fn save_servers(&mut self, known: &KnownServers) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            transaction.run("DELETE FROM servers", ())?;
            for KnownServer { server, address, heard } in &known.servers {
                let is_home = known.home == Some(*server);
                transaction.run(
                    "INSERT INTO servers (server, address, heard, is_home)
                     VALUES (?1, ?2, ?3, ?4)",
                    (server.0, address.to_string(), heard.0.cast_signed(), is_home),
                )?;
            }
            Ok(())
        })
    }
}

fn read(row: &Row<'_>) -> Option<(KnownServer, bool)> {
    let server = ServerId(row.get("server").ok()?);
    let address: String = row.get("address").ok()?;
    let address = address.parse().ok()?;
    let heard = Wall(row.get::<_, i64>("heard").ok()?.cast_unsigned());
    Some((KnownServer { server, address, heard }, row.get("is_home").ok()?))
}
