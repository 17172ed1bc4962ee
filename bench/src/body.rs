//! Bodies: random bytes that say whose post they are, so that a reader can check each one without
//! remembering any. The same lane and number always give the same bytes, as a resend must.

use byteorder::{BigEndian, ByteOrder};
use bytes::{BufMut, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wire::message::Body;

/// Bytes that carry the identity: mark, lane, number.
pub const BODY_LEN_MIN: usize = 16;

const MARK: [u8; 4] = *b"FCB1";
/// Places in the pool where a body's random part may begin.
const PLACES: u64 = 1 << 16;

/// Makes and checks the bodies of one run.
pub struct Bodies {
    pool: Vec<u8>,
    fill_len: usize,
}

/// Whose post a body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The index of its lane.
    pub lane: u32,
    /// The post's number.
    pub number: u64,
}

/// Layout: mark `FCB1`, lane `u32`, number `u64`, random bytes.
impl Bodies {
    /// Bodies of `body_len` bytes.
    ///
    /// # Panics
    /// When `body_len` is below [`BODY_LEN_MIN`]: the plan has checked it.
    #[must_use]
    pub fn new(seed: u64, body_len: usize) -> Self {
        assert!(body_len >= BODY_LEN_MIN, "a body of {body_len} bytes");
        let fill_len = body_len - BODY_LEN_MIN;
        let places = usize::try_from(PLACES).expect("65,536 fits");
        let mut pool = vec![0; places + fill_len];
        StdRng::seed_from_u64(seed).fill_bytes(&mut pool);
        Self { pool, fill_len }
    }

    /// The body of one post.
    #[must_use]
    pub fn compose(&self, identity: Identity) -> Body {
        let mut bytes = BytesMut::with_capacity(BODY_LEN_MIN + self.fill_len);
        bytes.put_slice(&MARK);
        bytes.put_u32(identity.lane);
        bytes.put_u64(identity.number);
        bytes.put_slice(self.fill(identity));
        Body::new(bytes.freeze()).expect("the plan keeps it within BODY_LEN_MAX")
    }

    /// Whose post `bytes` are; `None` when they are not exactly as composed.
    #[must_use]
    pub fn identify(&self, bytes: &[u8]) -> Option<Identity> {
        let (head, fill) = bytes.split_first_chunk::<BODY_LEN_MIN>()?;
        let identity = Identity {
            lane: BigEndian::read_u32(&head[4..8]),
            number: BigEndian::read_u64(&head[8..16]),
        };
        let whole = head[..4] == MARK && fill == self.fill(identity);
        whole.then_some(identity)
    }

    fn fill(&self, Identity { lane, number }: Identity) -> &[u8] {
        let place = number.wrapping_mul(40_503).wrapping_add(u64::from(lane) * 9_973) % PLACES;
        let place = usize::try_from(place).expect("below PLACES");
        &self.pool[place..place + self.fill_len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Identity = Identity { lane: 3, number: 9 };

    #[test]
    fn a_body_says_whose_it_is() {
        let bodies = Bodies::new(1, 200);
        let body = bodies.compose(ONE);
        assert_eq!(body.bytes().len(), 200);
        assert_eq!(bodies.identify(body.bytes()), Some(ONE));
        assert_eq!(body, Bodies::new(1, 200).compose(ONE), "a resend is equal");
    }

    #[test]
    fn a_changed_or_cut_body_is_nobodys() {
        let bodies = Bodies::new(1, 40);
        let good = bodies.compose(ONE).into_bytes();
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert_ne!(bodies.identify(&bad), Some(ONE), "byte {at}");
        }
        for len in 0..good.len() {
            assert_eq!(bodies.identify(&good[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn the_smallest_body_is_all_identity() {
        let bodies = Bodies::new(1, BODY_LEN_MIN);
        assert_eq!(bodies.identify(bodies.compose(ONE).bytes()), Some(ONE));
    }
}
