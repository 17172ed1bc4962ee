//! Opening: make or recognise the store, refuse what is not ours, raise the epoch.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;
use rocksdb::{DB, DEFAULT_COLUMN_FAMILY_NAME, ErrorKind, IteratorMode, Options};
use wire::StoreId;

use super::options;
use super::tables::{Tables, failed};
use crate::error::StorageError;
use crate::identity;
use crate::image::{Image, Writes};
use crate::key::{Family, STORE};
use crate::op::Opened;

/// Opens the store at `path`; its new epoch is durable when this returns.
pub(super) fn open(path: &Path) -> Result<(Tables, Opened), StorageError> {
    make_folder(path)?;
    check_folder(path)?;
    let db = DB::open_cf_descriptors(&options::database(), path, options::families())
        .map_err(|error| not_opened(path, error))?;
    let tables = Tables::new(db);
    let opened = identity::raised(recognised(&tables, path)?)?;
    let mut writes = tables.writes();
    writes.put(Family::Meta, STORE, &identity::encode(opened));
    tables.commit(writes)?;
    tracing::info!(epoch = opened.store_epoch, "store opened");
    Ok((tables, opened))
}

/// Refuses what opening would harm: another program's database, a newer store, a store whose
/// beginning is lost (RocksDB would begin anew and delete the rest).
fn check_folder(path: &Path) -> Result<(), StorageError> {
    if !path.join("CURRENT").exists() {
        return check_new_folder(path);
    }
    let families = DB::list_cf(&Options::default(), path).map_err(failed("list the families"))?;
    let is_known = |name: &String| {
        name == DEFAULT_COLUMN_FAMILY_NAME || Family::ALL.iter().any(|f| f.name() == name)
    };
    if families == [DEFAULT_COLUMN_FAMILY_NAME] && !is_default_empty(path)? {
        return Err(StorageError::NotAStore(path.to_owned()));
    }
    match families.into_iter().find(|name| !is_known(name)) {
        Some(unknown) => Err(StorageError::UnknownFamily(unknown)),
        None => Ok(()),
    }
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
    Ok(identity::made(drawn_id()?))
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

fn sync_entry(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn folder_failed(doing: &'static str, error: &io::Error) -> StorageError {
    let cause = error.to_string();
    StorageError::Engine { doing, cause }
}
