//! The one table of message kinds. Retired numbers stay here for ever.

use std::fmt;

/// The first byte of a frame: which message it is. Unknown kinds still print.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Kind(pub u8);

macro_rules! kinds {
    ($($code:literal $constant:ident;)*) => {
        impl Kind {
            $(
                #[doc = concat!("`", stringify!($constant), "`, see `docs/PROTOCOL.md`.")]
                pub const $constant: Self = Self($code);
            )*

            /// Every kind there is, in order.
            pub const ALL: &[Self] = &[$(Self::$constant),*];

            /// The name in the table, if the kind is known.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some(stringify!($constant)),)*
                    Self(_) => None,
                }
            }
        }
    };
}

kinds! {
    0x01 HELLO;
    0x02 READY;
    0x03 FAULT;
    0x04 PING;
    0x05 PONG;
    0x06 MAP_VERSION;
    0x07 FETCH_MAP;
    0x08 MAP_COPY;

    0x10 REDEEM;
    0x11 SIGN_UP_START;
    0x12 SIGN_UP_FINISH;
    0x13 SIGN_IN_START;
    0x14 SIGN_IN_FINISH;
    0x15 RESUME;
    0x16 SIGN_OUT;
    0x17 FETCH_BUNDLES;
    0x18 OPEN_LOG;
    0x19 CLOSE_LOG;
    0x1a POST;
    0x1b ATTACH;
    0x1c SEEN;
    0x1d GROUP_START;
    0x1e CHANGE_ROSTER;
    0x1f FETCH_ROSTER;
    0x20 PUT_GRANTS;
    0x21 FETCH_GRANT;
    0x22 NOTE_GROUP;
    0x23 LIST_GROUPS;
    0x24 BEGIN_BLOB;
    0x25 PUT_CHUNK;
    0x26 FETCH_CHUNK;
    0x27 FETCH_KEY_LOG;
    0x28 SHOWN;

    0x41 SIGN_UP_CHALLENGE;
    0x42 SIGN_IN_CHALLENGE;
    0x43 WELCOME;
    0x44 SESSION_ENDED;
    0x45 BUNDLES;
    0x46 LOG_OPENED;
    0x47 ACCEPTED;
    0x48 REFUSED;
    0x49 UNAVAILABLE;
    0x4a UP;
    0x4b DELIVER;
    0x4c CAUGHT_UP;
    0x4d GROUP_CHALLENGE;
    0x4e ROSTER_CHANGED;
    0x4f ROSTER;
    0x50 GRANTS_PUT;
    0x51 GRANT;
    0x52 GROUP_NOTED;
    0x53 GROUPS;
    0x54 BLOB_STATE;
    0x55 CHUNK;
    0x56 RECEIPT;

    0x80 ASK;
    0x81 ANSWER;
    0x82 PEER_POST;
    0x83 PEER_ACCEPTED;
    0x84 PEER_REFUSED;
    0x85 PEER_ATTACH;
    0x86 PEER_DETACH;
    0x87 PEER_SEEN;
    0x88 PEER_READ;
    0x89 PEER_RANGE;
    0x8a PEER_DELIVER;
    0x8b PROBE;
    0x8c PROBE_ANSWER;
    0x8d END_SESSION;
    0x8e SESSION_CLOSED;
    0x8f REGISTER_SESSION;
    0x90 ASK_AS;
    0x91 DISMISS;
    0x92 SESSION_REGISTERED;
    0x93 PEER_ANSWERED;
    0x94 PEER_SHOWN;
    0x95 PEER_RECEIPT;
    0x96 PEER_STORE;
    0xa0 PEER_SLOTS;
    0xa1 SLOTS_TOLD;
    0xa2 MOVE_BEGIN;
    0xa3 MOVE_READY;
    0xa4 MOVE_ROWS;
    0xa5 MOVE_TAKEN;
    0xa6 MOVE_SUM;
    0xa7 MOVE_SUMMED;
    0xa8 MOVE_END;

    0xc0 PLACE;
    0xc1 PLACED;
    0xc2 LIST_SERVERS;
    0xc3 SERVERS;
    0xd0 REPORT;
    0xd1 DIRECTORY;
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "kind {:#04x}", self.0),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
