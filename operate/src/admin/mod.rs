//! HTTP for operators: `/metrics`, `/livez`, `/readyz`, on the loopback address only.
//!
//! A thread of its own answers from the [`Board`], so that whatever comes in here never costs the
//! program's loop a turn. One request a connection; connections, heads, times and what is thrown
//! away are bounded, and when all places are taken the oldest connection makes room: a probe is
//! answered however many idle ones there are.

mod answer;
mod conn;
mod request;
mod service;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

use crate::board::Board;
use crate::settings::Settings;
use service::Service;

/// Bytes after a request that are read and thrown away, at most.
const LINGER_LEN_MAX: usize = 64 * 1024;

/// How much one may ask of the listener. Each has its standard; tests make them smaller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at a time. A handful of scrapers and probes is usual.
    pub conns_max: usize,
    /// For a whole request, and again for the taking of its answer.
    pub request_time: Duration,
    /// For the closing of the connection by the other side.
    pub linger_time: Duration,
}

impl Limits {
    /// What programs use.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            conns_max: 64,
            request_time: Duration::from_secs(5),
            linger_time: Duration::from_secs(1),
        }
    }
}

/// Why there is no listener.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Others could reach it.
    #[error(
        "--admin {0}: only a loopback address, such as 127.0.0.1:7290: whoever reaches it needs no \
         password; forward it where others have to"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken, or the system gives no socket or thread.
    #[error("--admin {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A listener; dropping it ends it and its connections.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    waker: mio::Waker,
    thread: Option<JoinHandle<()>>,
}

/// The address of the setting `admin`, which is a mistake where others could reach it.
pub fn configured(settings: &mut Settings) -> Option<SocketAddr> {
    let address: SocketAddr = settings.one("admin")?;
    if let Err(error) = check_address(address) {
        settings.mistake("admin", error);
    }
    Some(address)
}

/// Refuses what others than this machine could reach.
///
/// # Errors
/// [`AdminError::NotLoopback`].
pub fn check_address(address: SocketAddr) -> Result<SocketAddr, AdminError> {
    if address.ip().is_loopback() { Ok(address) } else { Err(AdminError::NotLoopback(address)) }
}

impl Admin {
    /// Listens on `address` (port 0: any) and answers from `board`.
    ///
    /// # Errors
    /// [`AdminError`]: not a loopback address, or it cannot be bound.
    pub fn open(address: SocketAddr, board: Arc<Board>) -> Result<Self, AdminError> {
        Self::open_limited(address, board, Limits::standard())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As [`Admin::open`].
    pub fn open_limited(
        address: SocketAddr,
        board: Arc<Board>,
        limits: Limits,
    ) -> Result<Self, AdminError> {
        check_address(address)?;
        Self::start(address, board, limits).map_err(|source| AdminError::Listen { address, source })
    }

    fn start(address: SocketAddr, board: Arc<Board>, limits: Limits) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut service, address) = Service::bind(address, board, limits)?;
        let waker = service.waker()?;
        let ends = Arc::clone(&stop);
        let run = move || {
            if let Err(error) = service.run(&ends) {
                tracing::error!(%error, "the admin listener ended");
            }
        };
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(run)?;
        Ok(Self { address, stop, waker, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the admin listener was not woken");
            return;
        }
        let ended = self.thread.take().map(JoinHandle::join);
        if ended.is_some_and(|ended| ended.is_err()) {
            tracing::error!("the admin listener panicked");
        }
    }
}
