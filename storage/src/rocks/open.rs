//! Opening: make or recognise the store, refuse what is not ours or not whole, raise the epoch.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;
use rocksdb::{DB, DEFAULT_COLUMN_FAMILY_NAME, ErrorKind, IteratorMode, Options, ReadOptions};
use wire::StoreId;

use super::options::{self, Sizing};
use super::tables::{Tables, failed};
use super::watermark_file::{ReadError, WatermarkFile, WatermarkPath};
use crate::error::StorageError;
use crate::identity;
use crate::image::{Image, Writes};
use crate::key::{Family, SEQUENCE, STORE};
use crate::op::Opened;
use crate::watermark::{self, Watermark};

/// A store that may be served.
pub(super) struct OpenStore {
    pub(super) tables: Tables,
    pub(super) opened: Opened,
    pub(super) watermark: WatermarkFile,
}

/// Opens the store at `path`; its new epoch, and a watermark that names it, are durable when this
/// returns.
pub(super) fn open(path: &Path, sizing: &Sizing) -> Result<OpenStore, StorageError> {
    make_folder(path)?;
    let Look { beside, known, .. } = look(path)?;
    let tables = tables(path, sizing)?;
    let before = recognised(&tables, path)?;
    let watermark = match known {
        Some(_) => beside.open()?,
        None => beside.make(tables.watermark()?)?,
    };
    served(tables, identity::raised(before)?, watermark)
}

/// What a look at a store found that may be served.
pub(super) struct Look {
    beside: WatermarkPath,
    known: Option<Watermark>,
    /// What the store holds, if one was made.
    pub(super) found: Option<Watermark>,
}

/// Looks at the store at `path`, and changes nothing.
pub(super) fn look(path: &Path) -> Result<Look, StorageError> {
    let beside = WatermarkPath::beside(path)?;
    let known = beside.read().map_err(refused(path))?;
    let found = check_folder(path)?;
    watermark::check(found, known).map_err(|breach| refused(path)(ReadError::Breach(breach)))?;
    Ok(Look { beside, known, found })
}

/// Takes the store at `path` for what it is, whatever its watermark says: the epoch rises above
/// all that may have been served.
pub(super) fn restore(path: &Path) -> Result<OpenStore, StorageError> {
    let is_there = path.exists();
    let beside = WatermarkPath::beside(path)?;
    let known = match beside.read() {
        Ok(known) => known,
        Err(ReadError::Breach(_)) => None,
        Err(ReadError::Failed(error)) => return Err(error),
    };
    if !is_there && known.is_none() {
        return Err(StorageError::NoStore(path.to_owned()));
    }
    make_folder(path)?;
    let (tables, opened) = take(path, known)?;
    let watermark = beside.make(tables.watermark()?)?;
    tracing::warn!(epoch = opened.store_epoch, "store taken as it is");
    Ok(OpenStore { tables, opened, watermark })
}

/// Opens the store in the folder `path` and raises its epoch, durably, above all that may have been
/// served by it and by the one of which `known` is known.
pub(super) fn take(
    path: &Path,
    known: Option<Watermark>,
) -> Result<(Tables, Opened), StorageError> {
    check_folder(path)?;
    let tables = tables(path, &Sizing::standard())?;
    let opened = identity::restored(recognised(&tables, path)?, known)?;
    raise(&tables, opened)?;
    Ok((tables, opened))
}

/// Opens the database, which replays its write-ahead log.
pub(super) fn tables(path: &Path, sizing: &Sizing) -> Result<Tables, StorageError> {
    let families = options::families(sizing);
    let db = DB::open_cf_descriptors(&options::database(sizing), path, families);
    Tables::new(db.map_err(|error| not_opened(path, error))?)
}

fn served(
    tables: Tables,
    opened: Opened,
    mut watermark: WatermarkFile,
) -> Result<OpenStore, StorageError> {
    raise(&tables, opened)?;
    watermark.raise(tables.watermark()?)?;
    tracing::info!(epoch = opened.store_epoch, "store opened");
    Ok(OpenStore { tables, opened, watermark })
}

/// Makes `opened` the store's identity, durably.
fn raise(tables: &Tables, opened: Opened) -> Result<(), StorageError> {
    let mut writes = tables.writes();
    writes.put(Family::Meta, STORE, &identity::encode(opened));
    tables.commit(writes)
}

fn refused(path: &Path) -> impl Fn(ReadError) -> StorageError {
    move |error| match error {
        ReadError::Breach(breach) => StorageError::Refused { path: path.to_owned(), breach },
        ReadError::Failed(error) => error,
    }
}

/// Refuses what opening would harm: another program's database, a newer store, a store whose
/// beginning is lost (RocksDB would begin anew and delete the rest). Gives what a store that was
/// made holds.
fn check_folder(path: &Path) -> Result<Option<Watermark>, StorageError> {
    if !path.join("CURRENT").exists() {
        check_new_folder(path)?;
        return Ok(None);
    }
    let families = DB::list_cf(&Options::default(), path).map_err(failed("list the families"))?;
    let is_known = |name: &String| {
        name == DEFAULT_COLUMN_FAMILY_NAME || Family::ALL.iter().any(|f| f.name() == name)
    };
    if families == [DEFAULT_COLUMN_FAMILY_NAME] && !is_default_empty(path)? {
        return Err(StorageError::NotAStore(path.to_owned()));
    }
    if let Some(unknown) = families.iter().find(|name| !is_known(name)) {
        return Err(StorageError::UnknownFamily(unknown.clone()));
    }
    if families.iter().any(|name| name == Family::Meta.name()) { found(path) } else { Ok(None) }
}

/// What the store in the folder `path` holds; [`StorageError`] when that is none of ours.
pub(super) fn found_in(path: &Path) -> Result<Option<Watermark>, StorageError> {
    check_folder(path)
}

/// Reads every record of the database in the folder `path`, with the checksum of each block and
/// each separate value. Says how many bytes each record has. Changes nothing.
pub(super) fn read_all(
    path: &Path,
    options: &Options,
    hear: &mut dyn FnMut(u64),
) -> Result<(), StorageError> {
    let families = DB::list_cf(options, path).map_err(failed("list the families"))?;
    let db = DB::open_cf_for_read_only(options, path, &families, false)
        .map_err(failed("look into the database"))?;
    for name in &families {
        let family = db.cf_handle(name).expect("it was opened");
        let mut reading = ReadOptions::default();
        reading.set_verify_checksums(true);
        reading.fill_cache(false);
        let mut pairs = db.raw_iterator_cf_opt(family, reading);
        pairs.seek_to_first();
        while let Some((key, value)) = pairs.item() {
            hear(u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX));
            pairs.next();
        }
        pairs.status().map_err(failed("read the whole database"))?;
    }
    Ok(())
}

/// What the store holds, without opening it for writing: that would make files that are missing
/// now, and could still be put back, useless.
fn found(path: &Path) -> Result<Option<Watermark>, StorageError> {
    let families = [DEFAULT_COLUMN_FAMILY_NAME, Family::Meta.name()];
    let db = DB::open_cf_for_read_only(&options::reading(), path, families, false)
        .map_err(failed("look into the database"))?;
    let meta = db.cf_handle(Family::Meta.name()).expect("it was opened");
    let record = db.get_cf(meta, STORE).map_err(failed("read who the store is"))?;
    let Some(record) = record else {
        return Ok(None);
    };
    let opened = identity::decode(path, record.into())?;
    let sequence = db.get_cf(meta, SEQUENCE).map_err(failed("read how far the store is"))?;
    let sequence = watermark::decode_sequence(sequence.map(Into::into))?;
    Ok(Some(watermark::of(opened, sequence)))
}

fn check_new_folder(path: &Path) -> Result<(), StorageError> {
    let doing = "look into the store's folder";
    for file in fs::read_dir(path).map_err(|error| folder_failed(doing, &error))? {
        let file = file.map_err(|error| folder_failed(doing, &error))?.path();
        if file.extension().is_some_and(|kind| kind == "sst" || kind == "log" || kind == "blob") {
            return Err(StorageError::CurrentMissing(path.to_owned()));
        }
    }
    Ok(())
}

/// A store whose making was interrupted has only the default family, which is empty.
fn is_default_empty(path: &Path) -> Result<bool, StorageError> {
    let doing = "look into the database";
    let db = DB::open_for_read_only(&Options::default(), path, false).map_err(failed(doing))?;
    match db.iterator(IteratorMode::Start).next() {
        None => Ok(true),
        Some(Ok(_)) => Ok(false),
        Some(Err(error)) => Err(failed(doing)(error)),
    }
}

/// RocksDB has no kind of its own for a lock that another holds; these are its words.
fn not_opened(path: &Path, error: rocksdb::Error) -> StorageError {
    let text = error.as_ref();
    let is_held = text.contains("While lock file") || text.contains("lock hold by current process");
    if error.kind() == ErrorKind::IOError && is_held {
        return StorageError::InUse(path.to_owned());
    }
    failed("open the database")(error)
}

/// Who the store is; a new identity when it holds nothing at all. A store that holds records but
/// no identity is left alone.
fn recognised(tables: &Tables, path: &Path) -> Result<Opened, StorageError> {
    let view = tables.view();
    if let Some(record) = view.get(Family::Meta, STORE)? {
        return identity::decode(path, record);
    }
    let mut is_empty = true;
    for family in Family::ALL {
        view.scan(family, &[], &[0xff], &mut |_, _| {
            is_empty = false;
            Ok(ControlFlow::Break(()))
        })?;
    }
    if !is_empty {
        return Err(StorageError::NotAStore(path.to_owned()));
    }
    let made = identity::made(drawn_id()?);
    raise(tables, made)?;
    Ok(made)
}

fn drawn_id() -> Result<StoreId, StorageError> {
    let mut id = [0; 16];
    SysRng.try_fill_bytes(&mut id).map_err(|error| StorageError::Engine {
        doing: "draw the store's id",
        cause: error.to_string(),
    })?;
    Ok(StoreId(id))
}

/// Makes the folder and what leads to it, and syncs each in the folder that names it: a store whose
/// folder the disk forgets is lost with everything that was synced inside.
fn make_folder(path: &Path) -> Result<(), StorageError> {
    let missing: Vec<_> = path.ancestors().filter(|folder| !exists(folder)).collect();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let synced = made.and_then(|()| missing.into_iter().try_for_each(sync_entry));
    synced.map_err(|error| folder_failed("make the store's folder", &error))
}

fn exists(folder: &Path) -> bool {
    folder.as_os_str().is_empty() || folder.exists()
}

pub(super) fn sync_entry(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn folder_failed(doing: &'static str, error: &io::Error) -> StorageError {
    let cause = error.to_string();
    StorageError::Engine { doing, cause }
}
