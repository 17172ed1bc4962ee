//! A sealed cell opens only in its own place, under its own key.

use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::crypto::test_keys::rng;
use crate::crypto::vault::{MasterKey, Vault, VaultError};

fn vault(byte: u8) -> Vault {
    Vault::new(MasterKey::from_bytes(Zeroizing::new([byte; 32])))
}

#[test]
fn a_cell_opens_in_its_place_only() {
    let sealed = vault(1).seal("table.text", b"row", b"hello", &mut rng());
    let opened = vault(1).open("table.text", b"row", &sealed).expect("opens");
    assert_eq!(opened.as_slice(), b"hello");
    let refused = |cell| Err(VaultError { cell });
    assert_eq!(vault(1).open("table.key", b"row", &sealed), refused("table.key"));
    assert_eq!(vault(1).open("table.text", b"row2", &sealed), refused("table.text"));
    assert_eq!(vault(2).open("table.text", b"row", &sealed), refused("table.text"));
}

#[test]
fn sealing_twice_gives_other_bytes() {
    let mut rng = rng();
    let one = vault(1).seal("table.text", b"row", b"hello", &mut rng);
    assert_ne!(one, vault(1).seal("table.text", b"row", b"hello", &mut rng));
}

proptest! {
    #[test]
    fn a_flipped_bit_or_a_cut_is_refused(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let sealed = vault(1).seal("table.text", b"row", b"hello", &mut rng());
        let index = place.index(sealed.len());
        let mut flipped = sealed.clone();
        flipped[index] ^= 1 << bit;
        prop_assert!(vault(1).open("table.text", b"row", &flipped).is_err());
        prop_assert!(vault(1).open("table.text", b"row", &sealed[..index]).is_err());
    }
}
