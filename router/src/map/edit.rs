//! Changes of a map: each reads the map, checks that it is the newest made here, signs the next
//! version, and writes it whole.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use wire::limits::{SERVERS_MAX, SLOTS};
use wire::{OperatorKey, ServerId, SignedMap, Slot, SlotMap, StoreId};

use super::args::{AddArgs, ForgetArgs, InitArgs, MoveArgs, RemoveArgs, ReplaceArgs};
use super::error::EditError;
use crate::cluster::{ClusterDir, ClusterError};
use crate::core::homes::{ChangeError, add_server, forget_server, move_slots, remove_server};
use crate::files::{self, FileError, PUBLIC};

/// Makes a cluster's files, or what is missing of them.
pub(super) fn init(args: &InitArgs) -> Result<String, EditError> {
    let servers = number(args.servers)?;
    if usize::from(servers.0) > SERVERS_MAX {
        return Err(EditError::TooMany);
    }
    let cluster = ClusterDir::new(&args.cluster);
    files::create_dir(&args.cluster)?;
    let _lock = lock(&args.cluster)?;
    let listed = cluster.prepare_map(servers.0)?.map().servers();
    if listed.len() != usize::from(servers.0) {
        let (wanted, found) = (usize::from(servers.0), listed.len());
        return Err(EditError::Size { cluster: args.cluster.clone(), wanted, found });
    }
    cluster.prepare_identities(&listed, args.routers)?;
    let dir = args.cluster.display();
    let mut text = format!("{dir} holds a cluster of {} servers\n", listed.len());
    let shared = "ca.pem, operator.pub, map";
    writeln!(text, "next: copy to each server N {shared}, opaque.setup and server-N,")?;
    writeln!(text, "      and to each router N {shared} and router-N;")?;
    writeln!(text, "      keep ca.key and operator.key here, where nobody else reads them")?;
    Ok(text)
}

/// Adds servers, each with its even part.
pub(super) fn add(args: &AddArgs) -> Result<String, EditError> {
    let first = number(args.server)?.0;
    let last = args.count.checked_sub(1).and_then(|more| first.checked_add(more));
    let comers = first..=last.ok_or(EditError::Count)?;
    let workshop = Workshop::open(&args.cluster)?;
    let mut maps = vec![workshop.map.clone()];
    for server in comers.clone().map(ServerId) {
        let before = maps.last().expect("the map of now");
        let after = add_server(before.map(), server)?;
        maps.push(before.follow(after, &workshop.operator));
    }
    let servers: Vec<ServerId> = comers.map(ServerId).collect();
    workshop.cluster.certify(&servers)?;
    let mut text = workshop.write(&maps[1..])?;
    for server in servers {
        let slots = slots_of(maps.last().expect("at least one").map(), server);
        writeln!(text, "{server} owns {slots} of {SLOTS} slots; no slot moves but to it")?;
        writeln!(text, "next: copy {server}, ca.pem, operator.pub, map and opaque.setup to it")?;
    }
    Ok(text + &workshop.next_step())
}

/// Takes a server's slots away.
pub(super) fn remove(args: &RemoveArgs) -> Result<String, EditError> {
    let server = number(args.server)?;
    let workshop = Workshop::open(&args.cluster)?;
    let given = slots_of(workshop.map.map(), server);
    let mut text = workshop.follow(remove_server(workshop.map.map(), server)?)?;
    writeln!(text, "{server} owns no slot; the others own its {given}")?;
    let then = "keep it running until its slots have moved, then";
    let dir = args.cluster.display();
    let number = args.server;
    writeln!(text, "next: {then} run map forget --cluster {dir} --server {number}")?;
    Ok(text + &workshop.next_step())
}

/// Takes a server out of the list.
pub(super) fn forget(args: &ForgetArgs) -> Result<String, EditError> {
    let server = number(args.server)?;
    let workshop = Workshop::open(&args.cluster)?;
    if workshop.map.map().owners().contains(&server) {
        return Err(EditError::StillOwns(server));
    }
    let mut text = workshop.follow(forget_server(workshop.map.map(), server)?)?;
    writeln!(text, "{server} is no server of the map; its certificate still is one of this CA")?;
    Ok(text + &workshop.next_step())
}

/// Accepts another store.
pub(super) fn replace(args: &ReplaceArgs) -> Result<String, EditError> {
    let server = number(args.server)?;
    let store = args.store.as_deref().map(store).transpose()?;
    let workshop = Workshop::open(&args.cluster)?;
    if workshop.map.map().member(server).is_none() {
        return Err(ChangeError::NotThere(server).into());
    }
    let mut text = workshop.follow(workshop.map.map().with_store(server, store))?;
    match store {
        Some(store) => writeln!(text, "{server} has the store {store}")?,
        None => writeln!(text, "{server} has whichever store it comes with next")?,
    }
    Ok(text + &workshop.next_step())
}

/// Gives slots to a server.
pub(super) fn move_to(args: &MoveArgs) -> Result<String, EditError> {
    let server = number(args.to)?;
    let slots = slots(&args.slots)?;
    let workshop = Workshop::open(&args.cluster)?;
    let before = workshop.map.map();
    let after = move_slots(before, slots, server)?;
    let moved = slots_of(&after, server) - slots_of(before, server);
    let mut text = workshop.follow(after)?;
    writeln!(text, "{server} owns {moved} slots more")?;
    Ok(text + &workshop.next_step())
}

/// The directory where a map is changed, held by one process at a time.
struct Workshop {
    cluster: ClusterDir,
    operator: OperatorKey,
    map: SignedMap,
    _lock: File,
}

impl Workshop {
    /// Reads the map, and checks that it is what was last made here.
    fn open(dir: &Path) -> Result<Self, EditError> {
        let cluster = ClusterDir::new(dir);
        let operator = cluster.operator()?;
        let lock = lock(dir)?;
        let map = cluster.read_map(&operator.public())?;
        let workshop = Self { cluster, operator, map, _lock: lock };
        workshop.check_chain()?;
        Ok(workshop)
    }

    /// The map is the newest of `maps`, and was made from the one before it there.
    fn check_chain(&self) -> Result<(), EditError> {
        let version = self.map.map().version();
        if let Some(newest) = self.newest()?
            && newest > version
        {
            return Err(EditError::Older { found: version, newest, copy: self.copy_of(newest) });
        }
        if let Some(same) = files::read_if_there(&self.copy_of(version))?
            && same[..] != self.map.bytes()[..]
        {
            return Err(EditError::Fork { version, copy: self.copy_of(version) });
        }
        if let Some(before) = version.checked_sub(1)
            && let Some(bytes) = files::read_if_there(&self.copy_of(before))?
        {
            let path = self.copy_of(before);
            let before = SignedMap::decode(bytes.into(), &self.operator.public());
            let before =
                before.map_err(|source| ClusterError::Map { path: path.clone(), source })?;
            if before.hash() != self.map.map().previous() {
                return Err(EditError::Fork { version, copy: path });
            }
        }
        Ok(())
    }

    fn newest(&self) -> Result<Option<u32>, EditError> {
        let names = files::names_in(&self.cluster.path().join("maps"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).max())
    }

    fn copy_of(&self, version: u32) -> PathBuf {
        self.cluster.path().join("maps").join(version.to_string())
    }

    fn follow(&self, after: SlotMap) -> Result<String, EditError> {
        self.write(&[self.map.follow(after, &self.operator)])
    }

    /// Writes the last of `maps`, and copies of all. The map first: a crash leaves out copies, and
    /// never a version that is newer than the map.
    fn write(&self, maps: &[SignedMap]) -> Result<String, EditError> {
        let last = maps.last().expect("a change makes a map");
        self.cluster.write_map(last)?;
        files::create_dir(&self.cluster.path().join("maps"))?;
        for map in [&self.map].into_iter().chain(maps) {
            let path = self.copy_of(map.map().version());
            if !files::is_there(&path)? {
                files::write_whole(&path, PUBLIC, map.bytes())?;
            }
        }
        let (from, to) = (self.map.map().version(), last.map().version());
        Ok(format!("the map went from version {from} to {to}, {}\n", last.hash()))
    }

    fn next_step(&self) -> String {
        let map = self.cluster.path().join("map");
        format!(
            "next: copy {} to the --cluster directory of every server and router, and send\n      \
             one of the servers SIGHUP: those that run tell each other\n",
            map.display()
        )
    }
}

fn lock(dir: &Path) -> Result<File, EditError> {
    let path = dir.join("map.lock");
    let file = File::create(&path).map_err(|error| FileError::new("create", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EditError::Locked(path)),
        Err(TryLockError::Error(error)) => Err(FileError::new("lock", &path, error).into()),
    }
}

fn number(server: u16) -> Result<ServerId, EditError> {
    if server == 0 { Err(EditError::Number) } else { Ok(ServerId(server)) }
}

fn slots_of(map: &SlotMap, server: ServerId) -> usize {
    Slot::all().filter(|slot| map.home(*slot) == server).count()
}

fn store(text: &str) -> Result<StoreId, EditError> {
    text.parse().map_err(|_| EditError::Store(text.to_owned()))
}

fn slots(text: &str) -> Result<RangeInclusive<Slot>, EditError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let slot = |text: &str| text.parse().ok().and_then(Slot::new);
    match (slot(first), slot(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(EditError::Slots(text.to_owned())),
    }
}
