//! `send`: a draft in the store, then whoever holds the connection seals and posts it.

use std::io::{Read, stdin};
use std::time::Duration;

use serde_json::json;
use wire::net::Clock;
use wire::{FaultCode, LogId, LogKind, Name};

use super::Local;
use super::task::{self, Flow, Task};
use crate::args;
use crate::config::target;
use crate::core::Request;
use crate::crypto::plaintext::{TEXT_LEN_MAX, check_text};
use crate::failure::{Code, Failure};
use crate::output::{data, talk};
use crate::shell::store_failure;
use crate::store::{OutboxId, PostRecord, PostState, Store};

/// How long a post is waited for unless told.
const WAIT: Duration = Duration::from_secs(60);

/// `fastchat send`.
pub(super) fn send(mut local: Local, command: args::Send) -> Result<(), Failure> {
    let log = target(&command.user)?;
    local.signed_in()?;
    let text = match command.reads_standard_input() {
        true => read_text()?,
        false => command.text,
    };
    if text.is_empty() {
        return Err(Failure::usage("there is nothing to send: the text is empty"));
    }
    check_text(&text).map_err(|error| Failure::usage(error.to_string()))?;
    let created = Clock::new().wall();
    let id = local.store.add_draft(&log, &text, created);
    let mut task = Sending {
        id: id.map_err(|e| store_failure(&e))?,
        wait: command.wait.unwrap_or(WAIT),
        is_json: local.is_json,
    };
    task::run(&mut task, local)
}

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

struct Sending {
    id: OutboxId,
    wait: Duration,
    is_json: bool,
}

impl Sending {
    fn post(&self, store: &Store) -> Result<PostRecord, Failure> {
        store
            .post(self.id)
            .map_err(|e| store_failure(&e))?
            .ok_or_else(|| Failure::unexpected("the message was taken out of the outbox"))
    }

    fn tell(&self, post: &PostRecord) -> Result<(), Failure> {
        let PostState::Accepted { seq } = &post.state else {
            return Ok(());
        };
        if !self.is_json {
            talk("accepted");
            return Ok(());
        }
        let value = json!({
            "status": "accepted",
            "log": post.log.to_string(),
            "number": post.number.map(wire::Number::value),
            "seq": seq.map(|seq| seq.0),
        });
        data(&value.to_string())
    }
}

impl Task for Sending {
    fn request(&self) -> Request {
        Request::Outbox
    }

    fn time_max(&self) -> Option<Duration> {
        Some(self.wait)
    }

    fn look(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        match outcome(&self.post(store)?)? {
            Some(post) => {
                self.tell(&post)?;
                Ok(Flow::Done)
            }
            None => Ok(Flow::On),
        }
    }

    fn on_answered(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        self.look(store)
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        let why = trouble.map_or_else(String::new, |trouble| format!(" ({trouble})"));
        Err(Failure::new(
            Code::Queued,
            format!(
                "not accepted yet{why}; it stays in the outbox and leaves with the next `send`, or \
                 while the menu is open"
            ),
        ))
    }

    /// A draft that was never sealed is taken back, so that sending it again makes no double. One
    /// that is only late stays.
    fn on_failed(&mut self, store: &mut Store, why: &Failure) -> Result<(), Failure> {
        if why.code == Code::Queued {
            return Ok(());
        }
        match self.post(store)?.state {
            PostState::Draft => store.discard(self.id).map_err(|e| store_failure(&e)),
            PostState::Sealed if !self.is_json => {
                talk("the message stays in the outbox");
                Ok(())
            }
            _ => Ok(()),
        }
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

fn read_text() -> Result<String, Failure> {
    let limit = u64::try_from(TEXT_LEN_MAX).expect("a small constant") + 2;
    let mut bytes = Vec::new();
    stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("standard input: {error}")))?;
    if bytes.len() > TEXT_LEN_MAX + 1 {
        return Err(Failure::usage(format!(
            "the text has more than {TEXT_LEN_MAX} bytes; send it in parts"
        )));
    }
    let mut text =
        String::from_utf8(bytes).map_err(|_| Failure::usage("standard input is not UTF-8 text"))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use wire::{LogId, Name, Wall};

    use super::{Sending, WAIT};
    use crate::commands::task::Task;
    use crate::failure::{Code, Failure};
    use crate::store::{DataDirectory, PostState, Store};

    #[test]
    fn a_late_post_stays_in_the_outbox_and_one_that_failed_does_not() {
        let root = tempfile::tempdir().expect("a directory");
        let keys = tempfile::tempdir().expect("a directory");
        let directory = DataDirectory::open_with_keys(root.path(), keys.path()).expect("opens");
        let mut store = Store::open(&directory).expect("opens");
        let reader = Name::parse("bob").expect("a name");
        let log = LogId::mailbox(reader);
        let id = store.add_draft(&log, "hello", Wall(1)).expect("adds");
        let mut sending = Sending { id, wait: WAIT, is_json: true };

        let late = sending.on_time_over(None).expect_err("not accepted");
        assert_eq!(late.code, Code::Queued);
        sending.on_failed(&mut store, &late).expect("nothing to do");
        let post = store.post(id).expect("reads").expect("is there");
        assert_eq!(post.state, PostState::Draft);

        sending.on_failed(&mut store, &Failure::signed_out()).expect("discards");
        assert!(store.post(id).expect("reads").is_none());
    }
}
