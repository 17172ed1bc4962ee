//! The keeper's thread: once a second, off the commits' path, it syncs the watermark and looks for
//! background errors, which nobody would hear of while nothing is committed.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::lane::{Wake, not_started};
use super::tables::Tables;
use super::watermark_file::WatermarkFile;
use crate::error::StorageError;

/// The running thread. Its first error ends it.
pub(super) struct Keeper {
    stop: Option<Sender<()>>,
    failure: Receiver<StorageError>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread owns.
struct Watch {
    tables: Arc<Tables>,
    file: WatermarkFile,
}

impl Keeper {
    /// Starts the thread; it wakes the loop when it has failed.
    pub(super) fn start(
        tables: Arc<Tables>,
        file: WatermarkFile,
        every: Duration,
        wake: Wake,
    ) -> Result<Self, StorageError> {
        let (stop, stopped) = mpsc::channel();
        let (failed, failure) = mpsc::channel();
        let watch = Watch { tables, file };
        let run = move || {
            if let Err(error) = watch.run(&stopped, every) {
                // Nobody listens any more when the store is being closed.
                failed.send(error).unwrap_or_default();
                wake();
            }
        };
        let thread = thread::Builder::new().name("store-keeper".to_owned()).spawn(run);
        let thread = Some(thread.map_err(|error| not_started(&error))?);
        Ok(Self { stop: Some(stop), failure, thread })
    }

    /// Why the store must not be used any more, if that is so.
    pub(super) fn poll(&mut self) -> Option<StorageError> {
        self.failure.try_recv().ok()
    }

    /// Syncs the watermark once more, and joins the thread.
    pub(super) fn end(&mut self) -> Result<(), StorageError> {
        self.stop = None;
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.map_err(|_| StorageError::ThreadEnded)?;
        self.poll().map_or(Ok(()), Err)
    }
}

/// Syncs the watermark once more and joins the thread.
impl Drop for Keeper {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the store's keeper has ended");
        }
    }
}

impl Watch {
    fn run(mut self, stopped: &Receiver<()>, every: Duration) -> Result<(), StorageError> {
        loop {
            let is_last = stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout);
            self.tables.check_background()?;
            self.file.raise(self.tables.watermark()?)?;
            if is_last {
                return Ok(());
            }
        }
    }
}
