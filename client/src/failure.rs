//! What can go wrong for a user: one table of name and exit status, and one line of text with the
//! next step. The table is a contract with scripts (`docs/PROTOCOL.md` has the faults behind it).

use thiserror::Error;
use wire::FaultCode;

/// Why a command failed, as scripts see it: a name in `--json`, a number as exit status.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Code {
    /// Wrong use, or something the user can put right.
    Usage,
    /// A defect, or a broken disk.
    Unexpected,
    /// Network or cluster cannot be reached now.
    Unavailable,
    /// A certificate or an account's key is not the one that was expected.
    UntrustedKey,
    /// Too many attempts.
    RateLimited,
    /// The password is not the account's.
    IncorrectPassword,
    /// No account has the name.
    NoSuchUser,
    /// Another account has the name.
    UsernameTaken,
    /// A live session elsewhere.
    AlreadyLoggedIn,
    /// In the outbox, not accepted yet.
    Queued,
    /// The session has ended.
    SignedOut,
    /// No group has the name, or it was closed.
    NoSuchGroup,
    /// Another group has the name.
    GroupNameTaken,
    /// The password is not the group's.
    WrongGroupPassword,
    /// The account, or the one it names, is not a member of the group.
    NotAMember,
    /// Only the group's admin may do this.
    NotAnAdmin,
    /// The group has no room.
    GroupFull,
    /// The reader's mailbox has no room.
    MailboxFull,
    /// The group's admin has removed the account.
    Removed,
    /// The reader has not answered yet, and enough waits there until then.
    StrangerLimit,
}

impl Code {
    /// Every code, in the order of exit statuses.
    pub const ALL: &[Self] = &[
        Self::Usage,
        Self::Unexpected,
        Self::Unavailable,
        Self::UntrustedKey,
        Self::RateLimited,
        Self::IncorrectPassword,
        Self::NoSuchUser,
        Self::UsernameTaken,
        Self::AlreadyLoggedIn,
        Self::Queued,
        Self::SignedOut,
        Self::NoSuchGroup,
        Self::GroupNameTaken,
        Self::WrongGroupPassword,
        Self::NotAMember,
        Self::NotAnAdmin,
        Self::GroupFull,
        Self::MailboxFull,
        Self::Removed,
        Self::StrangerLimit,
    ];

    /// The exit status: stable, 1 to 20.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Usage => 1,
            Self::Unexpected => 2,
            Self::Unavailable => 3,
            Self::UntrustedKey => 4,
            Self::RateLimited => 5,
            Self::IncorrectPassword => 6,
            Self::NoSuchUser => 7,
            Self::UsernameTaken => 8,
            Self::AlreadyLoggedIn => 9,
            Self::Queued => 10,
            Self::SignedOut => 11,
            Self::NoSuchGroup => 12,
            Self::GroupNameTaken => 13,
            Self::WrongGroupPassword => 14,
            Self::NotAMember => 15,
            Self::NotAnAdmin => 16,
            Self::GroupFull => 17,
            Self::MailboxFull => 18,
            Self::Removed => 19,
            Self::StrangerLimit => 20,
        }
    }

    /// The name in `--json` errors: stable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Unexpected => "unexpected",
            Self::Unavailable => "unavailable",
            Self::UntrustedKey => "untrusted-key",
            Self::RateLimited => "rate-limited",
            Self::IncorrectPassword => "incorrect-password",
            Self::NoSuchUser => "no-such-user",
            Self::UsernameTaken => "username-taken",
            Self::AlreadyLoggedIn => "already-logged-in",
            Self::Queued => "queued",
            Self::SignedOut => "signed-out",
            Self::NoSuchGroup => "no-such-group",
            Self::GroupNameTaken => "group-name-taken",
            Self::WrongGroupPassword => "wrong-group-password",
            Self::NotAMember => "not-a-member",
            Self::NotAnAdmin => "not-an-admin",
            Self::GroupFull => "group-full",
            Self::MailboxFull => "mailbox-full",
            Self::Removed => "removed",
            Self::StrangerLimit => "stranger-limit",
        }
    }

    /// The code with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl From<FaultCode> for Code {
    fn from(code: FaultCode) -> Self {
        match code {
            FaultCode::USERNAME_TAKEN => Self::UsernameTaken,
            FaultCode::NO_SUCH_USER => Self::NoSuchUser,
            FaultCode::INCORRECT_PASSWORD => Self::IncorrectPassword,
            FaultCode::ALREADY_LOGGED_IN => Self::AlreadyLoggedIn,
            FaultCode::SIGNED_OUT | FaultCode::STALE_EPOCH => Self::SignedOut,
            FaultCode::RATE_LIMITED => Self::RateLimited,
            FaultCode::STRANGER_LIMIT => Self::StrangerLimit,
            FaultCode::MAILBOX_FULL
            | FaultCode::SENDER_FULL
            | FaultCode::GRANTS_FULL
            | FaultCode::TOO_MANY_GRANTS => Self::MailboxFull,
            FaultCode::NO_SUCH_GROUP | FaultCode::GROUP_CLOSED => Self::NoSuchGroup,
            FaultCode::GROUP_NAME_TAKEN => Self::GroupNameTaken,
            FaultCode::WRONG_GROUP_PASSWORD => Self::WrongGroupPassword,
            FaultCode::NOT_A_MEMBER | FaultCode::INVITATION_NEEDED => Self::NotAMember,
            FaultCode::NOT_AN_ADMIN => Self::NotAnAdmin,
            FaultCode::GROUP_FULL | FaultCode::ROSTER_FULL => Self::GroupFull,
            FaultCode::REMOVED => Self::Removed,
            FaultCode::ALREADY_A_MEMBER | FaultCode::TOO_MANY_GROUPS => Self::Usage,
            FaultCode::NO_SUCH_BLOB | FaultCode::QUOTA_EXCEEDED => Self::Usage,
            FaultCode::UNAVAILABLE
            | FaultCode::ROSTER_MOVED
            | FaultCode::SEAT_FULL
            | FaultCode::STOPPING
            | FaultCode::DRAINING
            | FaultCode::IDLE
            | FaultCode::SLOW_READER
            | FaultCode::TOO_MANY_CONNECTIONS
            | FaultCode::TOO_MANY_REQUESTS
            | FaultCode::TOO_SLOW_TO_SIGN_IN => Self::Unavailable,
            _ => Self::Unexpected,
        }
    }
}

/// One failure: its code, and a line for people that ends with what to do next.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{text}")]
pub struct Failure {
    /// What scripts see.
    pub code: Code,
    /// What people see.
    pub text: String,
}

impl Failure {
    /// A failure with its own line.
    #[must_use]
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }

    /// Wrong use: the text says how to use it right.
    #[must_use]
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Code::Usage, text)
    }

    /// Something that should not happen.
    #[must_use]
    pub fn unexpected(text: impl Into<String>) -> Self {
        Self::new(Code::Unexpected, text)
    }

    /// No session is stored, or it has ended.
    #[must_use]
    pub fn signed_out() -> Self {
        Self::new(Code::SignedOut, "not signed in; run `fastchat signin`")
    }

    /// The same about one line of the input, if it is about one.
    #[must_use]
    pub fn on_line(self, line: Option<u32>) -> Self {
        match line {
            Some(number) => Self { text: format!("line {number}: {}", self.text), ..self },
            None => self,
        }
    }

    /// A fault that a server or router answered.
    #[must_use]
    pub fn fault(code: FaultCode) -> Self {
        Self::new(Code::from(code), advice(code).unwrap_or(code.text()))
    }
}

/// The text of a fault with what a user of this program does next.
fn advice(code: FaultCode) -> Option<&'static str> {
    Some(match code {
        FaultCode::NO_SUCH_USER => {
            "no user has this name; check the spelling, or run `fastchat signup`"
        }
        FaultCode::ALREADY_LOGGED_IN => {
            "already logged in elsewhere; leave there, or run `fastchat signin --takeover`"
        }
        FaultCode::SIGNED_OUT => "this session has ended; run `fastchat signin`",
        FaultCode::RATE_LIMITED => "too many attempts; wait half a minute and try again",
        FaultCode::SEAT_FULL => "the server has no room now; try again in a moment",
        FaultCode::UNAVAILABLE => {
            "the server that keeps this does not answer or cannot do it now; try again in a \
             moment"
        }
        FaultCode::NO_SUCH_GROUP => {
            "no group has this name; check the spelling, or run `fastchat group create`"
        }
        FaultCode::WRONG_GROUP_PASSWORD => "the group password is not right; try again",
        FaultCode::NOT_A_MEMBER => {
            "you are not a member of this group; run `fastchat group join` first"
        }
        FaultCode::NOT_AN_ADMIN => {
            "only the group's admin may do this; `fastchat group members` says who that is"
        }
        FaultCode::GROUP_FULL => "the group has no room for another member; ask its admin",
        FaultCode::REMOVED => "the admin removed you from this group; ask for an invitation",
        FaultCode::GROUP_CLOSED => "this group was closed by its admin; create a new one",
        FaultCode::INVITATION_NEEDED => "this group takes only the invited; ask its admin",
        FaultCode::ALREADY_A_MEMBER => "a member of this group already; nothing was changed",
        FaultCode::NO_SUCH_BLOB => {
            "the attachment is gone: a home keeps it for 30 days; ask its sender for it again"
        }
        FaultCode::QUOTA_EXCEEDED => {
            "your room for attachments is used up; what you sent 30 days ago makes room again"
        }
        FaultCode::STRANGER_LIMIT => {
            "enough of your messages wait there; wait until the reader has answered you once"
        }
        FaultCode::GRANTS_FULL => {
            "too many of your messages wait there unread; try again when they have been read"
        }
        FaultCode::TOO_MANY_GRANTS => {
            "too many of your messages were refused there; try again in a day"
        }
        FaultCode::ROSTER_MOVED => "others change this group at this moment; try again",
        FaultCode::BAD_VERSION => "the server speaks another version; upgrade the older side",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn exit_statuses_and_names_are_the_published_ones() {
        let table: Vec<_> =
            Code::ALL.iter().map(|code| (code.exit_status(), code.name())).collect();
        assert_eq!(
            table,
            [
                (1, "usage"),
                (2, "unexpected"),
                (3, "unavailable"),
                (4, "untrusted-key"),
                (5, "rate-limited"),
                (6, "incorrect-password"),
                (7, "no-such-user"),
                (8, "username-taken"),
                (9, "already-logged-in"),
                (10, "queued"),
                (11, "signed-out"),
                (12, "no-such-group"),
                (13, "group-name-taken"),
                (14, "wrong-group-password"),
                (15, "not-a-member"),
                (16, "not-an-admin"),
                (17, "group-full"),
                (18, "mailbox-full"),
                (19, "removed"),
                (20, "stranger-limit"),
            ]
        );
        for code in Code::ALL {
            assert_eq!(Code::named(code.name()), Some(*code));
        }
    }
}
