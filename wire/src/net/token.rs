//! What a mio token stands for: a slot, its generation, and what kind of owner the slot has.

use mio::Token;

use super::event::{ListenerId, SourceId};
use crate::id::ConnId;

/// Slots of one kind; the two bits above say which kind.
const INDEX_BITS: u32 = 30;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// Who is told about an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    Conn(ConnId),
    Listener(ListenerId),
    Source(SourceId),
    Waker,
}

impl Owner {
    pub(super) fn token(self) -> Token {
        let (tag, index, generation) = match self {
            Self::Conn(id) => (0, id.index, id.generation),
            Self::Listener(id) => (1, id.0, 0),
            Self::Source(id) => (2, id.index, id.generation),
            Self::Waker => (3, 0, 0),
        };
        assert!(index <= INDEX_MASK, "far fewer than 2^30 slots");
        let low = u64::from(tag << INDEX_BITS | index);
        let packed = u64::from(generation) << 32 | low;
        Token(usize::try_from(packed).expect("usize has 64 bits on every target"))
    }

    pub(super) fn of(token: Token) -> Self {
        let packed = u64::try_from(token.0).expect("usize has 64 bits on every target");
        let generation = u32::try_from(packed >> 32).expect("32 bits are left");
        let low = u32::try_from(packed & u64::from(u32::MAX)).expect("masked to 32 bits");
        let index = low & INDEX_MASK;
        match low >> INDEX_BITS {
            0 => Self::Conn(ConnId { index, generation }),
            1 => Self::Listener(ListenerId(index)),
            2 => Self::Source(SourceId { index, generation }),
            _ => Self::Waker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_owner_back() {
        let (index, generation) = (INDEX_MASK, u32::MAX);
        for owner in [
            Owner::Conn(ConnId { index, generation }),
            Owner::Conn(ConnId { index: 0, generation: 7 }),
            Owner::Listener(ListenerId(index)),
            Owner::Source(SourceId { index, generation }),
            Owner::Waker,
        ] {
            assert_eq!(Owner::of(owner.token()), owner);
        }
    }
}
