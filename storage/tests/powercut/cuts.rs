//! The power goes, again and again: images of a recorded disk, each opened by the real engine.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::child::Plan;
use crate::disk::{Disk, Image, materialise, read};
use crate::promise::{Broken, Promise};
use crate::trace::{Call, Deed, record};

/// The store's folder below the recorded one, and the file beside it.
const STORE: &str = "store";
const WATERMARK: &str = "store.watermark";
/// One process is recorded after the other, each on what a power cut left of the one before.
const PROCESSES: u64 = 3;
const OPENINGS: u64 = 2;
const BATCHES: u64 = 160;
/// Every so many images one is rolled back too.
const ROLL_BACK_EVERY: u64 = 8;

/// What came of the images.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) images: u64,
    pub(crate) lost: u64,
    pub(crate) reused: u64,
    pub(crate) refused: u64,
    /// Images of an older moment beside a newer watermark; and those that were refused.
    pub(crate) rolled_back: u64,
    pub(crate) rolled_back_refused: u64,
}

/// One recorded process: what it found, what it did, what it was promised before.
struct Recording {
    calls: Vec<Call>,
    disk: Disk,
    said: PathBuf,
    before: Promise,
}

/// Cuts the power `images` times. What is wrong with an image is told on standard error, and the
/// image kept.
pub(crate) fn run(images: u64, seed: u64, folder: &Path) -> Tally {
    let mut tally = Tally::default();
    let (mut base, mut before) = (Image::new(), Promise::default());
    for process in 0..PROCESSES {
        let place = folder.join(process.to_string());
        let recording = Recording::make(&place, &base, before);
        let share = images / PROCESSES + u64::from(process < images % PROCESSES);
        tally.add(&recording.cut(share, seed + (process << 32), &place));
        match recording.successor(seed, &place) {
            Ok(left) => (base, before) = left,
            Err(broken) => {
                eprintln!("process {process} cannot be followed by another: {broken:?}");
                tally.lost += 1;
                break;
            }
        }
    }
    tally
}

impl Recording {
    fn make(place: &Path, base: &Image, before: Promise) -> Self {
        let (root, said) = (place.join("disk"), place.join("said"));
        materialise(base, &root);
        let store = root.join(STORE);
        let plan = Plan { store, said: said.clone(), openings: OPENINGS, batches: BATCHES };
        let calls = record(&plan, place).expect("strace records the child");
        let disk = Disk::new(&root, base, &calls);
        let replayed = disk.seen(&mut StdRng::seed_from_u64(0));
        assert!(replayed == read(&root), "the replay of all calls is what is on the disk");
        Self { calls, disk, said, before }
    }

    fn end(&self) -> usize {
        self.calls.last().map_or(0, |call| call.end)
    }

    /// What the child was promised by the moment `now`.
    fn promise_at(&self, now: usize) -> Promise {
        let mut promise = self.before.clone();
        for call in self.calls.iter().take_while(|call| call.begin <= now) {
            if let Deed::Write { path, bytes, .. } = &call.deed
                && *path == self.said
            {
                promise.hear(std::str::from_utf8(bytes).expect("it speaks ASCII"));
            }
        }
        promise
    }

    /// Opens `images` images on as many threads as there are processors.
    fn cut(&self, images: u64, seed: u64, place: &Path) -> Tally {
        let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (next, (results, found)) = (AtomicU64::new(0), mpsc::channel());
        thread::scope(|scope| {
            for worker in 0..workers {
                let (next, results) = (&next, results.clone());
                let place = place.join(format!("image-{worker}"));
                scope.spawn(move || {
                    let mut tally = Tally::default();
                    loop {
                        let image = next.fetch_add(1, Ordering::Relaxed);
                        if image >= images {
                            break;
                        }
                        self.cut_once(seed + image, &place, &mut tally);
                        if image % ROLL_BACK_EVERY == 0 {
                            self.roll_back(seed + image, &place, &mut tally);
                        }
                    }
                    results.send(tally).expect("the tallies are added below");
                });
            }
            drop(results);
        });
        let mut tally = Tally::default();
        found.iter().for_each(|each| tally.add(&each));
        tally
    }

    fn cut_once(&self, seed: u64, place: &Path, tally: &mut Tally) {
        let mut random = StdRng::seed_from_u64(seed);
        let now = random.random_range(0..=self.end());
        let image = self.disk.cut_at(now, &mut random);
        materialise(&image, place);
        tally.images += 1;
        let Err(broken) = self.promise_at(now).check(&place.join(STORE)) else {
            return;
        };
        // Each run records anew: only the image itself shows it again.
        let kept = std::env::temp_dir().join(format!("fastchat-powercut-{seed:x}"));
        materialise(&image, &kept);
        eprintln!("{}, cut at call {now}: {broken:?}", kept.display());
        match broken {
            Broken::Lost(_) => tally.lost += 1,
            Broken::Reused(_) => tally.reused += 1,
            Broken::Refused(_) => tally.refused += 1,
        }
    }

    /// The files as they were some time before the watermark was written.
    fn roll_back(&self, seed: u64, place: &Path, tally: &mut Tally) {
        let mut random = StdRng::seed_from_u64(seed);
        let then = random.random_range(0..=self.end());
        let Some(marked) = self.mark_after_a_batch(then) else {
            return;
        };
        let now = random.random_range(marked..=self.end());
        let mut image = self.disk.synced_at(then, &mut random);
        let watermark = self.disk.synced_at(now, &mut random).remove(Path::new(WATERMARK));
        image.insert(WATERMARK.into(), watermark.expect("it was synced"));
        materialise(&image, place);
        tally.rolled_back += 1;
        match self.promise_at(then).check(&place.join(STORE)) {
            Err(Broken::Refused(_)) => tally.rolled_back_refused += 1,
            other => eprintln!("seed {seed:#x}: rolled back from {now} to {then}: {other:?}"),
        }
    }

    /// When a watermark was durable that was written after a batch after `then` was.
    fn mark_after_a_batch(&self, then: usize) -> Option<usize> {
        let mut after = self.calls.iter().skip_while(|call| call.begin <= then);
        let is_done = |call: &&Call| match &call.deed {
            Deed::Write { path, bytes, .. } => *path == self.said && bytes.starts_with(b"done"),
            _ => false,
        };
        // The batch that is under way at `then` may be in the image; the one after it is not.
        after.by_ref().filter(is_done).nth(1)?;
        let of_watermark = |path: &Path| path.ends_with(WATERMARK);
        let is_written =
            |call: &&Call| matches!(&call.deed, Deed::Write { path, .. } if of_watermark(path));
        // The first may have been composed before the batch was.
        after.by_ref().filter(is_written).nth(1)?;
        let is_synced =
            |call: &&Call| matches!(&call.deed, Deed::Sync { path } if of_watermark(path));
        after.find(is_synced).map(|call| call.end)
    }

    /// What a power cut near the end leaves for the next process.
    fn successor(&self, seed: u64, place: &Path) -> Result<(Image, Promise), Broken> {
        let mut random = StdRng::seed_from_u64(seed);
        let now = random.random_range(self.end() * 3 / 4..=self.end());
        let image = self.disk.cut_at(now, &mut random);
        let mut promise = self.promise_at(now);
        let copy = place.join("successor");
        materialise(&image, &copy);
        let batches = promise.check(&copy.join(STORE))?;
        (promise.done, promise.submitted) = (batches, batches);
        Ok((image, promise))
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.lost += other.lost;
        self.reused += other.reused;
        self.refused += other.refused;
        self.rolled_back += other.rolled_back;
        self.rolled_back_refused += other.rolled_back_refused;
    }

    /// Whether everything held.
    pub(crate) fn is_good(&self) -> bool {
        self.lost + self.reused + self.refused == 0 && self.rolled_back == self.rolled_back_refused
    }
}
