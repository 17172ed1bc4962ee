//! `save`: attachments that came with messages and were not saved then.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use wire::limits::BLOB_RETENTION;
use wire::net::Clock;
use wire::{Seq, Wall};

use super::Local;
use super::saving::Fetching;
use super::task::{self, Flow, Task};
use crate::args;
use crate::config::target;
use crate::core::Request;
use crate::crypto::Attachment;
use crate::escape::one_line;
use crate::failure::{Code, Failure};
use crate::media::name::sanitise;
use crate::output::{self, Fetched, Style, data, flush, local_time, talk, timestamp};
use crate::shell::store_failure;
use crate::store::{InboxMessage, ReceivedContent, Store};

/// `fastchat save`.
pub(super) fn save(local: Local, command: &args::Save) -> Result<(), Failure> {
    let unsaved = |store: &Store| store.unsaved().map_err(|e| store_failure(&e));
    let messages = match (command.words.as_slice(), command.all) {
        ([], false) if command.to.is_some() => {
            return Err(Failure::usage("which one? write `fastchat save LOG SEQ`, or --all"));
        }
        ([], false) => return list(&local),
        ([], true) => unsaved(&local.store)?,
        ([log, seq], false) => vec![find(log, seq, &local.store)?],
        _ => return Err(Failure::usage("write `fastchat save LOG SEQ`, or `fastchat save --all`")),
    };
    if messages.is_empty() && !local.is_json {
        talk("nothing waits to be saved");
    }
    local.signed_in()?;
    let folder = command.to.clone().unwrap_or_else(|| local.directory.files_path());
    let mut task = Saving {
        messages: messages.into(),
        fetching: Fetching::new(Some(folder), false),
        failed: None,
        now: Clock::new().wall(),
        is_json: local.is_json,
    };
    task::run(&mut task, local)
}

/// A message whose attachment was not saved yet, on a line for people.
#[must_use]
pub fn line(message: &InboxMessage, style: Style) -> String {
    let ReceivedContent::Attachment { attachment, .. } = &message.content else {
        return String::new();
    };
    let Attachment { name, size, .. } = attachment.as_ref();
    let file = style.bold(&sanitise(name));
    let (size, from) = (output::bytes(*size), message.sender);
    let until = style.dim(&format!("kept until {}", local_time(kept_until(message))));
    format!("{} {}  {file}, {size}, from {from}, {until}", message.log, message.seq.0)
}

/// Until when its uploader's home keeps it: a little shorter, when the message waited long for its
/// acceptance.
fn kept_until(message: &InboxMessage) -> Wall {
    let retention = u64::try_from(BLOB_RETENTION.as_millis()).expect("some days");
    Wall(message.at.0.saturating_add(retention))
}

fn find(log: &str, seq: &str, store: &Store) -> Result<InboxMessage, Failure> {
    let log = target(log)?;
    let seq = seq.parse().map_err(|_| Failure::usage(format!("SEQ {seq:?} is no number")))?;
    let message = store.message_at(&log, Seq(seq)).map_err(|e| store_failure(&e))?;
    let message = message.ok_or_else(|| {
        Failure::usage(format!(
            "no message was received here from {log} at {seq}; see `fastchat save`"
        ))
    })?;
    match message.content {
        ReceivedContent::Attachment { .. } => Ok(message),
        _ => Err(Failure::usage(format!("the message at {seq} of {log} has no attachment"))),
    }
}

fn list(local: &Local) -> Result<(), Failure> {
    local.account()?.ok_or_else(Failure::signed_out)?;
    let messages = local.store.unsaved().map_err(|e| store_failure(&e))?;
    for message in &messages {
        match local.is_json {
            true => data(&unsaved_json(message).to_string())?,
            false => data(&line(message, Style::detect()))?,
        }
    }
    match messages.len() {
        _ if local.is_json => {}
        0 => talk("nothing waits to be saved"),
        _ => talk("fetch one with `fastchat save 'LOG' SEQ`, or all with `fastchat save --all`"),
    }
    Ok(())
}

fn unsaved_json(message: &InboxMessage) -> Value {
    let mut object = json(message);
    object["until"] = json!(timestamp(kept_until(message)).to_string());
    object
}

fn json(message: &InboxMessage) -> Value {
    let mut object = json!({
        "log": message.log.to_string(),
        "seq": message.seq.0,
        "from": message.sender.as_str(),
    });
    if let ReceivedContent::Attachment { attachment, .. } = &message.content {
        object["name"] = json!(sanitise(&attachment.name));
        object["type"] = json!(attachment.media_type);
        object["size"] = json!(attachment.size);
    }
    object
}

struct Saving {
    /// What is still to be saved; the first one is on its way.
    messages: VecDeque<InboxMessage>,
    fetching: Fetching,
    /// Why the first of those failed that did.
    failed: Option<Failure>,
    now: Wall,
    is_json: bool,
}

impl Saving {
    fn tell(&mut self, message: &InboxMessage, fetched: Fetched) -> Result<(), Failure> {
        let path = fetched.path.as_ref().map(|path| path.to_string_lossy());
        if self.is_json {
            let mut object = json(message);
            object["path"] = json!(path);
            if let Some(error) = &fetched.error {
                object["error"] = json!(error);
            }
            data(&object.to_string())?;
        } else if let Some(path) = path {
            data(&one_line(&path))?;
        }
        if let Some(error) = fetched.error {
            let text = format!("{} {}: {error}", message.log, message.seq.0);
            if !self.is_json {
                talk(&format!("not saved: {}", one_line(&text)));
            }
            self.failed.get_or_insert(Failure::usage(text));
        }
        flush()
    }

    /// What a home has dropped after its time is not offered again.
    fn forget(&self, message: &InboxMessage, store: &mut Store) -> Result<(), Failure> {
        match kept_until(message) < self.now {
            true => store.mark_saved(message.id).map_err(|e| store_failure(&e)),
            false => Ok(()),
        }
    }
}

impl Task for Saving {
    fn request(&self) -> Request {
        self.request_again().expect("asked only while something is left")
    }

    fn time_max(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        while let Some(message) = self.messages.front().cloned() {
            let Some(fetched) = self.fetching.fetch(&message, store)? else {
                return Ok(Flow::On);
            };
            self.messages.pop_front();
            self.tell(&message, fetched)?;
        }
        self.failed.take().map_or(Ok(Flow::Done), Err)
    }

    fn on_answered(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        self.look(store)
    }

    /// What cannot be had is told, and the others go on.
    fn on_refused(&mut self, store: &mut Store, failure: Failure) -> Result<Flow, Failure> {
        let Some(message) = self.messages.front().cloned() else {
            return Err(failure);
        };
        if matches!(failure.code, Code::SignedOut | Code::Unavailable) {
            return Err(failure);
        }
        self.fetching.give_up(message.id, &failure);
        self.forget(&message, store)?;
        self.look(store)
    }

    fn request_again(&self) -> Option<Request> {
        self.messages.front().map(|message| Request::Download(message.id))
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        trouble.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wire::{BlobId, LogId, Name, Number, Origin, Seq, Wall};

    use super::{line, unsaved_json};
    use crate::crypto::{Attachment, FileKey};
    use crate::output::Style;
    use crate::store::{Continuity, InboxId, InboxMessage, ReceivedContent};

    #[test]
    fn a_list_tells_what_is_needed_and_nothing_that_opens_it() {
        let name = |text| Name::parse(text).expect("a name");
        let attachment = Box::new(Attachment {
            uploader: name("alice"),
            blob: BlobId([7; 32]),
            key: FileKey::new([8; 32]),
            size: 3,
            name: "../../x".to_owned(),
            media_type: "text/plain".to_owned(),
            thumbnail: Bytes::new(),
            caption: String::new(),
        });
        let message = InboxMessage {
            id: InboxId(1),
            log: LogId::mailbox(name("bob")),
            seq: Seq(9),
            sender: name("alice"),
            origin: Origin([1; 16]),
            number: Number::NONE,
            at: Wall(0),
            continuity: Continuity::Unbroken,
            content: ReceivedContent::Attachment {
                attachment,
                sent: Wall(0),
                previous: [0; 32],
                verified: true,
            },
        };
        assert_eq!(
            unsaved_json(&message).to_string(),
            "{\"from\":\"alice\",\"log\":\"@bob\",\"name\":\"x\",\"seq\":9,\"size\":3,\
             \"type\":\"text/plain\",\"until\":\"1970-01-31T00:00:00Z\"}"
        );
        let line = line(&message, Style::PLAIN);
        assert!(line.starts_with("@bob 9  x, 3 B, from alice, kept until 1970-01-3"), "{line}");
    }
}
