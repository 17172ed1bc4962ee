//! Runs the menu: what is typed goes to the dialogue, what it wants goes to the shell, and what
//! happens meanwhile goes to the screen.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::{LogId, Name, Seq};

use super::dialogue::{Action, Dialogue, Prompt, shown, still_trying};
use super::input::{Input, Typed};
use super::printer::Printer;
use crate::commands::{Local, password, post_outcome, view};
use crate::config::{Config, user_name};
use crate::core::event::{ContactChange, Step};
use crate::core::{Command, GroupWish, Notice, Reading, Request, Ticket};
use crate::crypto::keys::KeyId;
use crate::failure::{Code, Failure};
use crate::output::{Remark, Style, talk};
use crate::shell::{Shell, store_failure};
use crate::store::{DataDirectory, InboxMessage, OutboxId, PostRecord, Trust};
use errands::Errands;

mod conflicts;
mod errands;
mod files;
mod groups;
mod receipts;

/// Messages taken from the store at a time.
const PAGE: u32 = 256;
/// How long the last messages may take to be accepted when the user leaves.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(5);

/// Runs the menu until the user leaves.
///
/// # Errors
/// The data directory is in use, or the store fails.
pub fn run(mut config: Config) -> Result<(), Failure> {
    if config.user.is_none() && config.data.is_none() {
        config.user = Some(ask_user()?);
    }
    let given = password::given(&config)?;
    let local = Local::open(config, false)?;
    let user = local.account()?.map(|account| account.name).or(local.config.user);
    let has_session = local.account()?.is_some_and(|account| account.session.is_some());
    let lock = local.lock()?;
    let dialer = local.dialer();
    let directory = local.directory.clone();
    let files = directory.files_path();
    let shell = Shell::start(&directory, lock, local.store, dialer)?;
    let (input, printer) = Input::start(shell.waker())?;
    let errands = Errands::start(directory.clone(), files, shell.waker())?;
    let dialogue = Dialogue::new(user, given);
    let mut menu = Menu {
        shell,
        directory,
        dialogue,
        input,
        printer,
        style: Style::detect(),
        sent: BTreeMap::new(),
        unread: BTreeMap::new(),
        changing: BTreeMap::new(),
        members: None,
        fetching: BTreeMap::new(),
        errands,
        unsaved: Vec::new(),
        quarter: 0,
        looking: None,
        trusting: None,
        agreeing: None,
        is_asked: false,
        is_in_trouble: false,
        is_leaving: false,
    };
    menu.begin(user.filter(|_| has_session))?;
    let result = menu.serve();
    menu.end(result)
}

struct Menu {
    shell: Shell,
    directory: DataDirectory,
    dialogue: Dialogue,
    input: Input,
    printer: Printer,
    style: Style,
    /// Messages sent from here whose outcome was not told yet.
    sent: BTreeMap<OutboxId, LogId>,
    /// The newest message sent from here to each mailbox whose reader was not said to be shown it.
    unread: BTreeMap<LogId, Seq>,
    /// Changes of groups, and questions for members, that were not answered yet.
    changing: BTreeMap<Ticket, (Name, GroupWish)>,
    members: Option<(Ticket, Name)>,
    /// Attachments that are on their way here.
    fetching: BTreeMap<Ticket, InboxMessage>,
    /// Files on their way in and out of the store.
    errands: Errands,
    /// Those that were listed last because they were not saved yet.
    unsaved: Vec<InboxMessage>,
    /// How many quarters of the present upload were told.
    quarter: u64,
    looking: Option<(Ticket, Name)>,
    trusting: Option<(Ticket, Name)>,
    agreeing: Option<(Ticket, Name)>,
    is_asked: bool,
    is_in_trouble: bool,
    is_leaving: bool,
}

impl Menu {
    fn begin(&mut self, session: Option<Name>) -> Result<(), Failure> {
        self.printer.print(&self.style.bold("FastChat"));
        if let Some(me) = session {
            self.printer.print(&format!("signed in as {me}"));
            self.dialogue.on_signed_in(me);
            self.tell_conflicts()?;
            let queued = self.shell.store().waiting().map_err(|e| store_failure(&e))?;
            self.sent.extend(queued);
            self.show_waiting()?;
            self.shell.ask(Request::Attach(Reading::All))?;
        }
        Ok(())
    }

    fn serve(&mut self) -> Result<(), Failure> {
        while !self.is_leaving {
            self.ask()?;
            for notice in self.shell.turn(None)? {
                self.on_notice(notice)?;
            }
            self.take_errands()?;
            while let Some(typed) = self.input.next() {
                self.is_asked = false;
                self.on_typed(typed)?;
            }
        }
        Ok(())
    }

    fn end(mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        result?;
        let until = self.shell.now() + FAREWELL_TIME_MAX;
        while self.is_busy() && self.shell.now() < until {
            for notice in self.shell.turn(Some(until))? {
                self.on_notice(notice)?;
            }
            self.take_errands()?;
        }
        if self.errands.waiting() > 0 {
            self.printer.print("a file was not ready; what was attached is not sent or saved");
        }
        if !self.sent.is_empty() {
            let count = self.sent.len();
            self.printer.print(&format!(
                "{count} not accepted yet; the outbox keeps them for the next time"
            ));
        }
        self.shell.finish()
    }

    /// Something is under way that the user would not want to be cut short.
    fn is_busy(&self) -> bool {
        let is_sending = !self.sent.is_empty() && self.shell.core().is_online();
        is_sending || self.errands.waiting() > 0
    }

    /// Shows the menu and waits for the user, unless that is so already.
    fn ask(&mut self) -> Result<(), Failure> {
        let prompt = self.dialogue.prompt();
        if self.is_asked || prompt == Prompt::Nothing {
            return Ok(());
        }
        self.is_asked = true;
        if let Some(heading) = self.dialogue.heading() {
            self.printer.print(&self.style.dim(heading));
        }
        if !self.printer.is_flushed() {
            return Err(Failure::unexpected("the screen cannot be written"));
        }
        self.input.ask(prompt)
    }

    fn on_typed(&mut self, typed: Typed) -> Result<(), Failure> {
        let actions = match typed {
            Typed::Line(line) => self.dialogue.on_line(&line),
            Typed::Secret(password) => self.dialogue.on_secret(password),
            Typed::Cancelled => self.dialogue.on_cancel(),
            Typed::Ended => vec![Action::Quit],
        };
        self.perform(actions)
    }

    fn perform(&mut self, actions: Vec<Action>) -> Result<(), Failure> {
        for action in actions {
            match action {
                Action::Print(text) => self.printer.print(&text),
                Action::SignUp(name, password) => {
                    self.shell.command(Command::SignUp { name, password })?;
                }
                Action::SignIn(name, password, takeover) => {
                    self.shell.command(Command::SignIn { name, password, takeover })?;
                }
                Action::Send(to, text) => self.send(to, &text)?,
                Action::SendFile(to, path, caption) => self.send_file(to, path, caption)?,
                Action::ListUnsaved => self.list_unsaved()?,
                Action::Save(wanted) => self.save(wanted)?,
                Action::ListGroups => self.list_groups()?,
                Action::ListMembers(group) => self.ask_members(group)?,
                Action::Change(group, wish) => self.change(group, wish)?,
                Action::TrustGroup(group) => self.trust_group(group)?,
                Action::ShowWaiting => {
                    if self.show_waiting()? == 0 {
                        self.printer.print("nothing waits");
                    }
                }
                Action::Decide(decision) => self.decide(decision)?,
                Action::ListContacts => self.list_contacts()?,
                Action::ShowContact(name) if self.is_in_trouble => {
                    let offline = Failure::new(Code::Unavailable, "no connection now; try later");
                    self.show_contact(name, Err(offline))?;
                }
                Action::ShowContact(name) => {
                    let ticket = self.shell.ask(Request::Fetch(name))?;
                    self.looking = Some((ticket, name));
                }
                Action::Trust(name, key, verified) => self.trust(name, key, verified)?,
                Action::Quit => self.is_leaving = true,
            }
        }
        Ok(())
    }

    fn on_notice(&mut self, notice: Notice) -> Result<(), Failure> {
        match notice {
            Notice::Progress(step) => self.show_step(step),
            Notice::Online => {
                if std::mem::take(&mut self.is_in_trouble) {
                    self.printer.print("connected again");
                }
            }
            Notice::SignedUp { earlier_attempt } => {
                if earlier_attempt {
                    self.printer.print("an earlier attempt had got through, with its password");
                }
                self.on_signed_in("signed up")?;
            }
            Notice::SignedIn => self.on_signed_in("signed in")?,
            Notice::SignInFailed(failure) => {
                let actions = self.dialogue.on_sign_in_failed(&failure);
                self.perform(actions)?;
            }
            Notice::Trouble(failure) => self.on_trouble(&failure)?,
            Notice::SessionOver(failure) => {
                let actions = self.dialogue.on_session_over(&failure);
                self.perform(actions)?;
                if let (true, Some(heading)) = (self.is_asked, self.dialogue.heading()) {
                    self.printer.print(&self.style.dim(heading));
                }
            }
            Notice::OutboxChanged => self.tell_outcomes()?,
            Notice::Conflict => {
                self.tell_conflicts()?;
            }
            Notice::Received(_) => {
                self.show_waiting()?;
            }
            Notice::Receipt { log, upto } => self.tell_receipt(log, upto),
            Notice::Peeked(_) => {}
            Notice::Transfer(progress) => self.tell_progress(progress),
            Notice::ContactChanged { name, change } => self.tell_contact(name, change),
            Notice::GroupChanged(_) => {}
            Notice::Expired { .. } | Notice::GroupWarning { .. } => {
                if let Some(remark) = Remark::of(&notice) {
                    self.printer.print(&self.style.warning(&remark.line()));
                }
            }
            Notice::Answered { ticket, result } => self.on_answered(ticket, result)?,
        }
        Ok(())
    }

    fn on_signed_in(&mut self, how: &str) -> Result<(), Failure> {
        if let Some(me) = self.shell.core().name() {
            self.printer.print(&format!("{how} as {me}"));
            self.dialogue.on_signed_in(me);
        }
        self.show_waiting()?;
        self.shell.ask(Request::Attach(Reading::All)).map(drop)
    }

    fn on_trouble(&mut self, failure: &Failure) -> Result<(), Failure> {
        if let Some((_, name)) = self.looking.take() {
            return self.show_contact(name, Err(failure.clone()));
        }
        self.dialogue.on_no_connection();
        // A sign-in that cannot reach anybody goes back to its screen; a session keeps trying.
        if self.dialogue.prompt() == Prompt::Nothing {
            self.shell.command(Command::Stop)?;
            let actions = self.dialogue.on_sign_in_failed(failure);
            return self.perform(actions);
        }
        if !std::mem::replace(&mut self.is_in_trouble, true) {
            self.printer.print(&self.style.warning(&still_trying(failure)));
        }
        Ok(())
    }

    fn show_step(&self, step: Step) {
        match step {
            Step::MakingKeys => self.printer.print("making your keys, this takes some seconds …"),
            Step::Stretching => self.printer.print("checking the password …"),
            Step::Connecting => {}
        }
    }

    fn send(&mut self, to: LogId, text: &str) -> Result<(), Failure> {
        let created = self.shell.wall();
        let id = self.shell.store().add_draft(&to, text, created);
        self.sent.insert(id.map_err(|e| store_failure(&e))?, to);
        self.shell.ask(Request::Outbox).map(drop)
    }

    /// Tells what became of the messages sent from here.
    fn tell_outcomes(&mut self) -> Result<(), Failure> {
        for (id, to) in self.sent.clone() {
            let post: Option<PostRecord> =
                self.shell.store().post(id).map_err(|e| store_failure(&e))?;
            let told = match post.map(|post| post_outcome(&post)) {
                Some(Ok(None)) => continue,
                Some(Ok(Some(post))) => {
                    self.await_receipt(&post);
                    self.style.dim(&format!("accepted: your message to {}", shown(&to)))
                }
                Some(Err(failure)) => {
                    self.style.warning(&format!("your message to {}: {failure}", shown(&to)))
                }
                None => String::new(),
            };
            self.sent.remove(&id);
            self.printer.print(&told);
        }
        Ok(())
    }

    /// Shows what nobody has shown yet; how many that were.
    fn show_waiting(&mut self) -> Result<usize, Failure> {
        let broken = |e| store_failure(&e);
        let _lock = self.directory.lock_showing().map_err(broken)?;
        let mut shown = 0;
        loop {
            let messages = self.shell.store().unshown(PAGE).map_err(broken)?;
            if messages.is_empty() {
                return Ok(shown);
            }
            let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
            shown += messages.len();
            for message in messages {
                self.show(message)?;
            }
            if !self.printer.is_flushed() {
                return Err(Failure::unexpected("the screen cannot be written"));
            }
            self.shell.store().mark_shown(&ids).map_err(broken)?;
        }
    }

    fn list_contacts(&mut self) -> Result<(), Failure> {
        let contacts = self.shell.store().contacts().map_err(|e| store_failure(&e))?;
        if contacts.is_empty() {
            self.printer.print("no contacts yet; message someone, or type a name");
        }
        for contact in contacts {
            self.printer.print(&crate::commands::contact_line(&contact, self.style));
        }
        Ok(())
    }

    fn trust(&mut self, name: Name, key: KeyId, verified: bool) -> Result<(), Failure> {
        let ticket = self.shell.ask(Request::Trust { name, key, verified })?;
        self.trusting = Some((ticket, name));
        Ok(())
    }

    fn on_answered(&mut self, ticket: Ticket, result: Result<(), Failure>) -> Result<(), Failure> {
        if let Some((asked, name)) = self.looking
            && asked == ticket
        {
            self.looking = None;
            return self.show_contact(name, result);
        }
        self.on_group_answered(ticket, &result)?;
        self.on_fetched(ticket, &result)?;
        if self.trusting.is_some_and(|(asked, _)| asked == ticket) {
            self.trusting = None;
            if let Err(failure) = result {
                self.printer.print(&failure.text);
            }
        }
        Ok(())
    }

    fn show_contact(&mut self, name: Name, result: Result<(), Failure>) -> Result<(), Failure> {
        let view = view(self.shell.store(), &name)?;
        let Some(view) = view else {
            let text = result.err().map_or("nothing is known of it".to_owned(), |f| f.text);
            self.printer.print(&text);
            self.dialogue.on_contact(None);
            return Ok(());
        };
        let trust = match view.trust {
            Trust::Verified => "you have verified this number".to_owned(),
            Trust::Pinned => "not verified yet: compare it over another channel".to_owned(),
            Trust::Changed => self.style.warning("THE KEY HAS CHANGED since you agreed to it"),
        };
        self.printer.print(&format!(
            "safety number of you and {name}:\n    {}\nfingerprint of {name}: {}\n{trust}",
            self.style.bold(&view.safety_number.to_string()),
            view.key
        ));
        self.dialogue.on_contact(Some((name, view.key)));
        Ok(())
    }

    fn tell_contact(&self, name: Name, change: ContactChange) {
        match change {
            ContactChange::Pinned => {}
            ContactChange::Changed => {
                let text = format!(
                    "{name}'s key has changed; nothing is sent to {name} before you agree (5)"
                );
                self.printer.print(&self.style.warning(&text));
            }
            ContactChange::Trusted => self.printer.print(&format!("{name}'s key is trusted")),
        }
    }
}

/// Asks who sits here, when neither options nor environment say it.
fn ask_user() -> Result<Name, Failure> {
    use std::io::{IsTerminal, stdin};
    if !stdin().is_terminal() {
        return Err(Failure::usage("who are you? use --user NAME or FASTCHAT_USER"));
    }
    loop {
        talk("Who are you? Your username (a new one to sign up):");
        let mut line = String::new();
        let len = stdin()
            .read_line(&mut line)
            .map_err(|error| Failure::new(Code::Usage, format!("standard input: {error}")))?;
        match user_name(line.trim(), "username") {
            Ok(name) => return Ok(name),
            Err(_) if len == 0 => return Err(Failure::usage("no username was given")),
            Err(failure) => talk(&failure.text),
        }
    }
}
