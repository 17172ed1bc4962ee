//! Which map a server begins with: that of its file, or the one in its store.

use std::path::Path;

use bytes::Bytes;
use thiserror::Error;
use wire::{DecodeError, MapFile, ServerId, SignedMap, Slot, SlotMap};

/// Why neither map can be used.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum StoredMapError {
    /// The store holds a signed map, and the file is an unsigned one.
    #[error("this store has seen a map that was signed; copy operator.pub and the signed map")]
    Unsigned,
    /// The store's map is damaged.
    #[error("the map in the store: {0}")]
    Damaged(#[from] DecodeError),
    /// The file is of another cluster.
    #[error("the file is the map of another cluster than the one in the store")]
    OtherCluster,
    /// No map lists this server.
    #[error("the newest map does not list {0}; see fastchat-router map add")]
    NotListed(ServerId),
}

/// The map to begin with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Newest {
    /// The map.
    pub map: MapFile,
    /// The store holds it.
    pub is_stored: bool,
}

/// The newer of the map `file` at `path` and the map that `stored` is: the version never falls. An
/// older file is named in a warning, and ignored. Where another operator's key than the one that
/// signed the store's map has come, the file counts, if it is of the same cluster.
///
/// # Errors
/// [`StoredMapError`].
pub fn newest(
    me: ServerId,
    path: &Path,
    file: MapFile,
    stored: Option<Bytes>,
) -> Result<Newest, StoredMapError> {
    let newest = match (file, stored) {
        (MapFile::Unsigned(_), Some(_)) => return Err(StoredMapError::Unsigned),
        (file @ MapFile::Unsigned(_), None) => Newest { map: file, is_stored: true },
        (file @ MapFile::Signed(_), None) => Newest { map: file, is_stored: false },
        (MapFile::Signed(file), Some(stored)) => newer(path, file, stored)?,
    };
    match may_serve(newest.map.map(), me) {
        true => Ok(newest),
        false => Err(StoredMapError::NotListed(me)),
    }
}

/// Whether `map` has a place for `server`: it lists it, or gave it slots in the beginning, which
/// it may hold still.
#[must_use]
pub fn may_serve(map: &SlotMap, server: ServerId) -> bool {
    map.member(server).is_some() || map.is_first_home(server)
}

fn newer(path: &Path, file: SignedMap, stored: Bytes) -> Result<Newest, StoredMapError> {
    let (path, version) = (path.display(), file.map().version());
    let known = SignedMap::unchecked(&stored)?;
    if Slot::all().any(|slot| known.first_home(slot) != file.map().first_home(slot)) {
        return Err(StoredMapError::OtherCluster);
    }
    let Ok(known) = SignedMap::decode(stored, file.operator()) else {
        tracing::warn!(%path, version, "the operator's key is a new one; the map file counts");
        return Ok(Newest { map: MapFile::Signed(file), is_stored: false });
    };
    let stored = known.map().version();
    if stored < version {
        return Ok(Newest { map: MapFile::Signed(file), is_stored: false });
    }
    if stored > version {
        tracing::warn!(%path, version, stored, "the map file is older than the store's; ignored");
    } else if known.hash() != file.hash() {
        tracing::error!(%path, version, "the map file is not the store's of this version; ignored");
    }
    Ok(Newest { map: MapFile::Signed(known), is_stored: true })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use wire::limits::SLOTS;
    use wire::{MapFile, OperatorKey, ServerId, SignedMap, SlotMap};

    use super::{Newest, StoredMapError, newest};

    fn key(seed: u8) -> OperatorKey {
        OperatorKey::from_seed(&[seed; 32])
    }

    fn first(server: u16) -> SignedMap {
        SignedMap::first(SlotMap::new(1, vec![ServerId(server); SLOTS]), &key(1))
    }

    fn second() -> SignedMap {
        let homes = vec![ServerId(2); SLOTS];
        first(1).follow(first(1).map().with_server(ServerId(2), &homes), &key(1))
    }

    fn begun(file: &SignedMap, stored: Option<Bytes>) -> Result<(SignedMap, bool), StoredMapError> {
        let path = Path::new("map");
        let Newest { map, is_stored } =
            newest(ServerId(1), path, MapFile::Signed(file.clone()), stored)?;
        match map {
            MapFile::Signed(map) => Ok((map, is_stored)),
            MapFile::Unsigned(_) => panic!("it is signed"),
        }
    }

    #[test]
    fn the_newer_of_file_and_store_counts() {
        let (old, new) = (first(1), second());
        assert_eq!(begun(&old, None), Ok((old.clone(), false)));
        assert_eq!(begun(&new, Some(old.bytes().clone())), Ok((new.clone(), false)));
        assert_eq!(begun(&old, Some(new.bytes().clone())), Ok((new.clone(), true)));
        assert_eq!(begun(&new, Some(new.bytes().clone())), Ok((new.clone(), true)));
    }

    #[test]
    fn a_map_of_the_same_version_does_not_take_the_place_of_the_stores() {
        let other = first(1).follow(first(1).map().with_store(ServerId(1), None), &key(1));
        assert_eq!(begun(&other, Some(second().bytes().clone())), Ok((second(), true)));
    }

    #[test]
    fn another_operator_of_the_same_cluster_counts_and_another_cluster_does_not() {
        let anew = SignedMap::first(SlotMap::new(1, vec![ServerId(1); SLOTS]), &key(2));
        assert_eq!(begun(&anew, Some(second().bytes().clone())), Ok((anew, false)));
        let refused = begun(&first(3), Some(second().bytes().clone()));
        assert_eq!(refused, Err(StoredMapError::OtherCluster));
    }

    #[test]
    fn what_cannot_be_begun_with_is_refused() {
        let path = Path::new("map");
        let stored = Some(second().bytes().clone());
        let unsigned = MapFile::Unsigned(first(1).map().clone());
        let refused = newest(ServerId(1), path, unsigned, stored.clone());
        assert_eq!(refused, Err(StoredMapError::Unsigned));
        let damaged = stored.map(|bytes| bytes.slice(..bytes.len() - 100));
        assert!(matches!(begun(&second(), damaged), Err(StoredMapError::Damaged(_))));
        let file = MapFile::Signed(first(1));
        let refused = newest(ServerId(9), path, file, None);
        assert_eq!(refused, Err(StoredMapError::NotListed(ServerId(9))));
    }
}
