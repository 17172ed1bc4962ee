//! The manifest of a backup: which store, how far it had come, when, and each file with its length
//! and SHA-256. Lines of text, so that an operator can read them; `docs/STORAGE.md` shows one.

use std::fmt::Write as _;
use std::fmt::{self, Display};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use wire::{Seq, StoreId};

use super::{BackupError, Time};
use crate::watermark::Watermark;

/// The manifest's file in a backup.
pub const MANIFEST: &str = "backup.manifest";
/// Bytes of a manifest that are read at most: 100,000 files and more.
pub(super) const MANIFEST_LEN_MAX: u64 = 16 * 1024 * 1024;

const FIRST_WORDS: &str = "fastchat backup ";
const FORMAT_VERSION: u32 = 1;

/// The moment that a backup is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// What was accepted before is in it.
    pub began: Time,
    /// How far the store had come then, at least.
    pub before: Watermark,
}

/// What a backup holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    /// What was accepted before is in it.
    pub began: Time,
    /// How far its store had come.
    pub holds: Watermark,
    /// Its files, by name.
    pub(super) files: Vec<FileEntry>,
}

/// One file of a backup.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) len: u64,
    pub(super) hash: [u8; 32],
}

impl Manifest {
    /// How many files the store has.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Bytes of the store's files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.len))
    }

    pub(super) fn encode(&self) -> String {
        let Watermark { store, store_epoch, sequence } = self.holds;
        let mut text = format!(
            "{FIRST_WORDS}{FORMAT_VERSION}\nstore {}\nepoch {store_epoch}\nsequence {sequence}\n\
             began {}\n",
            hex(&store.0),
            self.began
        );
        for FileEntry { name, len, hash } in &self.files {
            writeln!(text, "file {} {len} {name}", hex(hash)).expect("a string takes all");
        }
        let end = hex(&hash(text.as_bytes()));
        text + "end " + &end + "\n"
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BackupError> {
        let text = std::str::from_utf8(bytes).map_err(|_| BackupError::Manifest("no text"))?;
        check_format(text)?;
        let lines = whole(text).ok_or(BackupError::Manifest("cut off or altered"))?;
        fields(lines).ok_or(BackupError::Manifest("not as this program writes it"))
    }
}

/// One line: when, and how far the store had come.
impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Watermark { store, store_epoch, sequence } = self.before;
        write!(f, "{} {} {store_epoch} {sequence}", self.began, hex(&store.0))
    }
}

/// That line is not one.
impl FromStr for Moment {
    type Err = BackupError;

    fn from_str(line: &str) -> Result<Self, BackupError> {
        let words: Vec<&str> = line.split(' ').collect();
        let moment = || match words[..] {
            [began, store, epoch, sequence] => Some(Self {
                began: began.parse().ok()?,
                before: watermark(store, epoch, sequence)?,
            }),
            _ => None,
        };
        moment().ok_or(BackupError::Manifest("not a moment"))
    }
}

fn check_format(text: &str) -> Result<(), BackupError> {
    let first = text.lines().next().and_then(|line| line.strip_prefix(FIRST_WORDS));
    match first.map(str::parse) {
        Some(Ok(FORMAT_VERSION)) => Ok(()),
        Some(Ok(found)) if found > FORMAT_VERSION => Err(BackupError::Newer(found)),
        _ => Err(BackupError::Manifest("it does not begin like one")),
    }
}

/// What stands before the last line, if that is its hash.
fn whole(text: &str) -> Option<&str> {
    let (lines, end) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let lines = text.get(..=lines.len())?;
    (end.strip_prefix("end ")? == hex(&hash(lines.as_bytes()))).then_some(lines)
}

fn fields(text: &str) -> Option<Manifest> {
    let mut lines = text.lines().skip(1);
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let (store, epoch, sequence) = (field("store")?, field("epoch")?, field("sequence")?);
    let holds = watermark(store, epoch, sequence)?;
    let began = field("began")?.parse().ok()?;
    let files = lines.map(file).collect::<Option<Vec<_>>>()?;
    let is_rising = files.is_sorted_by(|one, next| one.name < next.name);
    (is_rising && !files.is_empty()).then_some(Manifest { began, holds, files })
}

fn file(line: &str) -> Option<FileEntry> {
    let (hash, rest) = line.strip_prefix("file ")?.split_once(' ')?;
    let (len, name) = rest.split_once(' ')?;
    let entry = FileEntry { name: name.to_owned(), len: len.parse().ok()?, hash: bytes(hash)? };
    is_plain(name).then_some(entry)
}

/// A file's name that leads out of no folder.
pub(super) fn is_plain(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_usual)
}

fn watermark(store: &str, epoch: &str, sequence: &str) -> Option<Watermark> {
    let store = StoreId(bytes(store)?);
    let store_epoch = epoch.parse().ok().filter(|epoch| *epoch <= Seq::STORE_EPOCH_MAX)?;
    Some(Watermark { store, store_epoch, sequence: sequence.parse().ok()? })
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn bytes<const LEN: usize>(hex: &str) -> Option<[u8; LEN]> {
    let digits = hex.as_bytes();
    let is_lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 2 * LEN || !is_lower {
        return None;
    }
    let mut out = [0; LEN];
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{BackupError, FileEntry, Manifest, Moment, StoreId, Watermark, hash, hex};

    fn manifest() -> Manifest {
        let store = StoreId([0x0f; 16]);
        let file = |name: &str| FileEntry { name: name.to_owned(), len: 7, hash: [0xa0; 32] };
        Manifest {
            began: "2026-01-02T03:04:05.5Z".parse().expect("a time"),
            holds: Watermark { store, store_epoch: 3, sequence: 120 },
            files: vec![file("000012.sst"), file("CURRENT")],
        }
    }

    /// `text` with an end that fits.
    fn ended(text: &str) -> Vec<u8> {
        format!("{text}end {}\n", hex(&hash(text.as_bytes()))).into_bytes()
    }

    fn lines() -> String {
        let text = manifest().encode();
        text.split_inclusive('\n').filter(|line| !line.starts_with("end ")).collect()
    }

    #[test]
    fn format_1_stays_as_it_is() {
        let (store, hash) = ("0f".repeat(16), "a0".repeat(32));
        let lines = format!(
            "fastchat backup 1\nstore {store}\nepoch 3\nsequence 120\n\
             began 2026-01-02T03:04:05.5Z\nfile {hash} 7 000012.sst\nfile {hash} 7 CURRENT\n"
        );
        assert_eq!(manifest().encode().into_bytes(), ended(&lines));
        assert_eq!(Manifest::decode(&ended(&lines)).expect("whole"), manifest());
    }

    #[test]
    fn cut_or_altered_is_refused() {
        let whole = manifest().encode().into_bytes();
        for at in 0..whole.len() {
            Manifest::decode(&whole[..at]).expect_err("it is cut");
            let mut altered = whole.clone();
            altered[at] ^= 1;
            Manifest::decode(&altered).expect_err("it is altered");
        }
        Manifest::decode(&[&whole[..], b"\n"].concat()).expect_err("it is longer");
    }

    #[test]
    fn newer_format_is_refused_whatever_follows() {
        let newer = Manifest::decode(b"fastchat backup 2\nwhatever");
        assert!(matches!(newer, Err(BackupError::Newer(2))), "{newer:?}");
    }

    #[test]
    fn what_no_program_writes_is_refused() {
        let lines = lines();
        for (from, to) in [
            ("CURRENT", "../CURRENT"),
            ("CURRENT", "/CURRENT"),
            ("CURRENT", ".."),
            ("CURRENT", "000012.sst"),
            ("epoch 3", "epoch 16777216"),
            ("sequence 120", "sequence -1"),
            ("store 0f", "store 0F"),
            (" 7 CURRENT", " 18446744073709551616 CURRENT"),
            ("began 2026", "began then"),
        ] {
            let altered = lines.replacen(from, to, 1);
            assert_ne!(altered, lines);
            Manifest::decode(&ended(&altered)).expect_err(to);
        }
    }

    #[test]
    fn a_moment_is_read_back() {
        let Manifest { began, holds: before, .. } = manifest();
        let moment = Moment { began, before };
        assert_eq!(moment.to_string().parse::<Moment>().expect("it is one"), moment);
        for wrong in ["", "now", "2026-01-02T03:04:05.5Z 0f 3 120"] {
            wrong.parse::<Moment>().expect_err(wrong);
        }
    }
}
