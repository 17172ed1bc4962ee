//! A disk that loses what was not synced: the recorded calls are replayed up to any moment, and a
//! generator decides what the power cut leaves of those that no sync covers.
//!
//! What is assumed of the disk is what journaling file systems give. A file's bytes are durable
//! once an `fsync` or `fdatasync` of it returned that began after they were written; a name is
//! once its folder was synced likewise. Of one folder's changes a beginning is kept, in their
//! order; between folders and files anything goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use crate::trace::{Call, Deed};

/// What a disk writes at once.
const SECTOR_LEN: usize = 512;

/// A bit of every byte of garbage: RocksDB 11.8.1 never ends reading a write-ahead log where a
/// header's type is one of recycled logs (5–8, 11, 13), as garbage may have it.
const GARBAGE: u8 = 0x10;

/// What a cut leaves of the bytes that no sync covers.
#[derive(Clone, Copy, Debug)]
enum Rest {
    None,
    All,
    /// Some of the first writes, the last of them torn at any byte.
    Torn,
    /// Any of the sectors; in place of the others what was there before, or zeros.
    Sectors,
    /// Any of the sectors; in place of the others anything.
    Garbage,
}

/// A change of one file's bytes.
#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

/// A change of one folder's names.
#[derive(Debug)]
enum Naming {
    Add { name: PathBuf, file: usize },
    Move { from: PathBuf, to: PathBuf, file: usize },
    Remove { name: PathBuf },
}

#[derive(Debug)]
struct Timed<T> {
    begin: usize,
    end: usize,
    what: T,
}

/// Everything that happened to one file or one folder.
#[derive(Debug)]
struct History<T> {
    deeds: Vec<Timed<T>>,
    syncs: Vec<(usize, usize)>,
}

#[derive(Debug, Default)]
struct Inode {
    base: Vec<u8>,
    history: History<Change>,
    len: usize,
}

/// A recorded disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<Inode>,
    folders: BTreeMap<PathBuf, History<Naming>>,
    base: BTreeMap<PathBuf, usize>,
    /// The names as the program saw them last.
    names: BTreeMap<PathBuf, usize>,
}

/// Files by their place below the recorded folder.
pub(crate) type Image = BTreeMap<PathBuf, Vec<u8>>;

impl Disk {
    /// A disk that holds `base` durably; then `calls` below `root` happen to it.
    pub(crate) fn new(root: &Path, base: &Image, calls: &[Call]) -> Self {
        let mut disk = Self::default();
        for (path, bytes) in base {
            let file = Inode { base: bytes.clone(), len: bytes.len(), ..Inode::default() };
            disk.base.insert(path.clone(), disk.files.len());
            disk.files.push(file);
        }
        disk.names = disk.base.clone();
        for call in calls {
            disk.record(root, call);
        }
        disk
    }

    fn record(&mut self, root: &Path, call: &Call) {
        match &call.deed {
            Deed::Open { path, empty } => {
                below(root, path, |path| self.open(path, *empty, call));
            }
            Deed::Write { path, at, bytes } => {
                below(root, path, |path| self.write(path, *at, bytes, call));
            }
            Deed::Cut { path, len } => below(root, path, |path| self.cut(path, *len, call)),
            Deed::Sync { path } => below(root, path, |path| self.sync(path, call)),
            Deed::Remove { path } => below(root, path, |path| {
                self.names.remove(path).expect("what is removed is there");
                self.name(path, Naming::Remove { name: path.to_owned() }, call);
            }),
            Deed::Rename { from, to } => below(root, from, |from| {
                let to = to.strip_prefix(root).expect("it stays below").to_owned();
                let file = self.names.remove(from).expect("what is renamed is there");
                self.names.insert(to.clone(), file);
                self.name(from, Naming::Move { from: from.to_owned(), to, file }, call);
            }),
            // The store's folder is there when its first file is.
            Deed::MakeFolder { .. } => {}
        }
    }

    fn open(&mut self, path: &Path, empty: bool, call: &Call) {
        match self.names.get(path) {
            Some(_) if empty => self.cut(path, 0, call),
            Some(_) => {}
            None => {
                let file = self.files.len();
                self.files.push(Inode::default());
                self.names.insert(path.to_owned(), file);
                self.name(path, Naming::Add { name: path.to_owned(), file }, call);
            }
        }
    }

    fn write(&mut self, path: &Path, at: Option<usize>, bytes: &[u8], call: &Call) {
        let Some(file) = self.names.get(path) else {
            // The file's name is gone: nobody will find what is written to it.
            return;
        };
        let file = &mut self.files[*file];
        let at = at.unwrap_or(file.len);
        file.len = file.len.max(at + bytes.len());
        file.history.push(call, Change::Write { at, bytes: bytes.to_vec() });
    }

    fn cut(&mut self, path: &Path, len: usize, call: &Call) {
        let Some(file) = self.names.get(path) else {
            return;
        };
        let file = &mut self.files[*file];
        file.len = len;
        file.history.push(call, Change::Cut(len));
    }

    fn sync(&mut self, path: &Path, call: &Call) {
        let sync = (call.begin, call.end);
        match self.names.get(path) {
            Some(file) => self.files[*file].history.syncs.push(sync),
            None => self.folders.entry(path.to_owned()).or_default().syncs.push(sync),
        }
    }

    fn name(&mut self, path: &Path, naming: Naming, call: &Call) {
        let folder = path.parent().expect("a file is in a folder").to_owned();
        self.folders.entry(folder).or_default().push(call, naming);
    }

    /// What the disk holds when the power goes at the moment `now`.
    pub(crate) fn cut_at(&self, now: usize, random: &mut StdRng) -> Image {
        let rest = random.random_bool(0.5).then(|| Rest::drawn(random));
        self.image(now, random, |random| rest.unwrap_or_else(|| Rest::drawn(random)))
    }

    /// What is certain to be there at the moment `now`.
    pub(crate) fn synced_at(&self, now: usize, random: &mut StdRng) -> Image {
        self.image(now, random, |_| Rest::None)
    }

    /// What the program sees at the end.
    pub(crate) fn seen(&self, random: &mut StdRng) -> Image {
        self.image(usize::MAX, random, |_| Rest::All)
    }

    fn image(
        &self,
        now: usize,
        random: &mut StdRng,
        mut rest: impl FnMut(&mut StdRng) -> Rest,
    ) -> Image {
        let mut names = self.base.clone();
        for folder in self.folders.values() {
            let kept = match rest(random) {
                Rest::None => 0,
                Rest::All => usize::MAX,
                _ => random.random_range(0..=folder.uncovered(now).count()),
            };
            folder.replay(now, kept, &mut names);
        }
        let content = |(path, file): (PathBuf, usize)| {
            let rest = rest(random).of(&path);
            let bytes = self.files[file].content(now, rest, random);
            (path, bytes)
        };
        names.into_iter().map(content).collect()
    }
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { deeds: Vec::new(), syncs: Vec::new() }
    }
}

impl<T> History<T> {
    fn push(&mut self, call: &Call, what: T) {
        self.deeds.push(Timed { begin: call.begin, end: call.end, what });
    }

    /// The last sync that returned by `now` covers what ended before it began.
    fn covered_below(&self, now: usize) -> usize {
        let done = self.syncs.iter().filter(|(_, end)| *end <= now);
        done.map(|(begin, _)| *begin).max().unwrap_or(0)
    }

    fn begun(&self, now: usize) -> impl Iterator<Item = (&Timed<T>, bool)> {
        let covered = self.covered_below(now);
        let begun = self.deeds.iter().take_while(move |deed| deed.begin <= now);
        begun.map(move |deed| (deed, deed.end < covered))
    }

    fn uncovered(&self, now: usize) -> impl Iterator<Item = &Timed<T>> {
        self.begun(now).filter(|(_, is_covered)| !is_covered).map(|(deed, _)| deed)
    }
}

impl History<Naming> {
    /// Applies what is durable, and `kept` of what is not.
    fn replay(&self, now: usize, kept: usize, names: &mut BTreeMap<PathBuf, usize>) {
        let mut left = kept;
        for (deed, is_covered) in self.begun(now) {
            if !is_covered && left == 0 {
                continue;
            }
            left -= usize::from(!is_covered);
            match &deed.what {
                Naming::Add { name, file } => {
                    names.insert(name.clone(), *file);
                }
                Naming::Move { from, to, file } => {
                    names.remove(from);
                    names.insert(to.clone(), *file);
                }
                Naming::Remove { name } => {
                    names.remove(name);
                }
            }
        }
    }
}

impl Inode {
    fn content(&self, now: usize, rest: Rest, random: &mut StdRng) -> Vec<u8> {
        let mut bytes = self.base.clone();
        let covered = self.history.begun(now).filter(|(_, is_covered)| *is_covered);
        covered.for_each(|(deed, _)| deed.what.apply(&mut bytes));
        let mut others: Vec<&Change> = self.history.uncovered(now).map(|deed| &deed.what).collect();
        match rest {
            Rest::None => others.clear(),
            Rest::All | Rest::Sectors | Rest::Garbage => {}
            Rest::Torn => {
                others.truncate(random.random_range(0..=others.len()));
                if let Some(torn) = others.pop() {
                    others.iter().for_each(|change| change.apply(&mut bytes));
                    torn.apply_torn(&mut bytes, random);
                }
                return bytes;
            }
        }
        for change in others {
            let before = change.overwritten(&bytes);
            change.apply(&mut bytes);
            match rest {
                Rest::Sectors => change.spoil(&mut bytes, &before, random, false),
                Rest::Garbage => change.spoil(&mut bytes, &before, random, true),
                _ => {}
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Cut(len) => file.resize(*len, 0),
            Self::Write { at, bytes } => put(file, *at, bytes),
        }
    }

    fn apply_torn(&self, file: &mut Vec<u8>, random: &mut StdRng) {
        match self {
            Self::Cut(_) => {}
            Self::Write { at, bytes } => {
                put(file, *at, &bytes[..random.random_range(0..=bytes.len())]);
            }
        }
    }

    /// What stands where it writes.
    fn overwritten(&self, file: &[u8]) -> Vec<u8> {
        match self {
            Self::Cut(_) => Vec::new(),
            Self::Write { at, bytes } => {
                let end = file.len().min(at + bytes.len());
                file.get(*at..end).unwrap_or_default().to_vec()
            }
        }
    }

    /// Puts something else into some of the sectors that it wrote: `before`, or zeros where nothing
    /// was, or garbage.
    fn spoil(&self, file: &mut [u8], before: &[u8], random: &mut StdRng, garbage: bool) {
        let Self::Write { at, bytes } = self else {
            return;
        };
        let end = at + bytes.len();
        let mut from = *at;
        while from < end {
            let to = end.min((from / SECTOR_LEN + 1) * SECTOR_LEN);
            if random.random_bool(0.5) {
                let sector = &mut file[from..to];
                if garbage {
                    random.fill_bytes(sector);
                    sector.iter_mut().for_each(|byte| *byte |= GARBAGE);
                } else {
                    let old = before.get(from - at..).unwrap_or_default();
                    let known = old.len().min(sector.len());
                    sector[..known].copy_from_slice(&old[..known]);
                    sector[known..].fill(0);
                }
            }
            from = to;
        }
    }
}

impl Rest {
    /// What is left of this file. The manifest is appended to, by a few bytes each time, and a
    /// file's length follows its bytes: RocksDB relies on it, and does not open a manifest that
    /// ends in garbage, though nothing is lost.
    fn of(self, path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match self {
            Self::Sectors | Self::Garbage if name.starts_with("MANIFEST") => Self::Torn,
            rest => rest,
        }
    }

    fn drawn(random: &mut StdRng) -> Self {
        match random.random_range(0..6) {
            0 => Self::None,
            1 => Self::All,
            2 | 3 => Self::Torn,
            4 => Self::Sectors,
            _ => Self::Garbage,
        }
    }
}

/// Calls `then` with the path below `root`, if it is there.
fn below(root: &Path, path: &Path, then: impl FnOnce(&Path)) {
    if let Ok(path) = path.strip_prefix(root) {
        then(path);
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}

/// Reads every file below `root`.
pub(crate) fn read(root: &Path) -> Image {
    let mut image = Image::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it is listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below_root = path.strip_prefix(root).expect("it is below").to_owned();
                image.insert(below_root, fs::read(&path).expect("it is read"));
            }
        }
    }
    image
}

/// Writes the image below `root`, which is made anew.
pub(crate) fn materialise(image: &Image, root: &Path) {
    if root.exists() {
        fs::remove_dir_all(root).expect("the last image goes");
    }
    fs::create_dir_all(root).expect("a folder for the image");
    for (path, bytes) in image {
        let folder = root.join(path.parent().expect("a file is in a folder"));
        fs::create_dir_all(folder).expect("a folder of the image");
        fs::write(root.join(path), bytes).expect("a file of the image");
    }
}
