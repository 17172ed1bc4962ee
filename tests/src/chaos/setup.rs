//! Before the faults: the cluster stands, people have accounts and groups, and everybody writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use wire::{LogId, Name};

use super::Options;
use super::child_plan::ChildPlan;
use super::machines::Machines;
use super::people::Human;
use super::process::Process;
use super::schedule::Target;
use super::stage::{Kid, Stage};
use super::watch::Watch;
use crate::DEADLINE;
use crate::cluster::{group_at, names_at, read_map};
use crate::person::Person;

/// Servers of the cluster.
pub(super) const SERVERS: u16 = 3;
/// Members of each group among the clients under load; every person is a member besides.
const MEMBERS: usize = 3;
/// Sign-ups at one time.
const SIGN_UPS: usize = 4;
/// Each client under load has so many posts accepted before the faults begin.
const WARM_UP: u64 = 30;

/// Brings everybody on the stage, and waits until all are at work.
///
/// # Panics
/// When they are not before the deadline.
pub(super) fn set(options: &Options, folder: &Path, clients: &Path) -> Stage {
    let (tell, heard) = channel();
    let mut machines = Machines::new(folder, SERVERS, tell);
    let targets: Vec<Target> = machines.processes().keys().copied().collect();
    targets.iter().for_each(|target| machines.start(*target));
    let environment = machines.environment();
    let mut stage = Stage::new(machines, heard, options.program.clone());
    stage.pass(stage.clock.now() + Duration::from_millis(500));

    let map = read_map(folder);
    let homes: Vec<u16> = (1..=SERVERS).cycle().take(options.children + options.people).collect();
    let people: Vec<Person> = names_at(&map, &homes)
        .iter()
        .map(|name| Person::at(&clients.join(name), environment.clone(), name, "correct horse"))
        .collect();
    let groups = [1, 2].map(|home| group_at(&map, home));
    sign_up(&mut stage, &people);
    gather(&mut stage, options, &people, &groups);
    println!("{} accounts, 2 groups", people.len());

    cast(&mut stage, options, people, &environment);
    stage.is_writing = true;
    let kids = (0..options.children).map(Target::Child);
    let humans =
        (0..options.people).flat_map(|index| [Target::Reader(index), Target::Writer(index)]);
    kids.chain(humans).for_each(|target| stage.start(target));
    let is_warm = stage.pass_until(DEADLINE, |stage| {
        stage.accepted();
        stage.kids.iter().all(|kid| kid.watch.accepted >= WARM_UP)
            && stage.humans.iter().all(|human| !human.accepted().is_empty())
    });
    assert!(is_warm, "everybody is at work before the deadline");
    stage
}

fn sign_up(stage: &mut Stage, people: &[Person]) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..SIGN_UPS)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(person) = people.get(next.fetch_add(1, Ordering::Relaxed)) {
                        fs::create_dir_all(person.home()).expect("the folder can be written");
                        person.must(&["signup"]);
                    }
                })
            })
            .collect();
        stage.pass_until(2 * DEADLINE, |_| {
            workers.iter().all(thread::ScopedJoinHandle::is_finished)
        });
    });
}

/// Makes the groups: each has some of the clients under load, and every person.
fn gather(stage: &mut Stage, options: &Options, people: &[Person], groups: &[String]) {
    for (index, group) in groups.iter().enumerate() {
        let members = members(options, index);
        for (at, member) in members.iter().enumerate() {
            let verb = if at == 0 { "create" } else { "join" };
            people[*member].must(&["group", verb, group]);
        }
        let names = members.iter().map(|member| name(&people[*member]));
        stage.groups.insert(group.parse().expect("groups have names"), names.collect());
    }
}

fn members(options: &Options, group: usize) -> Vec<usize> {
    let kids = (0..MEMBERS).map(|member| (group * MEMBERS + member) % options.children);
    let mut members: Vec<usize> = kids.collect();
    members.extend(options.children..options.children + options.people);
    members.sort_unstable();
    members.dedup();
    members
}

/// Decides who writes to whom. Whoever is written to writes back: mailboxes are narrow for
/// strangers.
fn cast(
    stage: &mut Stage,
    options: &Options,
    people: Vec<Person>,
    environment: &BTreeMap<String, String>,
) {
    let names: Vec<Name> = people.iter().map(name).collect();
    let (count, humans) = (options.children, options.people);
    let groups_of = |stage: &Stage, name: &Name| -> Vec<LogId> {
        let mine = stage.groups.iter().filter(|(_, members)| members.contains(name));
        mine.map(|(group, _)| LogId::group(*group)).collect()
    };
    for (index, person) in people.into_iter().enumerate() {
        let mailbox = |index: usize| LogId::mailbox(names[index]);
        let mut logs = groups_of(stage, &names[index]);
        let folder = person.home().to_owned();
        if index >= count {
            let kids = (0..count).filter(|kid| kid % humans == index - count);
            logs.extend(kids.map(mailbox));
            logs.extend((count..count + humans).filter(|other| *other != index).map(mailbox));
            stage.humans.push(Human::new(person, &folder, logs));
            continue;
        }
        let near = [1, 2, count - 1, count - 2].map(|step| mailbox((index + step) % count));
        logs.extend(near.into_iter().chain(near));
        logs.push(mailbox(count + index % humans));
        let plan = ChildPlan {
            name: names[index],
            data: person.data(),
            keys: person.keys(),
            router: environment["FASTCHAT_ROUTER"].clone(),
            ca: PathBuf::from(&environment["FASTCHAT_CA"]),
            logs,
            rate: options.rate.div_ceil(u32::try_from(count).expect("few")),
        };
        plan.write(&folder).expect("the folder can be written");
        let process = Process::new(format!("{}'s client", person.name));
        let watch = Watch::new(&folder.join("journal"));
        stage.kids.push(Kid { plan, folder, process, watch });
    }
}

fn name(person: &Person) -> Name {
    person.name.parse().expect("people have names")
}
