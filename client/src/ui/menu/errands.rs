//! What takes the menu long, on a thread of its own with its own access to the store: encrypting a
//! file to be sent, decrypting one that came. Meanwhile the loop takes what is typed and what comes
//! over the connection. Errands are run one after the other.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use wire::{LogId, Name, Wall};

use crate::commands::attach::{Source, attach, is_image_file};
use crate::commands::saving::Fetching;
use crate::failure::Failure;
use crate::output::Fetched;
use crate::shell::{Wake, store_failure};
use crate::store::{DataDirectory, InboxMessage, OutboxId, Store};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Errand {
    /// Encrypt a file and put it with its message into the outbox.
    Send {
        /// To whom.
        to: LogId,
        /// Which file; an image is sent as one.
        path: PathBuf,
        /// With which words.
        caption: String,
        /// From whom.
        me: Name,
        /// When.
        created: Wall,
    },
    /// Save what came with a message, whose ciphertext is here, or cannot be had for a reason.
    Save(Box<InboxMessage>, Option<Failure>),
}

/// What has become of it.
#[derive(Debug)]
pub(super) enum Done {
    /// The message waits in the outbox.
    Sent(LogId, Result<OutboxId, Failure>),
    /// It was saved; `None`: it has to be downloaded once more.
    Saved(Box<InboxMessage>, Result<Option<Fetched>, Failure>),
}

/// The thread, from outside.
pub(super) struct Errands {
    tasks: Sender<Errand>,
    done: Receiver<Done>,
    waiting: usize,
}

impl Errands {
    /// Starts the thread; `wake` is called for each result. What comes is saved in `folder`.
    pub(super) fn start(
        directory: DataDirectory,
        folder: PathBuf,
        wake: Wake,
    ) -> Result<Self, Failure> {
        let (tasks, asked) = channel();
        let (finished, done) = channel();
        let clerk = Clerk { directory, store: None, saving: Fetching::new(Some(folder), false) };
        thread::Builder::new()
            .name("errands".to_owned())
            .spawn(move || serve(clerk, &asked, &finished, &wake))
            .map_err(|error| Failure::unexpected(format!("no thread: {error}")))?;
        Ok(Self { tasks, done, waiting: 0 })
    }

    /// Begins an errand; its result comes through [`Self::next`].
    pub(super) fn begin(&mut self, errand: Errand) -> Result<(), Failure> {
        let sent = self.tasks.send(errand);
        sent.map_err(|_| Failure::unexpected("the thread for files has ended"))?;
        self.waiting += 1;
        Ok(())
    }

    /// The next result, if one waits.
    pub(super) fn next(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.waiting -= 1;
        Some(done)
    }

    /// Errands that have no result yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

fn serve(mut clerk: Clerk, asked: &Receiver<Errand>, finished: &Sender<Done>, wake: &Wake) {
    while let Ok(errand) = asked.recv() {
        if finished.send(clerk.run(errand)).is_err() {
            return;
        }
        wake();
    }
}

/// Runs errands.
struct Clerk {
    directory: DataDirectory,
    /// Opened with the first errand.
    store: Option<Store>,
    saving: Fetching,
}

impl Clerk {
    fn run(&mut self, errand: Errand) -> Done {
        match errand {
            Errand::Send { to, path, caption, me, created } => {
                Done::Sent(to, self.send(to, path, &caption, (me, created)))
            }
            Errand::Save(message, why_not) => {
                if let Some(failure) = why_not {
                    self.saving.give_up(message.id, &failure);
                }
                let saved = self.save(&message);
                if let Ok(Some(_)) = saved {
                    self.saving.forget(message.id);
                }
                Done::Saved(message, saved)
            }
        }
    }

    fn send(
        &mut self,
        to: LogId,
        path: PathBuf,
        caption: &str,
        (me, created): (Name, Wall),
    ) -> Result<OutboxId, Failure> {
        let source = if is_image_file(&path) { Source::Image(path) } else { Source::File(path) };
        let store = open(&self.directory, &mut self.store)?;
        let (attachment, path) = attach(source, caption, me, store)?;
        store.add_attachment(&to, &attachment, &path, created).map_err(|e| store_failure(&e))
    }

    fn save(&mut self, message: &InboxMessage) -> Result<Option<Fetched>, Failure> {
        self.saving.fetch(message, open(&self.directory, &mut self.store)?)
    }
}

fn open<'a>(
    directory: &DataDirectory,
    store: &'a mut Option<Store>,
) -> Result<&'a mut Store, Failure> {
    if store.is_none() {
        *store = Some(Store::open(directory).map_err(|e| store_failure(&e))?);
    }
    Ok(store.as_mut().expect("just opened"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use bytes::Bytes;
    use wire::limits::CHUNK_LEN_MAX;
    use wire::{LogId, Name, Number, Origin, Seq, Wall};

    use super::{Done, Errand, Errands};
    use crate::crypto::Content;
    use crate::store::{ChunkBytes, DataDirectory, Received, ReceivedContent, Store};

    const TIME_MAX: Duration = Duration::from_secs(20);

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    /// The store, the errands on it, and what wakes.
    fn begin(root: &Path) -> (Store, Errands, std::sync::mpsc::Receiver<()>) {
        let keys = root.join("keys");
        let directory = DataDirectory::open_with_keys(&root.join("data"), &keys).expect("opens");
        let store = Store::open(&directory).expect("opens");
        let (wake, woken) = channel();
        let wake = Box::new(move || wake.send(()).expect("the test waits"));
        let errands = Errands::start(directory, root.join("files"), wake).expect("starts");
        (store, errands, woken)
    }

    fn send(path: &Path) -> Errand {
        let (to, caption) = (LogId::mailbox(name("bob")), "look".to_owned());
        Errand::Send { to, path: path.to_owned(), caption, me: name("alice"), created: Wall(1) }
    }

    #[test]
    fn a_file_is_put_into_the_outbox_elsewhere_and_told_of() {
        let root = tempfile::tempdir().expect("a directory");
        let (store, mut errands, woken) = begin(root.path());
        let path = root.path().join("notes.txt");
        std::fs::write(&path, vec![7; 200_000]).expect("writes");
        errands.begin(send(&path)).expect("begins");
        errands.begin(send(Path::new("/nowhere"))).expect("begins");
        for _ in 0..2 {
            woken.recv_timeout(TIME_MAX).expect("the loop is woken for each");
        }
        let Some(Done::Sent(_, Ok(id))) = errands.next() else { panic!("it is sent") };
        let upload = store.uploads().expect("reads").remove(0);
        assert_eq!(upload.id, id);
        let Some(Done::Sent(_, Err(failure))) = errands.next() else { panic!("it is refused") };
        assert!(failure.text.contains("/nowhere"), "{failure}");
        assert_eq!(errands.waiting(), 0);
    }

    #[test]
    fn what_came_is_saved_elsewhere() {
        let root = tempfile::tempdir().expect("a directory");
        let (mut store, mut errands, woken) = begin(root.path());
        let path = root.path().join("notes.txt");
        std::fs::write(&path, b"content").expect("writes");
        errands.begin(send(&path)).expect("begins");
        woken.recv_timeout(TIME_MAX).expect("woken");
        let Some(Done::Sent(log, Ok(_))) = errands.next() else { panic!("it is sent") };
        let upload = store.uploads().expect("reads").remove(0);
        let chunk = store.read_upload(&upload.blob, 0).expect("reads").expect("is there");
        assert!(chunk.bytes().len() < CHUNK_LEN_MAX);
        store.finish_upload(upload.id, &upload.blob).expect("keeps");
        let content = store.drafts(1).expect("reads").remove(0).content;
        let message = receive(&mut store, log, content, &chunk);
        errands.begin(Errand::Save(Box::new(message), None)).expect("begins");
        woken.recv_timeout(TIME_MAX).expect("woken");
        let Some(Done::Saved(_, Ok(Some(fetched)))) = errands.next() else { panic!("saved") };
        let saved = std::fs::read(fetched.path.expect("somewhere")).expect("reads");
        assert_eq!(saved, b"content");
    }

    /// Receives the attachment, whose only chunk is `chunk`.
    fn receive(
        store: &mut Store,
        log: LogId,
        content: Content,
        chunk: &ChunkBytes,
    ) -> crate::store::InboxMessage {
        let Content::Attachment(attachment) = content else { panic!("{content:?}") };
        let blob = attachment.blob;
        let (sent, previous, verified) = (Wall(1), [0; 32], true);
        let received = Received {
            seq: Seq(1),
            sender: name("alice"),
            origin: Origin([1; 16]),
            number: Number::new(1).expect("in range"),
            at: Wall(1),
            hash: [1; 32],
            content: ReceivedContent::Attachment { attachment, sent, previous, verified },
            request: None,
        };
        let id = store.receive(&log, &[received], Seq(1)).expect("keeps")[0];
        let chunk = ChunkBytes::new(Bytes::copy_from_slice(chunk.bytes())).expect("short");
        store.write_download(&blob, 0, &chunk).expect("keeps");
        store.message(id).expect("reads").expect("is kept")
    }
}
