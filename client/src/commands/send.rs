//! `send`: drafts in the store, then whoever holds the connection uploads, seals and posts them.

use std::io::{Read, stdin};
use std::time::Duration;

use serde_json::json;
use wire::message::Class;
use wire::net::Clock;
use wire::{LogId, Name};

use super::account::with_session;
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
    /// The line of the input that it came from, when there were several.
    pub(super) line: Option<u32>,
    /// To which log.
    pub(super) log: LogId,
    /// The text, or the attachment's caption; may be empty then.
    pub(super) text: String,
    /// What is attached.
    pub(super) attachment: Option<Source>,
}

/// `fastchat send`.
pub(super) fn send(local: Local, command: &args::Send) -> Result<(), Failure> {
    let mut local = with_session(local)?;
    let me = local.signed_in()?.name;
    let messages = match command.json_stdin {
        true => json_input::read(command)?,
        false => vec![read_message(command)?],
    };
    let has_attachment = messages.iter().any(|message| message.attachment.is_some());
    let count = messages.len();
    let mut task = Sending {
        posts: add_all(messages, me, &mut local.store)?,
        count,
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
    Ok(Message { line: None, log, text, attachment })
}

/// Puts every message into the outbox, or none.
fn add_all(messages: Vec<Message>, me: Name, store: &mut Store) -> Result<Vec<Post>, Failure> {
    let mut posts: Vec<Post> = Vec::new();
    for message in messages {
        let line = message.line;
        match add(message, me, store) {
            Ok(id) => posts.push(Post { id, line }),
            Err(failure) => {
                for post in posts {
                    store.discard(post.id).map_err(|e| store_failure(&e))?;
                }
                return Err(failure.on_line(line));
            }
        }
    }
    Ok(posts)
}

/// Checks a message and puts it into the outbox.
fn add(message: Message, me: Name, store: &mut Store) -> Result<OutboxId, Failure> {
    let Message { line, log, text, attachment } = message;
    let named = |member: &str, failure: Failure| match line {
        Some(_) => Failure { text: format!("{member:?}: {}", failure.text), ..failure },
        None => failure,
    };
    let created = Clock::new().wall();
    let Some(source) = attachment else {
        if text.is_empty() {
            return Err(Failure::usage("there is nothing to send: the text is empty"));
        }
        let checked = check_text(&text).map_err(|error| Failure::usage(error.to_string()));
        checked.map_err(|failure| named("text", failure))?;
        return store.add_draft(&log, &text, created).map_err(|e| store_failure(&e));
    };
    if text.len() > CAPTION_LEN_MAX {
        let long = format!("a caption has at most {CAPTION_LEN_MAX} bytes; send the text apart");
        return Err(named("text", Failure::usage(long)));
    }
    let attached = attach(source, &text, me, store);
    let (attachment, path) = attached.map_err(|failure| named("attachment", failure))?;
    store.add_attachment(&log, &attachment, &path, created).map_err(|e| store_failure(&e))
}

/// One message in the outbox, and the line of the input that it came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Post {
    id: OutboxId,
    line: Option<u32>,
}

struct Sending {
    /// What is not known to be accepted or rejected yet.
    posts: Vec<Post>,
    /// How many there were.
    count: usize,
    /// Why the first of those failed that did, and how many; each was told.
    failed: Option<(Failure, usize)>,
    wait: Duration,
    is_json: bool,
}

impl Sending {
    fn tell(&self, post: &PostRecord, line: Option<u32>) -> Result<(), Failure> {
        let PostState::Accepted { seq, class } = &post.state else {
            return Ok(());
        };
        if !self.is_json {
            talk("accepted");
            return Ok(());
        }
        let mut value = json!({
            "status": "accepted",
            "log": post.log.to_string(),
            "number": post.number.map(wire::Number::value),
            "seq": seq.map(|seq| seq.0),
            "class": class.map(|class| match class {
                Class::Stored => "stored",
                Class::Seen => "seen",
            }),
        });
        if let Some(line) = line {
            value["line"] = json!(line);
        }
        data(&value.to_string())
    }

    /// One of several has failed: it is told, and the others go on.
    fn set_aside(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.count == 1 {
            return Err(failure);
        }
        output::failure(&failure, self.is_json);
        self.failed.get_or_insert((failure, 0)).1 += 1;
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

    fn posts(&self) -> Vec<OutboxId> {
        self.posts.iter().map(|post| post.id).collect()
    }

    fn look(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        for post in std::mem::take(&mut self.posts) {
            match outcome(&record(post.id, store)?) {
                Ok(Some(accepted)) => self.tell(&accepted, post.line)?,
                Ok(None) => self.posts.push(post),
                Err(failure) => {
                    self.posts.push(post);
                    self.set_aside(failure.on_line(post.line))?;
                    self.posts.pop();
                }
            }
        }
        match &self.failed {
            _ if !self.posts.is_empty() => Ok(Flow::On),
            None => Ok(Flow::Done),
            Some((first, failed)) => {
                let text = format!("not sent: {failed} of {} messages", self.count);
                Err(Failure { text, ..first.clone() })
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
                "not accepted yet{why}; it stays in the outbox and leaves with the next command \
                 that connects, or while the menu is open"
            ),
        ))
    }

    /// A draft that was never sealed is taken back, so that sending it again makes no double. One
    /// that is only late stays.
    fn on_failed(&mut self, store: &mut Store, why: &Failure) -> Result<(), Failure> {
        if why.code == Code::Queued {
            return Ok(());
        }
        for post in &self.posts {
            match record(post.id, store)?.state {
                PostState::Draft => store.discard(post.id).map_err(|e| store_failure(&e))?,
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

    use super::{Message, Post, Sending, WAIT, add_all};
    use crate::commands::task::Task;
    use crate::failure::{Code, Failure};
    use crate::store::{DataDirectory, PostState, Store};

    /// A store of its own; its directories live as long as they are held.
    fn store() -> (Store, [tempfile::TempDir; 2]) {
        let [root, keys] = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        let directory = DataDirectory::open_with_keys(root.path(), keys.path()).expect("opens");
        (Store::open(&directory).expect("opens"), [root, keys])
    }

    #[test]
    fn a_wrong_message_of_several_is_named_and_none_is_kept() {
        let (mut store, _directories) = store();
        let me = Name::parse("alice").expect("a name");
        let message = |line, len| Message {
            line: Some(line),
            log: LogId::mailbox(me),
            text: "x".repeat(len),
            attachment: None,
        };
        let wrong = add_all(vec![message(1, 5), message(3, 60_001)], me, &mut store);
        let failure = wrong.expect_err("too long");
        assert!(failure.text.starts_with("line 3: \"text\": "), "{failure}");
        assert_eq!(store.drafts(10).expect("reads"), []);
        assert_eq!(add_all(vec![message(1, 5)], me, &mut store).expect("adds").len(), 1);
    }

    #[test]
    fn a_late_post_stays_in_the_outbox_and_one_that_failed_does_not() {
        let (mut store, _directories) = store();
        let log = LogId::mailbox(Name::parse("bob").expect("a name"));
        let id = store.add_draft(&log, "hello", Wall(1)).expect("adds");
        let posts = vec![Post { id, line: None }];
        let count = posts.len();
        let mut sending = Sending { posts, count, failed: None, wait: WAIT, is_json: true };

        let late = sending.on_time_over(None).expect_err("not accepted");
        assert_eq!(late.code, Code::Queued);
        sending.on_failed(&mut store, &late).expect("nothing to do");
        let post = store.post(id).expect("reads").expect("is there");
        assert_eq!(post.state, PostState::Draft);

        sending.on_failed(&mut store, &Failure::signed_out()).expect("discards");
        assert!(store.post(id).expect("reads").is_none());
    }
}
