//! The OPAQUE suite of protocol version 1 (RFC 9807): ristretto255, SHA-512, 3DH, Argon2id.
//!
//! The stretching runs on the client alone; its parameters are fixed per protocol version, because
//! other parameters give another password file.

use argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::{CipherSuite, Ristretto255, TripleDh};

use crate::name::Name;

/// Memory of the stretching in KiB: 64 MiB, the second choice of RFC 9106.
pub const STRETCH_MEMORY_KIB: u32 = 64 * 1024;
/// Passes of the stretching over its memory.
pub const STRETCH_PASSES: u32 = 3;
/// Lanes of the stretching.
pub const STRETCH_LANES: u32 = 1;
/// Both sides mix this into the key exchange, so that it is bound to this protocol.
pub const CONTEXT: &[u8] = b"FastChat OPAQUE 1";

/// The cipher suite, for the client and the server side alike.
#[derive(Clone, Copy, Debug)]
pub struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, sha2_010::Sha512>;
    type Ksf = Argon2<'static>;
}

/// The stretching of protocol version 1: Argon2id, 64 MiB, three passes, one lane.
#[must_use]
pub fn stretch() -> Argon2<'static> {
    let params = Params::new(STRETCH_MEMORY_KIB, STRETCH_PASSES, STRETCH_LANES, None)
        .expect("the constants are within Argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Credential identifier and client identity of a group's password: `#` and the group's name. The
/// identity is sealed into the password file by the group's creator, so it cannot be the name of
/// the account that joins.
#[must_use]
pub fn group_identity(group: &Name) -> Vec<u8> {
    [b"#", group.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::stretch;

    #[test]
    fn stretching_is_argon2id_with_64_mib_three_passes_one_lane() {
        let stretch = stretch();
        let params = stretch.params();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (65_536, 3, 1));
        let mut ours = [0; 32];
        stretch.hash_password_into(b"password", b"salt salt", &mut ours).expect("hashes");
        let mut named = [0; 32];
        argon2::Argon2::new(
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            argon2::Params::new(65_536, 3, 1, None).expect("in range"),
        )
        .hash_password_into(b"password", b"salt salt", &mut named)
        .expect("hashes");
        assert_eq!(ours, named);
    }
}
