//! What a map says, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wire::limits::SLOTS;
use wire::{LogId, MapFile, MapHash, Member, Name, ServerId, Slot, SlotMap};

use super::args::ShowArgs;
use super::error::EditError;
use crate::identity::read_map;

/// Shows the map of a directory.
pub(super) fn show(args: &ShowArgs) -> Result<String, EditError> {
    let file = read_map(&args.cluster)?;
    let map = file.map();
    let hash = match &file {
        MapFile::Signed(signed) => Some(signed.hash()),
        MapFile::Unsigned(_) => None,
    };
    if let Some(of) = &args.of {
        return home(map, of, args.json);
    }
    if args.json {
        return Ok(format!("{}\n", object(map, hash)));
    }
    text(map, hash)
}

/// Where one user or group is at home.
fn home(map: &SlotMap, of: &str, is_json: bool) -> Result<String, EditError> {
    let (name, log): (&str, fn(Name) -> LogId) = match of.strip_prefix('#') {
        Some(group) => (group, LogId::group),
        None => (of, LogId::mailbox),
    };
    let name = Name::parse(name).map_err(|error| EditError::Name(of.to_owned(), error))?;
    let slot = Slot::of(&log(name));
    let (server, epoch) = (map.home(slot), map.slot_epoch(slot));
    Ok(match is_json {
        true => {
            let home = json!({ "slot": slot.index(), "server": server.0, "epoch": epoch });
            format!("{home}\n")
        }
        false => format!("{server}, by slot {} of epoch {epoch}\n", slot.index()),
    })
}

/// A server's part of a map.
struct Share {
    server: ServerId,
    slots: usize,
    /// Slots that were its own in the first map.
    first: usize,
    store: Option<String>,
}

impl Share {
    fn of(map: &SlotMap, member: &Member) -> Self {
        let Member { server, store, .. } = *member;
        Self {
            server,
            slots: Slot::all().filter(|slot| map.home(*slot) == server).count(),
            first: Slot::all().filter(|slot| map.first_home(*slot) == server).count(),
            store: store.map(|store| store.to_string()),
        }
    }

    /// In hundredths of a percent.
    fn share(&self) -> usize {
        self.slots * 10_000 / SLOTS
    }
}

fn shares(map: &SlotMap) -> Vec<Share> {
    map.members().iter().map(|member| Share::of(map, member)).collect()
}

/// Slots whose home is not the first one, and how often the home of one has changed at most.
fn changes(map: &SlotMap) -> (usize, u32) {
    let elsewhere = Slot::all().filter(|slot| map.home(*slot) != map.first_home(*slot)).count();
    let epochs = Slot::all().map(|slot| map.slot_epoch(slot));
    (elsewhere, epochs.max().unwrap_or(0))
}

fn text(map: &SlotMap, hash: Option<MapHash>) -> Result<String, EditError> {
    let mut out = String::new();
    writeln!(out, "version   {}", map.version())?;
    match hash {
        Some(hash) => writeln!(out, "hash      {hash}")?,
        None => writeln!(out, "hash      none: nobody has signed this map")?,
    }
    if map.previous() != MapHash::NONE {
        writeln!(out, "previous  {}", map.previous())?;
    }
    let (elsewhere, epoch) = changes(map);
    writeln!(out, "slots     {SLOTS}; {elsewhere} not at their first home; highest epoch {epoch}")?;
    writeln!(out, "\nserver        slots    share    first  store")?;
    for share in shares(map) {
        let (whole, rest) = (share.share() / 100, share.share() % 100);
        let name = share.server.to_string();
        let store = share.store.as_deref().unwrap_or("any");
        let (slots, first) = (share.slots, share.first);
        writeln!(out, "{name:<12} {slots:>6} {whole:>4}.{rest:02} % {first:>8}  {store}")?;
    }
    Ok(out)
}

fn object(map: &SlotMap, hash: Option<MapHash>) -> Value {
    let server = |share: Share| {
        json!({
            "server": share.server.0,
            "slots": share.slots,
            "first_slots": share.first,
            "store": share.store,
        })
    };
    let servers: Vec<Value> = shares(map).into_iter().map(server).collect();
    let homes: Vec<u16> = Slot::all().map(|slot| map.home(slot).0).collect();
    let epochs: Vec<u32> = Slot::all().map(|slot| map.slot_epoch(slot)).collect();
    json!({
        "version": map.version(),
        "hash": hash.map(|hash| hash.to_string()),
        "previous": map.previous().to_string(),
        "servers": servers,
        "homes": homes,
        "epochs": epochs,
    })
}
