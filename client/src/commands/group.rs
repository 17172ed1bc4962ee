//! `group …`: create, join and leave groups, see and change who is in them.

use std::io::{IsTerminal, stdin};
use std::time::Duration;

use serde_json::{Value, json};
use wire::Name;
use wire::roster::{Policy, Roster};

use super::Local;
use super::password::{self, Kind};
use super::task::{self, Flow, Task};
use crate::args::group::{Create, GroupCommand, Join};
use crate::config::{group_name, user_name};
use crate::core::{Admission, GroupWish, Password, Request};
use crate::failure::{Code, Failure};
use crate::output::{Style, data, talk};
use crate::shell::store_failure;
use crate::store::{ClaimState, GroupRecord, KeptClaim, RosterClaim, Store};

/// `fastchat group`.
pub(super) fn group(local: Local, command: GroupCommand) -> Result<(), Failure> {
    local.signed_in()?;
    match command {
        GroupCommand::Create(command) => create(local, &command),
        GroupCommand::Join(command) => join(local, &command),
        GroupCommand::List(_) => task::run(&mut Listing { is_json: local.is_json }, local),
        GroupCommand::Members(command) => {
            let group = group_name(&command.name)?;
            task::run(&mut Members { group, is_json: local.is_json }, local)
        }
        GroupCommand::Trust(command) => {
            let group = group_name(&command.name)?;
            task::run(&mut Trusting { group, is_json: local.is_json }, local)
        }
        GroupCommand::Leave(command) => change(local, &command.name, GroupWish::Leave),
        GroupCommand::Close(command) => change(local, &command.name, GroupWish::Close),
        GroupCommand::Invite(command) => {
            let user = user_name(&command.user, "USER")?;
            change(local, &command.name, GroupWish::Invite(user))
        }
        GroupCommand::Remove(command) => {
            let user = user_name(&command.user, "USER")?;
            change(local, &command.name, GroupWish::Remove(user))
        }
        GroupCommand::HandOver(command) => {
            let user = user_name(&command.user, "USER")?;
            change(local, &command.name, GroupWish::HandOver(user))
        }
    }
}

/// What a done change is called, to people.
#[must_use]
pub fn done(group: &Name, wish: &GroupWish) -> String {
    match wish {
        GroupWish::Create(Admission::Open) => format!("created #{group}; everybody may join"),
        GroupWish::Create(Admission::Password(_)) => {
            format!("created #{group}; who knows its password may join")
        }
        GroupWish::Create(Admission::Invitation) => {
            format!("created #{group}; whom you invite may join")
        }
        GroupWish::Join(_) => format!("joined #{group}"),
        GroupWish::Leave => format!("left #{group}"),
        GroupWish::Invite(user) => format!("{user} may join #{group}"),
        GroupWish::Remove(user) => format!("removed {user} from #{group}"),
        GroupWish::HandOver(user) => format!("{user} is the admin of #{group} now"),
        GroupWish::Close => format!("closed #{group}"),
    }
}

/// What is said when the user goes on in spite of doubts.
#[must_use]
pub fn trusted(group: &Name) -> String {
    format!("#{group} is used as its home shows it here")
}

/// The groups that the account is in, each on a line for people.
///
/// # Errors
/// The store fails.
pub fn list_lines(store: &Store, style: Style) -> Result<Vec<String>, Failure> {
    let groups = joined(store)?;
    Ok(groups.iter().map(|group| list_line(group, style)).collect())
}

/// Who is in `group`, each on a line for people.
///
/// # Errors
/// The store fails, or nothing is known of the group.
pub fn member_lines(store: &Store, group: &Name, style: Style) -> Result<Vec<String>, Failure> {
    let (roster, claims) = roster(store, group)?;
    let doubts = claims.iter().filter_map(doubt).map(|text| style.warning(&text));
    let members = roster.members().map(|(name, _)| match *name == roster.admin() {
        true => format!("{} {}", style.bold(name.as_str()), style.dim("(admin)")),
        false => style.bold(name.as_str()),
    });
    let invited = roster
        .invited()
        .map(|name| format!("{} {}", style.bold(name.as_str()), style.dim("(invited)")));
    Ok(members.chain(invited).chain(doubts).collect())
}

/// A member's word against the roster, to people.
fn doubt(kept: &KeptClaim) -> Option<String> {
    let RosterClaim { sender, version, .. } = kept.claim;
    let words = match kept.state {
        ClaimState::Open => return None,
        ClaimState::Contradicting => "you have not agreed to go on",
        ClaimState::Agreed => "you have agreed to go on",
    };
    Some(format!("contradicted by {sender}, by another change {version} than here; {words}"))
}

fn create(local: Local, command: &Create) -> Result<(), Failure> {
    let asks = command.password || command.group_password_file.is_some();
    let given = password::for_group(command.group_password_file.as_deref())?;
    let password = match given {
        None if command.password => Some(password::prompt_new(Kind::Group)?),
        given => given,
    };
    let admission = match (password, command.invite_only) {
        (Some(_), true) if asks => {
            return Err(Failure::usage("--invite-only and a group password exclude each other"));
        }
        (Some(_), true) => {
            return Err(Failure::usage(
                "--invite-only and a group password exclude each other; unset \
                 FASTCHAT_GROUP_PASSWORD",
            ));
        }
        (Some(password), false) => Admission::Password(password),
        (None, true) => Admission::Invitation,
        (None, false) => Admission::Open,
    };
    change(local, &command.name, GroupWish::Create(admission))
}

/// A group with a password says so; on a terminal the user is asked for it then.
fn join(local: Local, command: &Join) -> Result<(), Failure> {
    let given = password::for_group(command.group_password_file.as_deref())?;
    let password = match given {
        None if command.password => Some(prompt()?),
        given => given,
    };
    let (config, is_json) = (local.config.clone(), local.is_json);
    let was_given = password.is_some();
    let result = change(local, &command.name, GroupWish::Join(password));
    match result {
        Err(failure)
            if failure.code == Code::WrongGroupPassword && !was_given && can_ask(is_json) =>
        {
            let password = prompt()?;
            let local = Local::open(config, is_json)?;
            change(local, &command.name, GroupWish::Join(Some(password)))
        }
        result => result,
    }
}

fn prompt() -> Result<Password, Failure> {
    password::prompt("Group password: ", Kind::Group)
}

fn can_ask(is_json: bool) -> bool {
    !is_json && stdin().is_terminal()
}

fn change(local: Local, name: &str, wish: GroupWish) -> Result<(), Failure> {
    let group = group_name(name)?;
    task::run(&mut Changing { group, wish, is_json: local.is_json }, local)
}

/// Carries one change through.
struct Changing {
    group: Name,
    wish: GroupWish,
    is_json: bool,
}

impl Task for Changing {
    fn request(&self) -> Request {
        Request::Group { group: self.group, wish: self.wish.clone() }
    }

    fn time_max(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        Ok(Flow::On)
    }

    fn on_answered(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        match self.is_json {
            true => data(&change_json(&self.group, &self.wish).to_string())?,
            false => data(&done(&self.group, &self.wish))?,
        }
        Ok(Flow::Done)
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        trouble.map_or(Ok(()), Err)
    }
}

struct Listing {
    is_json: bool,
}

impl Task for Listing {
    fn request(&self) -> Request {
        Request::Groups
    }

    fn time_max(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        Ok(Flow::On)
    }

    fn on_answered(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        let groups = joined(store)?;
        if groups.is_empty() && !self.is_json {
            talk("you are in no group; create one, or join one by its name");
        }
        for group in groups {
            match self.is_json {
                true => data(&list_json(&group).to_string())?,
                false => data(&list_line(&group, Style::detect()))?,
            }
        }
        Ok(Flow::Done)
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        trouble.map_or(Ok(()), Err)
    }
}

struct Members {
    group: Name,
    is_json: bool,
}

impl Task for Members {
    fn request(&self) -> Request {
        Request::Roster(self.group)
    }

    fn time_max(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        Ok(Flow::On)
    }

    fn on_answered(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        let lines = match self.is_json {
            true => members_json(store, &self.group)?,
            false => member_lines(store, &self.group, Style::detect())?,
        };
        for line in lines {
            data(&line)?;
        }
        Ok(Flow::Done)
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        trouble.map_or(Ok(()), Err)
    }
}

/// Goes on with a group whose members are in doubt.
struct Trusting {
    group: Name,
    is_json: bool,
}

impl Task for Trusting {
    fn request(&self) -> Request {
        Request::TrustGroup(self.group)
    }

    fn time_max(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        Ok(Flow::On)
    }

    fn on_answered(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        let group = format!("#{}", self.group);
        match self.is_json {
            true => data(&json!({ "status": "trusted", "group": group }).to_string())?,
            false => data(&trusted(&self.group))?,
        }
        Ok(Flow::Done)
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        trouble.map_or(Ok(()), Err)
    }
}

fn joined(store: &Store) -> Result<Vec<GroupRecord>, Failure> {
    let broken = |e| store_failure(&e);
    let names = store.groups().map_err(broken)?;
    let names = names.into_iter().filter(|(_, ended)| ended.is_none()).map(|(name, _)| name);
    let groups = names.filter_map(|name| store.group(&name).transpose());
    groups.collect::<Result<_, _>>().map_err(broken)
}

fn roster(store: &Store, group: &Name) -> Result<(Roster, Vec<KeptClaim>), Failure> {
    let record = store.group(group).map_err(|e| store_failure(&e))?;
    let known = record.and_then(|record| Some((record.roster?, record.claims)));
    known.ok_or_else(|| Failure::unexpected(format!("nothing is known of #{group}")))
}

fn list_line(group: &GroupRecord, style: Style) -> String {
    let name = style.bold(&format!("{:<17}", format!("#{}", group.name)));
    match &group.roster {
        Some(roster) => {
            let count = roster.members().len();
            let members =
                if count == 1 { "1 member".to_owned() } else { format!("{count} members") };
            let admin = style.dim(&format!("admin {}", roster.admin()));
            format!("{name} {members}, {}, {admin}", entrance(roster.policy()))
        }
        None => name,
    }
}

fn entrance(policy: Policy) -> &'static str {
    match policy {
        Policy::Open => "open",
        Policy::Password => "with a password",
        Policy::Invitation => "for the invited",
    }
}

fn list_json(group: &GroupRecord) -> Value {
    let roster = group.roster.as_ref();
    json!({
        "group": format!("#{}", group.name),
        "admin": roster.map(|roster| roster.admin().to_string()),
        "members": roster.map(|roster| roster.members().len()),
        "policy": roster.map(|roster| policy_name(roster.policy())),
    })
}

fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Open => "open",
        Policy::Password => "password",
        Policy::Invitation => "invitation",
    }
}

fn members_json(store: &Store, group: &Name) -> Result<Vec<String>, Failure> {
    let (roster, claims) = roster(store, group)?;
    let group = format!("#{group}");
    let doubts = claims.iter().filter(|kept| kept.state != ClaimState::Open).map(|kept| {
        let (user, agreed) = (kept.claim.sender.as_str(), kept.state == ClaimState::Agreed);
        json!({ "group": group, "user": user, "contradicts": kept.claim.version, "agreed": agreed })
            .to_string()
    });
    let line = |user: &Name, role: &str| {
        json!({ "group": group, "user": user.as_str(), "role": role }).to_string()
    };
    let members = roster.members().map(|(name, _)| match *name == roster.admin() {
        true => line(name, "admin"),
        false => line(name, "member"),
    });
    let invited = roster.invited().map(|name| line(name, "invited"));
    Ok(members.chain(invited).chain(doubts).collect())
}

fn change_json(group: &Name, wish: &GroupWish) -> Value {
    let (status, user) = match wish {
        GroupWish::Create(_) => ("created", None),
        GroupWish::Join(_) => ("joined", None),
        GroupWish::Leave => ("left", None),
        GroupWish::Invite(user) => ("invited", Some(user)),
        GroupWish::Remove(user) => ("removed", Some(user)),
        GroupWish::HandOver(user) => ("handed-over", Some(user)),
        GroupWish::Close => ("closed", None),
    };
    let mut value = json!({ "status": status, "group": format!("#{group}") });
    if let Some(user) = user {
        value["user"] = json!(user.as_str());
    }
    value
}

#[cfg(test)]
mod tests {
    use wire::Name;

    use super::change_json;
    use crate::core::{Admission, GroupWish};

    #[test]
    fn each_change_has_its_own_words() {
        let group = Name::parse("rust").expect("a name");
        let user = Name::parse("bob").expect("a name");
        let wishes = [
            GroupWish::Create(Admission::Open),
            GroupWish::Join(None),
            GroupWish::Leave,
            GroupWish::Invite(user),
            GroupWish::Remove(user),
            GroupWish::HandOver(user),
            GroupWish::Close,
        ];
        let mut lines: Vec<String> = wishes.iter().map(|wish| super::done(&group, wish)).collect();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), wishes.len());
        assert_eq!(
            change_json(&group, &GroupWish::Remove(user)).to_string(),
            "{\"group\":\"#rust\",\"status\":\"removed\",\"user\":\"bob\"}"
        );
    }
}
