//! `send`: drafts in the store, then whoever holds the connection uploads, seals and posts them.

use std::io::{Read, stdin};
use std::time::Duration;

use serde_json::json;
use wire::net::Clock;
use wire::{LogId, Name};

use super::attach::{Source, attach};
use super::outcome::outcome;
use super::task::{self, Flow, Task};
use super::{Local, json_input};
use crate::args;
use crate::config::target;
use crate::core::Request;
use crate::crypto::content::CAPTION_LEN_MAX;
use crate::crypto::plaintext::{TEXT_LEN_MAX, check_text};
use crate::failure::{Code, Failure};
use crate::output::{self, data, talk};
use crate::shell::store_failure;
use crate::store::{OutboxId, PostRecord, PostState, Store};

/// How long posts are waited for unless told.
const WAIT: Duration = Duration::from_secs(60);
/// And when one has an attachment, which may have a slow way.
const WAIT_FOR_UPLOAD: Duration = Duration::from_secs(900);

/// One message to be sent.
pub(super) struct Message {
    /// To which log.
    pub(super) log: LogId,
    /// The text, or the attachment's caption; may be empty then.
    pub(super) text: String,
    /// What is attached.
    pub(super) attachment: Option<Source>,
}

/// `fastchat send`.
pub(super) fn send(mut local: Local, command: &args::Send) -> Result<(), Failure> {
    let me = local.signed_in()?.name;
    let messages = match command.json_stdin {
        true => json_input::read(command)?,
        false => vec![read_message(command)?],
    };
    let has_attachment = messages.iter().any(|message| message.attachment.is_some());
    let posts = messages.into_iter().map(|message| add(message, me, &mut local.store));
    let mut task = Sending {
        posts: posts.collect::<Result<_, _>>()?,
        failed: None,
        wait: command.wait.unwrap_or(if has_attachment { WAIT_FOR_UPLOAD } else { WAIT }),
        is_json: local.is_json,
    };
    task::run(&mut task, local)
}

fn read_message(command: &args::Send) -> Result<Message, Failure> {
    let log = target(command.target()?)?;
    let text = match command.reads_standard_input() {
        true => read_text()?,
        false => command.text().to_owned(),
    };
    let attachment = match (&command.image, &command.file) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage("--image or --file: one attachment to a message"));
        }
        (Some(path), None) => Some(Source::Image(path.clone())),
        (None, Some(path)) => Some(Source::File(path.clone())),
        (None, None) => None,
    };
    Ok(Message { log, text, attachment })
}

/// Checks a message and puts it into the outbox.
fn add(message: Message, me: Name, store: &mut Store) -> Result<OutboxId, Failure> {
    let Message { log, text, attachment } = message;
    let created = Clock::new().wall();
    let Some(source) = attachment else {
        if text.is_empty() {
            return Err(Failure::usage("there is nothing to send: the text is empty"));
        }
        check_text(&text).map_err(|error| Failure::usage(error.to_string()))?;
        return store.add_draft(&log, &text, created).map_err(|e| store_failure(&e));
    };
    if text.len() > CAPTION_LEN_MAX {
        let long = format!("a caption has at most {CAPTION_LEN_MAX} bytes; send the text apart");
        return Err(Failure::usage(long));
    }
    let (attachment, path) = attach(source, &text, me, store)?;
    store.add_attachment(&log, &attachment, &path, created).map_err(|e| store_failure(&e))
}

struct Sending {
    /// What is not known to be accepted or rejected yet.
    posts: Vec<OutboxId>,
    /// The first one that failed, when there were several.
    failed: Option<Failure>,
    wait: Duration,
    is_json: bool,
}

impl Sending {
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

    /// One of several has failed: it is told, and the others go on.
    fn set_aside(&mut self, failure: Failure, is_only: bool) -> Result<(), Failure> {
        if is_only {
            return Err(failure);
        }
        output::failure(&failure, self.is_json);
        self.failed.get_or_insert(failure);
        Ok(())
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
        let is_only = self.posts.len() == 1 && self.failed.is_none();
        for id in std::mem::take(&mut self.posts) {
            match outcome(&record(id, store)?) {
                Ok(Some(post)) => self.tell(&post)?,
                Ok(None) => self.posts.push(id),
                Err(failure) => {
                    self.posts.push(id);
                    self.set_aside(failure, is_only)?;
                    self.posts.pop();
                }
            }
        }
        match (self.posts.is_empty(), self.failed.take()) {
            (true, None) => Ok(Flow::Done),
            (true, Some(failure)) => Err(failure),
            (false, failed) => {
                self.failed = failed;
                Ok(Flow::On)
            }
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
        for id in &self.posts {
            match record(*id, store)?.state {
                PostState::Draft => store.discard(*id).map_err(|e| store_failure(&e))?,
                PostState::Sealed if !self.is_json => talk("the message stays in the outbox"),
                _ => {}
            }
        }
        Ok(())
    }
}

fn record(id: OutboxId, store: &Store) -> Result<PostRecord, Failure> {
    store
        .post(id)
        .map_err(|e| store_failure(&e))?
        .ok_or_else(|| Failure::unexpected("the message was taken out of the outbox"))
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
        let mut sending = Sending { posts: vec![id], failed: None, wait: WAIT, is_json: true };

        let late = sending.on_time_over(None).expect_err("not accepted");
        assert_eq!(late.code, Code::Queued);
        sending.on_failed(&mut store, &late).expect("nothing to do");
        let post = store.post(id).expect("reads").expect("is there");
        assert_eq!(post.state, PostState::Draft);

        sending.on_failed(&mut store, &Failure::signed_out()).expect("discards");
        assert!(store.post(id).expect("reads").is_none());
    }
}
