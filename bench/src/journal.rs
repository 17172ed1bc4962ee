//! The readers' journal: one file, written and synced on a thread of its own, so that the loop
//! goes on meanwhile. One write at a time.
//!
//! It has its whole length before it is used, and is written over from its beginning, as the
//! write-ahead log of SQLite is after its first checkpoint. A file that grows with each write has
//! its new length synced, too, by two more writes of the file system. A write that is longer than
//! all of it makes it longer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use bytes::Bytes;
use tempfile::tempfile_in;

/// Where the journal begins anew: what it is for is the sync, and nobody reads it.
const LEN: u64 = 16 * 1024 * 1024;

/// Ends its thread when it is dropped.
#[derive(Debug)]
pub struct Journal {
    writes: Sender<Bytes>,
    done: Receiver<io::Result<()>>,
}

impl Journal {
    /// A journal in the temporary directory; `wake` is called after each write.
    ///
    /// # Errors
    /// The system gives no file or no thread.
    pub fn start(wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let file = tempfile_in(std::env::temp_dir())?;
        fill(&file, LEN)?;
        let (writes, queue) = channel();
        let (finished, done) = channel();
        let work = move || work((&file, LEN), &queue, &finished, &wake);
        thread::Builder::new().name("journal".to_owned()).spawn(work)?;
        Ok(Self { writes, done })
    }

    /// Writes this after what was written before.
    ///
    /// # Panics
    /// When its thread has ended, which it does only after this is dropped.
    pub fn write(&self, bytes: Bytes) {
        self.writes.send(bytes).expect("the thread waits for writes");
    }

    /// Whether a write is done that was not done before.
    ///
    /// # Errors
    /// It could not be written or synced.
    pub fn poll(&self) -> io::Result<bool> {
        self.done.try_recv().map_or(Ok(false), |done| done.map(|()| true))
    }
}

fn fill(file: &File, len: u64) -> io::Result<()> {
    let piece = vec![0; 64 * 1024];
    for at in (0..len).step_by(piece.len()) {
        file.write_all_at(&piece, at)?;
    }
    file.sync_all()
}

fn work(
    (file, whole): (&File, u64),
    queue: &Receiver<Bytes>,
    finished: &Sender<io::Result<()>>,
    wake: &impl Fn(),
) {
    let mut end = 0;
    for bytes in queue {
        let len = u64::try_from(bytes.len()).expect("usize fits u64");
        if end + len > whole {
            end = 0;
        }
        let written = file.write_all_at(&bytes, end).and_then(|()| file.sync_data());
        end += len;
        if finished.send(written).is_err() {
            return;
        }
        wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_over_when_it_is_full() {
        let (len, piece) = (64 * 1024, Bytes::from(vec![1; 30 * 1024]));
        let file = tempfile_in(std::env::temp_dir()).expect("a file");
        fill(&file, len).expect("it is filled");
        assert_eq!(file.metadata().expect("its length").len(), len);
        let ((writes, queue), (finished, done)) = (channel(), channel());
        for _ in 0..3 {
            writes.send(piece.clone()).expect("the queue is there");
        }
        drop(writes);
        work((&file, len), &queue, &finished, &|| {});
        assert_eq!(done.try_iter().filter(Result::is_ok).count(), 3);
        assert_eq!(file.metadata().expect("its length").len(), len, "it is as long as before");
    }

    #[test]
    fn writes_are_told_of_in_turn() {
        let (woken, wakes) = channel();
        let wake = move || woken.send(()).unwrap_or_default();
        let journal = Journal::start(wake).expect("a journal");
        for _ in 0..3 {
            journal.write(Bytes::from_static(b"entry"));
            wakes.recv().expect("it is written");
            assert!(journal.poll().expect("no error"));
            assert!(!journal.poll().expect("no error"), "told once");
        }
    }
}
