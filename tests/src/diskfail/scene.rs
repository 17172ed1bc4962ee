//! A small cluster of real processes and the people who use it. One server is the victim: its
//! first life may end by itself, then it is started again without faults.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use wire::ServerId;
use wire::net::Clock;

use super::fault::WATERMARK;
use super::folder::Folder;
use crate::chaos::machines::{Heard, Machines};
use crate::chaos::party::Party;
use crate::chaos::people::Human;
use crate::chaos::process::{Process, output};
use crate::chaos::schedule::Target;
use crate::person::Person;

/// Servers of the cluster.
pub(super) const SERVERS: u16 = 2;
/// The server whose calls fail.
pub(super) const VICTIM: Target = Target::Server(ServerId(1));
/// How often it is looked who has ended.
const TICK: Duration = Duration::from_millis(10);
/// A store whose files stay the same for so many looks moves no more of them.
const SETTLED_LOOKS: u32 = 10;
/// Everything comes within so long: pauses before people and servers try again are 5 s at most.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Everybody who takes part.
pub(super) struct Scene {
    pub(super) folder: PathBuf,
    pub(super) humans: Vec<Human>,
    /// What does not hold.
    pub(super) violations: Vec<String>,
    machines: Machines,
    heard: Receiver<Heard>,
    listening: BTreeSet<Target>,
    /// What holds the victim's store.
    pub(super) victim_folder: Folder,
    /// The watermark when the victim began to serve.
    first: Vec<u8>,
    /// The victim is in the life that may end by itself.
    is_frail: bool,
    /// How that life ended by itself.
    pub(super) end: Option<ExitStatus>,
    /// The victim listened in that life.
    pub(super) has_listened: bool,
    /// Somebody who signs up, again and again until it is done.
    newcomer: Option<Newcomer>,
}

struct Newcomer {
    person: Person,
    process: Process,
    is_done: bool,
}

impl Scene {
    /// The cluster in `folder`, which is made there unless it is there; nothing runs yet.
    pub(super) fn new(folder: &Path) -> Self {
        let (tell, heard) = channel();
        let cluster = folder.join("cluster");
        fs::create_dir_all(&cluster).expect("the folder can be written");
        let machines = Machines::new(&cluster, SERVERS, tell);
        let store = machines.store(ServerId(1));
        let victim_folder = Folder::new(store.parent().expect("it is in a folder"));
        Self {
            folder: folder.to_owned(),
            humans: Vec::new(),
            violations: Vec::new(),
            machines,
            heard,
            listening: BTreeSet::new(),
            victim_folder,
            first: Vec::new(),
            is_frail: false,
            end: None,
            has_listened: false,
            newcomer: None,
        }
    }

    /// The cluster's folder.
    pub(super) fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// A person of this cluster, with a home in its folder.
    pub(super) fn person(&self, name: &str) -> Person {
        let home = self.home(name);
        fs::create_dir_all(&home).expect("the folder can be written");
        Person::at(&home, self.machines.environment(), name, "correct horse")
    }

    pub(super) fn home(&self, name: &str) -> PathBuf {
        self.folder.join("people").join(name)
    }

    /// Starts all machines, the victim as what `tracer` runs; waits until all listen.
    pub(super) fn begin(&mut self, tracer: Option<Command>) {
        self.is_frail = tracer.is_some();
        if self.is_frail {
            self.victim_folder.prepare().expect("the folder can be written");
        }
        self.machines.start_under(VICTIM, tracer);
        let others: Vec<Target> = self.machines.processes().keys().copied().collect();
        others.into_iter().filter(|target| *target != VICTIM).for_each(|t| self.machines.start(t));
        self.wait_for_all();
        if self.is_frail {
            self.settle();
        }
        if self.is_frail {
            self.first = self.watermark();
            self.victim_folder.rename().expect("a folder can be renamed");
        }
    }

    /// Waits until the store moves no more files: compactions go on when a server listens already.
    fn settle(&mut self) {
        let store = self.machines.store(ServerId(1));
        let files = || {
            let names = fs::read_dir(&store).expect("it is there");
            names.map(|entry| entry.expect("it is there").file_name()).collect::<BTreeSet<_>>()
        };
        let (mut before, mut looks) = (files(), 0);
        while self.is_frail && looks < SETTLED_LOOKS {
            self.pass();
            let now = files();
            looks = if now == before { looks + 1 } else { 0 };
            before = now;
        }
    }

    fn wait_for_all(&mut self) {
        let all: BTreeSet<Target> = self.machines.processes().keys().copied().collect();
        self.until("all machines listen", |scene| scene.listening == all);
    }

    /// Lets time pass until `is_so`, and says whether it came; that it did not is a violation.
    pub(super) fn until(&mut self, what: &str, is_so: impl Fn(&mut Self) -> bool) -> bool {
        let clock = Clock::new();
        let begun = clock.now();
        while !is_so(self) {
            if clock.now().since(begun) > WAIT_MAX {
                self.violations.push(format!("did not come: {what}"));
                return false;
            }
            self.pass();
        }
        true
    }

    fn pass(&mut self) {
        if let Ok(heard) = self.heard.recv_timeout(TICK) {
            self.hear(&heard);
        }
        let ended = self.machines.processes().iter_mut();
        let ended = ended.filter_map(|(target, process)| Some((*target, process.ended()?)));
        let ended: Vec<(Target, ExitStatus)> = ended.collect();
        for (target, status) in ended {
            self.on_ended(target, status);
        }
        if let Some(newcomer) = &mut self.newcomer {
            newcomer.go_on();
        }
        for human in &mut self.humans {
            // A `send` that could not send everything says so: a later one sends it.
            human.writer.ended();
            if let Some(status) = human.reader.ended() {
                let name = &human.reader.name;
                self.violations.push(format!("{name} ended by itself: {status}"));
            }
        }
    }

    fn hear(&mut self, heard: &Heard) {
        self.machines.on_heard(heard);
        let process = &self.machines.processes()[&heard.target];
        let is_now = process.lives == heard.life && process.is_running();
        self.has_listened |= heard.target == VICTIM && heard.life == 1;
        if is_now {
            self.listening.insert(heard.target);
        }
    }

    fn on_ended(&mut self, target: Target, status: ExitStatus) {
        self.listening.remove(&target);
        if target == VICTIM && std::mem::take(&mut self.is_frail) {
            self.end = Some(status);
            self.machines.start(VICTIM);
        } else {
            let name = self.machines.processes()[&target].name.clone();
            self.violations.push(format!("{name} ended by itself: {status}"));
        }
    }

    /// Lets time pass while the victim's first life lasts, at most for `limit`. Whether it lasts.
    pub(super) fn outlast(&mut self, limit: Duration) -> bool {
        let clock = Clock::new();
        let begun = clock.now();
        while self.is_frail && clock.now().since(begun) < limit {
            self.pass();
        }
        self.is_frail
    }

    /// Ends the victim's first life in an orderly way, if it still lasts, and begins the next.
    ///
    /// # Errors
    /// It does not end as it should.
    pub(super) fn end_first_life(&mut self) -> Result<(), String> {
        let mut ended = Ok(());
        if std::mem::take(&mut self.is_frail) {
            self.listening.remove(&VICTIM);
            ended = self.machines.processes().get_mut(&VICTIM).expect("it is one").stop();
            self.machines.start(VICTIM);
        }
        self.wait_for_all();
        ended
    }

    /// Waits until the victim's first life is over, or its keeper has written the watermark.
    pub(super) fn wait_for_keeper(&mut self) {
        self.until("a watermark", |scene| !scene.is_frail || scene.watermark() != scene.first);
    }

    fn watermark(&self) -> Vec<u8> {
        let path = self.victim_folder.name(false).join(WATERMARK);
        fs::read(path).expect("an opened store has a watermark")
    }

    /// Somebody signs up, and tries until it is done.
    pub(super) fn sign_up(&mut self, person: Person) {
        let process = Process::new(format!("{}'s signup", person.name));
        self.newcomer = Some(Newcomer { person, process, is_done: false });
    }

    /// Nobody is signing up or sending any more.
    pub(super) fn is_silent(&self) -> bool {
        self.newcomer.as_ref().is_none_or(|newcomer| newcomer.is_done)
            && self.humans.iter().all(|human| !human.writer.is_running())
    }

    /// What everybody knows.
    pub(super) fn parties(&self) -> Vec<Party> {
        self.humans.iter().map(Party::of_human).collect()
    }

    /// Stops everybody in an orderly way.
    pub(super) fn stop(&mut self) {
        let mut ends: Vec<_> = self.humans.iter_mut().map(|human| human.reader.stop()).collect();
        ends.extend(self.machines.processes().values_mut().rev().map(Process::stop));
        self.violations.extend(ends.into_iter().filter_map(Result::err));
    }

    /// The victim's store epochs, as it served them one after the other.
    pub(super) fn epochs(&self) -> Vec<u32> {
        let log = fs::read_to_string(self.machines.log(VICTIM)).expect("it has listened");
        let listening = log.lines().filter(|line| line.contains("listening"));
        let epoch = |line: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix("epoch="));
            word.and_then(|word| word.parse().ok()).expect("it names its epoch")
        };
        listening.map(epoch).collect()
    }
}

impl Newcomer {
    fn go_on(&mut self) {
        if self.is_done {
            return;
        }
        self.is_done = self.process.ended().is_some_and(|status| status.success());
        if self.is_done || self.process.is_running() {
            return;
        }
        let mut command = self.person.command(&["signup"]);
        let talk = || output(&self.person.home().join("signup.out")).expect("it can be written");
        command.stdin(Stdio::null()).stdout(talk()).stderr(talk());
        self.process.start(command);
    }
}
