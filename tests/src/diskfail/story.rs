//! The fixed story that each failing call is tried in: people write to one who is away, a newcomer
//! signs up, the one comes back, the victim stops and starts, and everybody writes again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use signal_hook::consts::SIGABRT;
use wire::{LogId, Name};

use super::fault::Fault;
use super::scene::Scene;
use super::tracer::Tracer;
use crate::chaos::judge::{Findings, judge};
use crate::chaos::people::Human;
use crate::cluster::{group_at, names_at, read_map};
use crate::copy::copy;

/// The homes of those who take part. The first is away and writes only in the end; the last signs
/// up while the call fails.
const HOMES: [u16; 4] = [1, 2, 1, 1];
/// A server hears within so long that its storage failed: the keeper looks once a second.
const HEARING_TIME_MAX: Duration = Duration::from_secs(10);

/// A cluster at rest that each story begins with a copy of.
pub(super) struct Image {
    folder: PathBuf,
    humans: Vec<Human>,
    groups: BTreeMap<Name, Vec<Name>>,
}

/// How the victim took it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reaction {
    /// It did not begin to serve, and said why.
    Refused,
    /// It aborted.
    Stopped,
    /// It went on until it was told to stop.
    WentOn,
}

/// What came of one story.
#[derive(Clone, Debug)]
pub struct Ended {
    /// A call has failed.
    pub has_struck: bool,
    /// How the victim took it.
    pub reaction: Reaction,
    /// It went on though what it had to make durable may be lost.
    pub is_unheard: bool,
    /// What people saw.
    pub findings: Findings,
    /// Every call of the victim's first life, when all were written down.
    pub trace: String,
}

impl Image {
    /// Makes it in `folder`: accounts, a group, and some posts.
    pub(super) fn make(folder: &Path) -> Self {
        let mut scene = Scene::new(folder);
        scene.begin(None);
        let map = read_map(&scene.cluster());
        let names = names_at(&map, &HOMES);
        let group = group_at(&map, 1);
        let (newcomer, settled) = names.split_last().expect("there are people");
        for (index, name) in settled.iter().enumerate() {
            let person = scene.person(name);
            person.must(&["signup"]);
            person.must(&["group", if index == 0 { "create" } else { "join" }, &group]);
        }
        let mailbox = |index: usize| LogId::mailbox(parse(&names[index]));
        let group = parse(&group);
        let logs = [
            vec![mailbox(1), mailbox(2)],
            vec![mailbox(0), mailbox(2), LogId::group(group)],
            vec![mailbox(0), mailbox(1), LogId::group(group)],
            vec![mailbox(0), mailbox(1)],
        ];
        for (name, logs) in names.iter().zip(logs) {
            scene.humans.push(Human::new(scene.person(name), &scene.home(name), logs));
        }
        let newcomer = scene.humans.pop().filter(|human| human.person.name == *newcomer);
        // Mailboxes are narrow for strangers, until they are read.
        scene.humans.iter_mut().for_each(Human::read);
        scene.humans.iter_mut().for_each(Human::write);
        scene.until("all have written", |scene| scene.is_silent());
        let members = settled.iter().map(|name| parse(name)).collect();
        let groups = BTreeMap::from([(group, members)]);
        scene.until("all is read", |scene| is_at_rest(scene, &groups));
        scene.stop();
        assert!(scene.violations.is_empty(), "{:?}", scene.violations);
        let mut humans = std::mem::take(&mut scene.humans);
        humans.extend(newcomer);
        Self { folder: folder.to_owned(), humans, groups }
    }

    /// Plays the story in a copy at `place`, and lets the call fail; without one, all calls of the
    /// victim's first life are written down.
    pub(super) fn play(&self, place: &Path, fault: Option<&Fault>) -> Ended {
        let mut scene = self.set(place);
        let tracer = Tracer::new(fault, &scene.victim_folder, &place.join("trace"));
        scene.begin(Some(tracer.command()));
        while_it_fails(&mut scene, &self.groups);
        if fault.is_none_or(Fault::is_of_keeper) {
            // For every other call the second until it comes would be wasted.
            scene.wait_for_keeper();
        }
        let is_unheard = tracer.is_deadly() && scene.outlast(HEARING_TIME_MAX);
        if let Err(what) = scene.end_first_life()
            && !tracer.has_struck()
        {
            scene.violations.push(what);
        }
        afterwards(&mut scene, &self.groups);
        scene.stop();
        let reaction = reaction(&mut scene);
        let mut findings = judge(&scene.parties(), &self.groups);
        check_epochs(&mut scene);
        findings.violations.append(&mut scene.violations);
        let (has_struck, trace) = (tracer.has_struck(), tracer.trace());
        Ended { has_struck, reaction, is_unheard, findings, trace }
    }

    fn set(&self, place: &Path) -> Scene {
        if place.exists() {
            fs::remove_dir_all(place).expect("the last copy goes");
        }
        copy(&self.folder, place, &|_| true, false).expect("the image can be copied");
        let mut scene = Scene::new(place);
        for human in &self.humans {
            let name = &human.person.name;
            let moved = human.moved(scene.person(name), &scene.home(name));
            scene.humans.push(moved);
        }
        scene
    }
}

/// Everybody but the first writes, while one signs up who then writes too. Then all read.
fn while_it_fails(scene: &mut Scene, groups: &BTreeMap<Name, Vec<Name>>) {
    let newcomer = scene.humans.pop().expect("there are people");
    scene.humans.iter_mut().skip(1).for_each(Human::write);
    scene.sign_up(scene.person(&newcomer.person.name));
    let have_written = scene.until("all have written", |scene| scene.is_silent());
    scene.humans.push(newcomer);
    if !have_written {
        return;
    }
    scene.humans.iter_mut().skip(3).for_each(Human::write);
    scene.until("the newcomer has written", |scene| scene.is_silent());
    scene.humans.iter_mut().for_each(Human::read);
    scene.until("all that was accepted is read", |scene| judge(&scene.parties(), groups).lost == 0);
}

/// Everybody writes again, also what waited, and all is read.
fn afterwards(scene: &mut Scene, groups: &BTreeMap<Name, Vec<Name>>) {
    scene.humans.iter_mut().for_each(Human::write);
    scene.until("all have written again", |scene| scene.is_silent());
    scene.until("everything is at rest", |scene| is_at_rest(scene, groups));
}

fn is_at_rest(scene: &Scene, groups: &BTreeMap<Name, Vec<Name>>) -> bool {
    let parties = scene.parties();
    parties.iter().all(|party| party.is_answered()) && judge(&parties, groups).lost == 0
}

/// How the victim took it; that it ended otherwise than it may is a violation.
fn reaction(scene: &mut Scene) -> Reaction {
    let Some(status) = scene.end else { return Reaction::WentOn };
    let (reaction, is_proper) = match scene.has_listened {
        true => (Reaction::Stopped, status.signal() == Some(SIGABRT)),
        false => (Reaction::Refused, status.code() == Some(1)),
    };
    if !is_proper {
        scene.violations.push(format!("the server ended by itself, and not as it may: {status}"));
    }
    reaction
}

/// An epoch that was served is never served again: every seq carries one.
fn check_epochs(scene: &mut Scene) {
    let epochs = scene.epochs();
    if !epochs.is_sorted_by(|one, next| one < next) {
        scene.violations.push(format!("epochs do not rise: {epochs:?}"));
    }
}

fn parse(name: &str) -> Name {
    name.parse().expect("names of people and groups are valid")
}
