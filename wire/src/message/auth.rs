//! Accounts and sessions: OPAQUE (RFC 9807) sign-up and sign-in, resume, bundles of public keys.

use super::message;
use crate::fault::FaultCode;
use crate::field::{List, Opaque};
use crate::id::{Origin, RequestId, Reservation, SessionEpoch, Token};
use crate::limits::{BUNDLE_LEN_MAX, BUNDLES_MAX, OPAQUE_LEN_MAX, SEALED_KEYS_LEN_MAX};
use crate::name::Name;
use crate::time::Wall;

/// One message of the OPAQUE exchange.
pub type Challenge = Opaque<OPAQUE_LEN_MAX>;
/// An account's signed public keys, one link of its key log.
pub type Bundle = Opaque<BUNDLE_LEN_MAX>;
/// An account's private keys, sealed under its OPAQUE export key.
pub type SealedKeys = Opaque<SEALED_KEYS_LEN_MAX>;

message! {
    /// Presents the router's reservation of this seat.
    Redeem = REDEEM {
        /// From [`super::Placed`].
        reservation: Reservation,
    }
}

message! {
    /// First step of sign-up.
    SignUpStart = SIGN_UP_START {
        /// The wanted username.
        name: Name,
        /// OPAQUE `RegistrationRequest`.
        request: Challenge,
    }
}

message! {
    /// The home's answer to [`SignUpStart`].
    SignUpChallenge = SIGN_UP_CHALLENGE {
        /// OPAQUE `RegistrationResponse`.
        response: Challenge,
    }
}

message! {
    /// Second step of sign-up. Stored by the client and resent byte for byte after a lost reply:
    /// the same bytes are answered with [`Welcome`] again, never with `username-taken`.
    SignUpFinish = SIGN_UP_FINISH {
        /// The wanted username.
        name: Name,
        /// This installation.
        origin: Origin,
        /// OPAQUE `RegistrationRecord`.
        record: Challenge,
        /// The first link of the account's key log.
        bundle: Bundle,
        /// The private keys, for the account's next machine.
        sealed_keys: SealedKeys,
    }
}

message! {
    /// First step of sign-in.
    SignInStart = SIGN_IN_START {
        /// The account.
        name: Name,
        /// OPAQUE `KE1`.
        request: Challenge,
    }
}

message! {
    /// The home's answer to [`SignInStart`].
    SignInChallenge = SIGN_IN_CHALLENGE {
        /// OPAQUE `KE2`.
        response: Challenge,
    }
}

message! {
    /// Second step of sign-in: proves the password.
    SignInFinish = SIGN_IN_FINISH {
        /// The account.
        name: Name,
        /// This installation.
        origin: Origin,
        /// End a live session elsewhere instead of answering `already-logged-in`.
        takeover: bool,
        /// OPAQUE `KE3`.
        finish: Challenge,
    }
}

message! {
    /// Restores a session without a password.
    Resume = RESUME {
        /// The account.
        name: Name,
        /// This installation, as at sign-in.
        origin: Origin,
        /// From the last [`Welcome`].
        token: Token,
    }
}

message! {
    /// Signed in: the session begins.
    Welcome = WELCOME {
        /// The account.
        name: Name,
        /// This session's epoch.
        epoch: SessionEpoch,
        /// Restores the session later; replaces the one before once it is used.
        token: Token,
        /// The newest bundle the home knows; empty in answer to [`Resume`].
        bundle: Bundle,
        /// The account's sealed private keys; empty in answer to [`Resume`].
        sealed_keys: SealedKeys,
        /// The home's clock, for people.
        at: Wall,
    }
}

message! {
    /// Ends this session for good: its token restores nothing afterwards.
    SignOut = SIGN_OUT {}
}

message! {
    /// The session has ended; the connection closes.
    SessionEnded = SESSION_ENDED {
        /// Why: `signed-out`; `already-logged-in` when another installation signed in;
        /// `stale-epoch` when this installation has a newer session.
        code: FaultCode,
    }
}

/// A whole key log, oldest bundle first, as its owner hands it to the home of a log.
pub type KeyLogCopy = List<Bundle, BUNDLES_MAX>;

message! {
    /// Asks for an account's key log. Answered by [`Bundles`] or a fault with this request.
    FetchBundles = FETCH_BUNDLES {
        /// Comes back in the answer.
        request: RequestId,
        /// Whose keys.
        name: Name,
        /// Only bundles with a version above this; 0 for all.
        after: u32,
    }
}

message! {
    /// A part of an account's key log, oldest first.
    Bundles = BUNDLES {
        /// From [`FetchBundles`] or [`super::FetchKeyLog`].
        request: RequestId,
        /// Whose keys.
        name: Name,
        /// The bundles, each signed and naming the hash of the one before.
        bundles: List<Bundle, BUNDLES_MAX>,
        /// Nothing newer is known to the home.
        complete: bool,
    }
}
