//! What became of a post, in words with the next step.

use wire::{FaultCode, LogId, LogKind, Name};

use crate::failure::{Code, Failure};
use crate::store::{PostRecord, PostState};

/// What became of a post: accepted, not known yet, or why not.
///
/// # Errors
/// It was definitely not stored.
pub fn outcome(post: &PostRecord) -> Result<Option<PostRecord>, Failure> {
    let log = &post.log;
    match &post.state {
        PostState::Draft | PostState::Sealed => Ok(None),
        PostState::Accepted { .. } => Ok(Some(post.clone())),
        PostState::Rejected(code) => Err(Failure::fault(*code)),
        PostState::Refused(reason) => Err(refusal(reason, log)),
        PostState::Conflict => Err(Failure::unexpected(format!(
            "not known whether it reached {log}: this installation was restored from an old copy; \
             ask there, or send it again"
        ))),
    }
}

fn refusal(reason: &str, log: &LogId) -> Failure {
    let code = Code::named(reason);
    match log.kind {
        LogKind::Mailbox => refusal_by_user(reason, code, &log.name),
        LogKind::Group => refusal_by_group(reason, code, log),
    }
}

fn refusal_by_group(reason: &str, code: Option<Code>, log: &LogId) -> Failure {
    let fault = match code {
        Some(Code::NoSuchGroup) => FaultCode::NO_SUCH_GROUP,
        Some(Code::NotAMember) => FaultCode::NOT_A_MEMBER,
        Some(Code::Removed) => FaultCode::REMOVED,
        Some(Code::UntrustedKey) => {
            return Failure::new(
                Code::UntrustedKey,
                format!(
                    "the key of a member of {log} has changed or cannot be trusted, so nothing \
                     was sent; see `fastchat contacts`, then `fastchat verify`"
                ),
            );
        }
        _ => return other_refusal(reason, code),
    };
    Failure::fault(fault)
}

fn refusal_by_user(reason: &str, code: Option<Code>, reader: &Name) -> Failure {
    match code {
        Some(Code::NoSuchUser) => Failure::new(
            Code::NoSuchUser,
            format!("no user is called {reader}; check the spelling"),
        ),
        Some(Code::UntrustedKey) => Failure::new(
            Code::UntrustedKey,
            format!(
                "{reader}'s key has changed or cannot be trusted, so nothing was sent; compare \
                 safety numbers with `fastchat verify {reader}`, then agree with --ok"
            ),
        ),
        code => other_refusal(reason, code),
    }
}

fn other_refusal(reason: &str, code: Option<Code>) -> Failure {
    Failure::new(code.unwrap_or(Code::Unexpected), format!("not sent: {reason}"))
}
