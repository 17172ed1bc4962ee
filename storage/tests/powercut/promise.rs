//! What the child was promised, and whether a store keeps it.

use std::path::Path;

use storage::{Sizing, StorageError};
use wire::Seq;

use crate::store::Store;
use crate::workload::Seqs;

/// What is known of a store from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    /// The highest epoch that was served.
    pub(crate) epoch: u32,
    /// The last batch that was durable.
    pub(crate) done: u64,
    /// The last batch that was given to it.
    pub(crate) submitted: u64,
    /// Where each entry was put, as last said.
    pub(crate) seqs: Seqs,
}

/// How a store breaks it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Broken {
    /// It does not open.
    Refused(String),
    /// What was durable is not there, or not whole.
    Lost(String),
    /// An epoch that was served is served again.
    Reused(String),
}

impl Promise {
    /// Takes the child's word.
    pub(crate) fn hear(&mut self, lines: &str) {
        for line in lines.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |word: &str| word.parse::<u64>().expect("a number");
            match words[..] {
                ["open", epoch] => self.epoch = u32::try_from(number(epoch)).expect("24 bits"),
                ["done", count] => self.done = number(count),
                ["submit", count, seq] => {
                    self.submitted = number(count);
                    self.seqs.insert(self.submitted, Seq(number(seq)));
                }
                _ => panic!("not a promise: {line}"),
            }
        }
    }

    /// Opens the store as a server does, and compares.
    pub(crate) fn check(&self, store: &Path) -> Result<u64, Broken> {
        let refused = |error: StorageError| Broken::Refused(error.to_string());
        let (mut store, opened) = Store::open(store, &Sizing::standard()).map_err(refused)?;
        let found = store.found().map_err(Broken::Lost)?;
        if opened.store_epoch <= self.epoch {
            let epochs = format!("epoch {} after {}", opened.store_epoch, self.epoch);
            return Err(Broken::Reused(epochs));
        }
        if !(self.done..=self.submitted).contains(&found.batches) {
            let Self { done, submitted, .. } = self;
            let batches = format!("{} batches of {done} to {submitted}", found.batches);
            return Err(Broken::Lost(batches));
        }
        for (number, seq) in found.seqs {
            if self.seqs.get(&number) != Some(&seq) {
                return Err(Broken::Lost(format!("entry {number} stands at {seq:?}")));
            }
        }
        Ok(found.batches)
    }
}
