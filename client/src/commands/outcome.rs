//! What became of a post, in words with the next step.

use wire::FaultCode;

use crate::failure::{Code, Failure};
use crate::store::{PostRecord, PostState};

/// What became of a post: accepted, not known yet, or why not.
///
/// # Errors
/// It was definitely not stored.
pub fn outcome(post: &PostRecord) -> Result<Option<PostRecord>, Failure> {
    match &post.state {
        PostState::Draft | PostState::Sealed => Ok(None),
        PostState::Accepted { .. } => Ok(Some(post.clone())),
        PostState::Rejected(FaultCode::NO_SUCH_BLOB) => Err(Failure::usage(
            "the encrypted copy of the attachment is gone from this machine; send it again",
        )),
        PostState::Rejected(code) => Err(not_sent(&Failure::fault(*code))),
        PostState::Refused(reason) => Err(refusal(reason)),
        PostState::Conflict => Err(Failure::unexpected(format!(
            "not known whether it reached {}: this installation was restored from an old copy; \
             ask there, or send it again",
            post.log
        ))),
    }
}

/// The reason as the store keeps it: a code, then the text.
fn refusal(reason: &str) -> Failure {
    let (code, text) = reason.split_once(' ').unwrap_or((reason, reason));
    not_sent(&Failure::new(Code::named(code).unwrap_or(Code::Unexpected), text))
}

fn not_sent(failure: &Failure) -> Failure {
    Failure::new(failure.code, format!("not sent: {}", failure.text))
}

#[cfg(test)]
mod tests {
    use wire::{FaultCode, LogId, Name, Wall};

    use super::outcome;
    use crate::crypto::Content;
    use crate::failure::{Code, Failure};
    use crate::store::{OutboxId, PostRecord, PostState};

    #[test]
    fn a_refusal_says_what_the_same_fault_says_elsewhere() {
        for fault in [FaultCode::GROUP_CLOSED, FaultCode::NO_SUCH_GROUP, FaultCode::REMOVED] {
            let failure = Failure::fault(fault);
            let reason = format!("{} {}", failure.code.name(), failure.text);
            let post = PostRecord {
                id: OutboxId(1),
                log: LogId::group(Name::parse("rust").expect("a name")),
                content: Content::Text("hello".to_owned()),
                created: Wall(1),
                number: None,
                state: PostState::Refused(reason),
            };
            let told = outcome(&post).expect_err("it was refused");
            assert_eq!((told.code, &told.text), (failure.code, &format!("not sent: {failure}")));
        }
        assert_eq!(super::refusal("no-such-user").code, Code::NoSuchUser, "of an older program");
    }
}
