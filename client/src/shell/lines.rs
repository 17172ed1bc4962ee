//! What processes of one data directory say to each other on its socket: one line each.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wire::Name;
use zeroize::Zeroizing;

use crate::core::{Admission, GroupWish, Password, Reading, Request, TransferProgress};
use crate::crypto::keys::KeyId;
use crate::failure::{Code, Failure};
use crate::store::InboxId;

/// Longest line; a longer one ends the conversation. A group's password fits.
pub(super) const LINE_LEN_MAX: usize = 2048;

/// What the holder of the connection says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// The store holds something new.
    Changed,
    /// An attachment has come further on its way.
    Transfer(TransferProgress),
    /// The request is answered.
    Answered(Result<(), Failure>),
}

/// The request as a line, without its end.
pub(super) fn write_request(request: &Request) -> String {
    match request {
        Request::Outbox => "outbox".to_owned(),
        Request::Attach(_) => "attach".to_owned(),
        Request::Fetch(name) => format!("fetch {name}"),
        Request::Trust { name, key, verified } => format!(
            "trust {name} {} {}",
            URL_SAFE_NO_PAD.encode(key.0),
            if *verified { "verified" } else { "pinned" }
        ),
        Request::TrustGroup(group) => format!("trust-group {group}"),
        Request::Groups => "groups".to_owned(),
        Request::Roster(group) => format!("roster {group}"),
        Request::Group { group, wish } => format!("group {group} {}", write_wish(wish)),
        Request::Download(message) => format!("download {}", message.0),
        Request::SignOut => "signout".to_owned(),
    }
}

fn write_wish(wish: &GroupWish) -> String {
    match wish {
        GroupWish::Create(Admission::Open) => "create open".to_owned(),
        GroupWish::Create(Admission::Invitation) => "create invited".to_owned(),
        GroupWish::Create(Admission::Password(password)) => {
            format!("create password {}", write_password(password))
        }
        GroupWish::Join(None) => "join".to_owned(),
        GroupWish::Join(Some(password)) => format!("join {}", write_password(password)),
        GroupWish::Leave => "leave".to_owned(),
        GroupWish::Invite(user) => format!("invite {user}"),
        GroupWish::Remove(user) => format!("remove {user}"),
        GroupWish::HandOver(user) => format!("hand-over {user}"),
        GroupWish::Close => "close".to_owned(),
    }
}

fn write_password(password: &Password) -> String {
    URL_SAFE_NO_PAD.encode(password.bytes())
}

/// The request in a line.
pub(super) fn read_request(line: &str) -> Option<Request> {
    let words: Vec<&str> = line.split(' ').collect();
    Some(match words.as_slice() {
        ["outbox"] => Request::Outbox,
        ["attach"] => Request::Attach(Reading::All),
        ["fetch", name] => Request::Fetch(Name::parse(name).ok()?),
        ["trust", name, key, trust] => Request::Trust {
            name: Name::parse(name).ok()?,
            key: KeyId(URL_SAFE_NO_PAD.decode(key).ok()?.try_into().ok()?),
            verified: match *trust {
                "verified" => true,
                "pinned" => false,
                _ => return None,
            },
        },
        ["trust-group", group] => Request::TrustGroup(Name::parse(group).ok()?),
        ["groups"] => Request::Groups,
        ["roster", group] => Request::Roster(Name::parse(group).ok()?),
        ["group", group, wish @ ..] => {
            Request::Group { group: Name::parse(group).ok()?, wish: read_wish(wish)? }
        }
        ["download", message] => Request::Download(InboxId(message.parse().ok()?)),
        ["signout"] => Request::SignOut,
        _ => return None,
    })
}

fn read_wish(words: &[&str]) -> Option<GroupWish> {
    let user = |text: &str| Name::parse(text).ok();
    Some(match words {
        ["create", "open"] => GroupWish::Create(Admission::Open),
        ["create", "invited"] => GroupWish::Create(Admission::Invitation),
        ["create", "password", password] => {
            GroupWish::Create(Admission::Password(read_password(password)?))
        }
        ["join"] => GroupWish::Join(None),
        ["join", password] => GroupWish::Join(Some(read_password(password)?)),
        ["leave"] => GroupWish::Leave,
        ["invite", name] => GroupWish::Invite(user(name)?),
        ["remove", name] => GroupWish::Remove(user(name)?),
        ["hand-over", name] => GroupWish::HandOver(user(name)?),
        ["close"] => GroupWish::Close,
        _ => return None,
    })
}

fn read_password(text: &str) -> Option<Password> {
    URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| Password::new(Zeroizing::new(bytes)))
}

/// The reply as a line, without its end.
pub(super) fn write_reply(reply: &Reply) -> String {
    match reply {
        Reply::Changed => "changed".to_owned(),
        Reply::Transfer(TransferProgress { is_upload, done, total }) => {
            let way = if *is_upload { "up" } else { "down" };
            format!("transfer {way} {done} {total}")
        }
        Reply::Answered(Ok(())) => "done".to_owned(),
        Reply::Answered(Err(failure)) => {
            let text: String = failure
                .text
                .chars()
                .filter(|letter| !letter.is_control())
                .take(LINE_LEN_MAX / 16)
                .collect();
            format!("failed {} {text}", failure.code.name())
        }
    }
}

/// The reply in a line.
pub(super) fn read_reply(line: &str) -> Option<Reply> {
    if let Some(failed) = line.strip_prefix("failed ") {
        let (code, text) = failed.split_once(' ')?;
        let failure = Failure::new(Code::named(code)?, text);
        return Some(Reply::Answered(Err(failure)));
    }
    match line.split(' ').collect::<Vec<_>>().as_slice() {
        ["changed"] => Some(Reply::Changed),
        ["done"] => Some(Reply::Answered(Ok(()))),
        ["transfer", way @ ("up" | "down"), done, total] => {
            let (done, total) = (done.parse().ok()?, total.parse().ok()?);
            Some(Reply::Transfer(TransferProgress { is_upload: *way == "up", done, total }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wire::Name;

    use super::{LINE_LEN_MAX, Reply, read_reply, read_request, write_reply, write_request};
    use zeroize::Zeroizing;

    use crate::core::{Admission, GroupWish, Password, Reading, Request, TransferProgress};
    use crate::crypto::keys::KeyId;
    use crate::failure::{Code, Failure};
    use crate::store::InboxId;

    #[test]
    fn every_request_and_reply_survives_its_line() {
        let name = Name::parse("bob").expect("a name");
        let key = KeyId([0xfb; 32]);
        for request in [
            Request::Outbox,
            Request::Attach(Reading::All),
            Request::Fetch(name),
            Request::Trust { name, key, verified: true },
            Request::Trust { name, key, verified: false },
            Request::TrustGroup(name),
            Request::Groups,
            Request::Roster(name),
            Request::Download(InboxId(7)),
            Request::SignOut,
        ] {
            assert_eq!(read_request(&write_request(&request)), Some(request));
        }
        for reply in [
            Reply::Changed,
            Reply::Transfer(TransferProgress { is_upload: false, done: 5, total: u64::MAX }),
            Reply::Answered(Ok(())),
            Reply::Answered(Err(Failure::new(Code::NoSuchUser, "no such user"))),
        ] {
            assert_eq!(read_reply(&write_reply(&reply)), Some(reply));
        }
    }

    #[test]
    fn every_change_of_a_group_survives_its_line() {
        let group = Name::parse("rust").expect("a name");
        let password = Password::new(Zeroizing::new(vec![0xff; 1024]));
        for wish in [
            GroupWish::Create(Admission::Open),
            GroupWish::Create(Admission::Invitation),
            GroupWish::Create(Admission::Password(password.clone())),
            GroupWish::Join(None),
            GroupWish::Join(Some(password)),
            GroupWish::Leave,
            GroupWish::Invite(group),
            GroupWish::Remove(group),
            GroupWish::HandOver(group),
            GroupWish::Close,
        ] {
            let request = Request::Group { group, wish };
            let line = write_request(&request);
            assert!(line.len() < LINE_LEN_MAX);
            assert_eq!(read_request(&line), Some(request));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "fetch",
            "fetch 9",
            "trust bob x pinned",
            "outbox now",
            "group rust",
            "group rust be nice",
        ] {
            assert_eq!(read_request(line), None, "{line}");
        }
        assert_eq!(read_reply("failed nonsense text"), None);
    }
}
