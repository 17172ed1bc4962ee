//! The real engine, one operation at a time; and what a store holds, compared with what it must.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use storage::{
    Answer, Batch, Change, Completion, Op, Opened, Read, RocksStorage, Sizing, Storage,
    StorageError, Ticket,
};
use wire::{LogId, Seq};

use crate::workload::{
    Contents, Seqs, batch_of_blob, blob, bob, chunk, contents, entry, group, mailbox, origin,
};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Store {
    storage: RocksStorage,
    wakes: Receiver<()>,
    ticket: u64,
}

/// What a store was found to hold.
pub(crate) struct Found {
    /// How many batches; all of them whole.
    pub(crate) batches: u64,
    /// Where the entries stand that are there.
    pub(crate) seqs: Seqs,
}

impl Store {
    pub(crate) fn open(path: &Path, sizing: &Sizing) -> Result<(Self, Opened), StorageError> {
        let (waker, wakes) = mpsc::channel();
        let wake = move || waker.send(()).unwrap_or_default();
        let (storage, opened) = RocksStorage::open_sized(path, sizing, Box::new(wake))?;
        Ok((Self { storage, wakes, ticket: 0 }, opened))
    }

    pub(crate) fn close(self) -> Result<(), StorageError> {
        self.storage.close()
    }

    pub(crate) fn commit(&mut self, changes: Vec<Change>) -> Result<(), StorageError> {
        let batch = Batch::of(changes);
        match self.run(|ticket| Op::Commit { ticket, batch })? {
            Completion::Committed { .. } => Ok(()),
            other => panic!("{other:?}"),
        }
    }

    /// What is there, or what is wrong with it.
    pub(crate) fn found(&mut self) -> Result<Found, String> {
        self.examine().map_err(|error| error.to_string())?
    }

    fn examine(&mut self) -> Result<Result<Found, String>, StorageError> {
        let (log, sender, origin) = (mailbox(), bob(), origin());
        let batches = match self.read(Read::Row { log, sender, origin })? {
            Answer::Row { row, .. } => row.map_or(0, |row| row.last.value()),
            other => panic!("{other:?}"),
        };
        let (in_mailbox, seqs) = match self.numbers(mailbox())? {
            Ok(found) => found,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let in_group = match self.numbers(group())? {
            Ok((numbers, _)) => numbers,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let cursor = self.cursor(&in_mailbox)?;
        let blobs = self.blobs(batches)?;
        let found = Contents { mailbox: in_mailbox, group: in_group, cursor, blobs };
        let expected = contents(batches);
        if found != expected {
            return Ok(Err(format!("of {batches} batches: {found:?}, not {expected:?}")));
        }
        Ok(Ok(Found { batches, seqs }))
    }

    /// The numbers of a log's entries, which are what was sent, and their seqs, which rise.
    fn numbers(&mut self, log: LogId) -> Result<Result<(Vec<u64>, Seqs), String>, StorageError> {
        let (after, entries_max, bytes_max) = (Seq(0), 100_000, 100_000_000);
        let read = Read::Range { log, after, entries_max, bytes_max };
        let Answer::Range { entries, more: false, .. } = self.read(read)? else {
            panic!("a range was asked for");
        };
        let (mut numbers, mut seqs, mut last) = (Vec::new(), Seqs::new(), Seq(0));
        for found in entries {
            let number = found.number.value();
            if found.seq <= last || found != entry(number, found.seq) {
                return Ok(Err(format!("{log}: a wrong entry: {found:?}")));
            }
            last = found.seq;
            numbers.push(number);
            seqs.insert(number, found.seq);
        }
        Ok(Ok((numbers, seqs)))
    }

    /// The number of the entry before the first, when a cursor is there.
    fn cursor(&mut self, numbers: &[u64]) -> Result<u64, StorageError> {
        match self.read(Read::Log { log: mailbox() })? {
            Answer::Log { cursors, .. } if cursors.is_empty() => Ok(0),
            Answer::Log { .. } => Ok(numbers.first().map_or(0, |first| first - 1)),
            other => panic!("{other:?}"),
        }
    }

    /// The blobs that are there, with their chunk.
    fn blobs(&mut self, batches: u64) -> Result<BTreeSet<u64>, StorageError> {
        let mut found = BTreeSet::new();
        for count in 1..=batches / batch_of_blob(1) + 1 {
            let (uploader, blob) = (bob(), blob(count));
            let chunk_read = self.read(Read::Chunk { uploader, blob, index: 0 })?;
            let record = self.read(Read::Blob { uploader, blob })?;
            let is_whole = match (record, chunk_read) {
                (Answer::Blob(Some(_)), Answer::Chunk(Some(bytes))) => {
                    bytes == chunk(batch_of_blob(count))
                }
                (Answer::Blob(None), Answer::Chunk(None)) => continue,
                _ => false,
            };
            found.insert(if is_whole { count } else { u64::MAX });
        }
        Ok(found)
    }

    fn read(&mut self, read: Read) -> Result<Answer, StorageError> {
        match self.run(|ticket| Op::Read { ticket, read })? {
            Completion::Answered { answer, .. } => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    fn run(&mut self, op: impl FnOnce(Ticket) -> Op) -> Result<Completion, StorageError> {
        self.ticket += 1;
        self.storage.submit(op(Ticket(self.ticket)));
        loop {
            match self.storage.poll() {
                Some(Completion::Poisoned { cause }) => return Err(cause),
                Some(completion) => return Ok(completion),
                None => self.wakes.recv_timeout(PATIENCE).expect("a completion wakes"),
            }
        }
    }
}
