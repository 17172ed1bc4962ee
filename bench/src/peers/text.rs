//! Posts as text: bodies that chat protocols of lines and of XML carry unchanged, and that say
//! whose they are, so that a reader can check each one without remembering any.

use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Bytes of every post.
pub const TEXT_LEN: usize = 200;

const MARK: &str = "FCB1";
const USER_LEN: usize = 8;
const NUMBER_LEN: usize = 16;
const HEAD_LEN: usize = MARK.len() + USER_LEN + NUMBER_LEN;
const FILL_LEN: usize = TEXT_LEN - HEAD_LEN;
/// Letters that no protocol here gives a meaning.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Places in the pool where a text's random part may begin.
const PLACES: u64 = 1 << 16;

/// Whose post a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The writing user's index.
    pub user: u32,
    /// The post's number, from 1 on.
    pub number: u64,
}

/// Makes and checks the texts of one run.
pub struct Texts {
    pool: Vec<u8>,
}

/// Layout: mark `FCB1`, user and number as hexadecimal digits, random letters.
impl Texts {
    /// Texts with random letters that `seed` decides.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let places = usize::try_from(PLACES).expect("65,536 fits");
        let mut pool = vec![0; places + FILL_LEN];
        StdRng::seed_from_u64(seed).fill_bytes(&mut pool);
        for byte in &mut pool {
            *byte = LETTERS[usize::from(*byte) % LETTERS.len()];
        }
        Self { pool }
    }

    /// The text of one post.
    #[must_use]
    pub fn compose(&self, identity: Identity) -> Vec<u8> {
        let mut head = String::with_capacity(TEXT_LEN);
        let Identity { user, number } = identity;
        write!(head, "{MARK}{user:08x}{number:016x}").expect("a string takes all");
        let mut text = head.into_bytes();
        text.extend_from_slice(self.fill(identity));
        text
    }

    /// Whose post `text` is; `None` when it is not exactly as composed.
    #[must_use]
    pub fn identify(&self, text: &[u8]) -> Option<Identity> {
        let (head, fill) = text.split_at_checked(HEAD_LEN)?;
        let rest = head.strip_prefix(MARK.as_bytes())?;
        let (user, number) = rest.split_at_checked(USER_LEN)?;
        let user = u32::try_from(hexadecimal(user)?).ok()?;
        let identity = Identity { user, number: hexadecimal(number)? };
        (fill == self.fill(identity)).then_some(identity)
    }

    fn fill(&self, Identity { user, number }: Identity) -> &[u8] {
        let place = number.wrapping_mul(40_503).wrapping_add(u64::from(user) * 9_973) % PLACES;
        let place = usize::try_from(place).expect("below PLACES");
        &self.pool[place..place + FILL_LEN]
    }
}

/// At most 16 digits, in lower case: no two texts name the same post.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Identity = Identity { user: 3, number: 9 };

    #[test]
    fn a_text_says_whose_it_is_in_letters() {
        let text = Texts::new(1).compose(ONE);
        assert_eq!(text.len(), TEXT_LEN);
        assert_eq!(Texts::new(1).identify(&text), Some(ONE));
        assert!(text.iter().all(|byte| LETTERS.contains(byte)));
        let far = Identity { user: u32::MAX, number: u64::MAX };
        assert_eq!(Texts::new(1).identify(&Texts::new(1).compose(far)), Some(far));
    }

    #[test]
    fn a_changed_or_cut_text_is_nobodys() {
        let texts = Texts::new(1);
        let good = texts.compose(ONE);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_ne!(texts.identify(&bad), Some(ONE), "byte {at}");
            assert_eq!(texts.identify(&good[..at]), None, "{at} bytes");
        }
    }
}
