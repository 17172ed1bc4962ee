//! Faults: stable numbers, one table of name, consequence and text. Never renumbered.

use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::field::Field;
use crate::reader::{DecodeError, Reader};

/// What went wrong, as a number that never changes its meaning. Unknown numbers still print.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FaultCode(pub u16);

/// What the sender of a fault does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consequence {
    /// The connection stays; only the request named in the fault failed.
    Stays,
    /// The connection closes after the fault.
    Closes,
}

macro_rules! faults {
    ($($code:literal $constant:ident $name:literal $consequence:ident $text:literal;)*) => {
        impl FaultCode {
            $(
                #[doc = $text]
                pub const $constant: Self = Self($code);
            )*

            /// Every fault there is.
            pub const ALL: &[Self] = &[$(Self::$constant),*];

            /// The short name, as in `--json` errors and metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$constant => $name,)*
                    Self(_) => "unexpected",
                }
            }

            /// Whether the connection closes.
            #[must_use]
            pub fn consequence(self) -> Consequence {
                match self {
                    $(Self::$constant => Consequence::$consequence,)*
                    Self(_) => Consequence::Closes,
                }
            }

            /// One line for people.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$constant => $text,)*
                    Self(_) => "a fault this program does not know; a newer version may",
                }
            }
        }
    };
}

faults! {
    1 BAD_MAGIC "bad-magic" Closes "the first frame is not a FastChat hello";
    2 BAD_VERSION "bad-version" Closes "no protocol version in common; upgrade the older side";
    3 BAD_FRAME "bad-frame" Closes "a frame's length is 0 or above the limit of this connection";
    4 UNKNOWN_KIND "unknown-kind" Closes "a frame's kind is unknown here";
    5 WRONG_DIRECTION "wrong-direction" Closes "a frame's kind travels in another direction";
    6 MALFORMED "malformed" Closes "a message's fields do not fit its kind";
    7 WRONG_STATE "wrong-state" Closes "this message is not allowed now";
    8 TOO_SLOW_TO_SIGN_IN "too-slow-to-sign-in" Closes "not signed in within the time and bytes";
    9 TOO_MANY_CONNECTIONS "too-many-connections" Closes "too many wait to sign in";
    10 WRONG_PEER "wrong-peer" Closes "the certificate is not of the server that was named";
    11 SLOW_READER "slow-reader" Closes "did not read what was sent; nothing is lost";
    12 STOPPING "stopping" Closes "the server stops; connect again";
    13 IDLE "idle" Closes "no answer to a ping";
    14 DRAINING "draining" Closes "this server is emptied; a router knows another";
    15 SUPERSEDED "superseded" Closes "another process or store of this server holds";
    20 USERNAME_TAKEN "username-taken" Stays "this username is taken; choose another";
    21 NO_SUCH_USER "no-such-user" Stays "no user has this name";
    22 INCORRECT_PASSWORD "incorrect-password" Stays "the password is not right";
    23 ALREADY_LOGGED_IN "already-logged-in" Stays "already logged in elsewhere";
    24 UNAVAILABLE "unavailable" Stays "not available now; try again";
    25 RATE_LIMITED "rate-limited" Stays "too many attempts; wait a little";
    26 SIGNED_OUT "signed-out" Stays "this session has ended; sign in again";
    27 SEAT_FULL "seat-full" Stays "this server has no free seat; ask the router again";
    28 TOO_MANY_REQUESTS "too-many-requests" Stays "too many requests wait for answers";
    30 BAD_HANDLE "bad-handle" Stays "no log is open under this handle";
    31 TOO_MANY_HANDLES "too-many-handles" Stays "too many logs are open on this session";
    32 NOT_A_READER "not-a-reader" Stays "this account does not read this log";
    33 NO_SUCH_GROUP "no-such-group" Stays "no group has this name";
    34 GROUP_NAME_TAKEN "group-name-taken" Stays "this group name is taken; choose another";
    35 NOT_A_MEMBER "not-a-member" Stays "this account is not a member of the group";
    36 NOT_AN_ADMIN "not-an-admin" Stays "only the group's admin may do this";
    37 GROUP_FULL "group-full" Stays "the group has no room for another member";
    38 REMOVED "removed" Stays "the admin removed this account; ask for an invitation";
    39 WRONG_GROUP_PASSWORD "wrong-group-password" Stays "the group's password is not right";
    40 MAILBOX_FULL "mailbox-full" Stays "the mailbox is full; its owner must read first";
    41 SENDER_FULL "sender-full" Stays "too much of yours waits in this mailbox";
    42 STRANGER_LIMIT "stranger-limit" Stays "wait until the reader has answered once";
    43 STALE_EPOCH "stale-epoch" Stays "a newer session of this account exists";
    44 BAD_NUMBER "bad-number" Stays "the number is outside settled < number <= settled + 64";
    45 GRANT_MISSING "grant-missing" Stays "the message session has no grant here; put it first";
    46 ROSTER_MOVED "roster-moved" Stays "the roster has changed; sign again on its new head";
    47 ROSTER_BEHIND "roster-behind" Stays "someone has left since this was sealed; seal it anew";
    48 GROUP_CLOSED "group-closed" Stays "the group was closed by its admin";
    49 INVITATION_NEEDED "invitation-needed" Stays "an invitation by the admin is needed";
    50 ALREADY_A_MEMBER "already-a-member" Stays "this account is a member already";
    51 TOO_MANY_GROUPS "too-many-groups" Stays "this account is in too many groups; leave one";
    52 NO_SUCH_BLOB "no-such-blob" Stays "the attachment is not there; it may have expired";
    53 QUOTA_EXCEEDED "quota-exceeded" Stays "the account's room for attachments is used up";
    54 TOO_MANY_GRANTS "too-many-grants" Stays "too many message sessions wait for a post";
    55 ROSTER_FULL "roster-full" Stays "the group's history is too long; create a new group";
    56 GRANTS_FULL "grants-full" Stays "your keys fill their room here; readers must read first";
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "unexpected" => write!(f, "fault {}", self.0),
            name => f.pad(name),
        }
    }
}

impl Field for FaultCode {
    fn put(&self, out: &mut BytesMut) {
        out.put_u16(self.0);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        reader.u16(field).map(Self)
    }
}

impl From<DecodeError> for FaultCode {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Kind(_) => Self::UNKNOWN_KIND,
            DecodeError::Direction(_) => Self::WRONG_DIRECTION,
            DecodeError::Short(_)
            | DecodeError::Trailing(_)
            | DecodeError::Value(_)
            | DecodeError::Long(_) => Self::MALFORMED,
        }
    }
}
