//! Every path through the menu, as typed.

use wire::{LogId, Name};
use zeroize::Zeroizing;

use super::{Action, Dialogue, Prompt};
use crate::core::{Admission, GroupWish, Password};
use crate::crypto::keys::KeyId;
use crate::failure::{Code, Failure};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec()))
}

fn signed_in() -> Dialogue {
    let mut dialogue = Dialogue::new(None, None);
    dialogue.on_signed_in(name("alice"));
    dialogue
}

#[test]
fn a_new_user_chooses_a_name_and_types_the_password_twice() {
    let mut dialogue = Dialogue::new(None, None);
    assert!(dialogue.on_line("1").is_empty());
    assert!(matches!(dialogue.on_line("9x").as_slice(), [Action::Print(_)]));
    assert!(dialogue.on_line("Alice").is_empty());
    assert!(dialogue.on_secret(Ok(password("pw"))).is_empty());
    let wrong = dialogue.on_secret(Ok(password("other")));
    assert!(matches!(wrong.as_slice(), [Action::Print(text)] if text.contains("differ")));
    dialogue.on_line("1");
    dialogue.on_line("alice");
    dialogue.on_secret(Ok(password("pw")));
    let actions = dialogue.on_secret(Ok(password("pw")));
    assert!(matches!(actions.as_slice(), [Action::SignUp(who, _)] if *who == name("alice")));
    assert_eq!(dialogue.prompt(), Prompt::Nothing);
    dialogue.on_signed_in(name("alice"));
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
}

#[test]
fn a_session_elsewhere_can_be_taken_over_or_left_alone() {
    let elsewhere = Failure::new(Code::AlreadyLoggedIn, "elsewhere");
    for (answer, takes_over) in [("y", true), ("", false)] {
        let mut dialogue = Dialogue::new(Some(name("alice")), None);
        dialogue.on_line("2");
        dialogue.on_line("");
        dialogue.on_secret(Ok(password("pw")));
        dialogue.on_sign_in_failed(&elsewhere);
        let actions = dialogue.on_line(answer);
        let takeover = matches!(actions.as_slice(), [Action::SignIn(_, _, true)]);
        assert_eq!(takeover, takes_over);
    }
}

#[test]
fn a_file_is_sent_with_or_without_a_caption() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    for (to, caption) in [("bob", ""), ("#rust", "look")] {
        let mut dialogue = signed_in();
        assert!(dialogue.on_line("6").is_empty());
        let none = dialogue.on_line("/no/such/file");
        assert!(matches!(none.as_slice(), [Action::Print(_)]));
        assert!(dialogue.on_line(path).is_empty());
        assert!(matches!(dialogue.on_line("9").as_slice(), [Action::Print(_)]));
        assert!(dialogue.on_line(to).is_empty());
        let actions = dialogue.on_line(caption);
        let [Action::SendFile(log, sent, words)] = actions.as_slice() else {
            panic!("{actions:?}");
        };
        assert_eq!((super::shown(log).as_str(), words.as_str()), (to, caption));
        assert_eq!(sent.as_path(), file.path());
        assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
    }
    let mut dialogue = signed_in();
    dialogue.on_line("6");
    assert!(dialogue.on_line("").is_empty(), "back");
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
}

#[test]
fn a_message_is_sent_from_the_menu_or_in_one_line() {
    let mut dialogue = signed_in();
    dialogue.on_line("1");
    dialogue.on_line("bob");
    let actions = dialogue.on_line("hello there");
    assert!(matches!(actions.as_slice(), [Action::Send(to, text)]
            if *to == LogId::mailbox(name("bob")) && text == "hello there"));
    let actions = dialogue.on_line("@bob me again");
    assert!(matches!(actions.as_slice(), [Action::Send(_, text)] if text == "me again"));
    let long = format!("@bob {}", "x".repeat(100_000));
    assert!(matches!(dialogue.on_line(&long).as_slice(), [Action::Print(_)]));
}

#[test]
fn a_contact_is_looked_at_and_verified() {
    let mut dialogue = signed_in();
    assert!(matches!(dialogue.on_line("5").as_slice(), [Action::ListContacts]));
    assert!(matches!(dialogue.on_line("bob").as_slice(), [Action::ShowContact(_)]));
    assert_eq!(dialogue.prompt(), Prompt::Nothing);
    dialogue.on_contact(Some((name("bob"), KeyId([7; 32]))));
    let actions = dialogue.on_line("v");
    assert!(matches!(actions.as_slice(), [Action::Trust(_, key, true)] if *key == KeyId([7; 32])));
}

#[test]
fn cancel_goes_one_step_back_and_out_at_last() {
    let mut dialogue = signed_in();
    dialogue.on_line("1");
    dialogue.on_line("bob");
    assert!(dialogue.on_cancel().is_empty());
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
    assert!(matches!(dialogue.on_cancel().as_slice(), [Action::Quit]));
    dialogue.on_session_over(&Failure::signed_out());
    assert!(matches!(dialogue.on_line("q").as_slice(), [Action::Quit]));
}

#[test]
fn a_session_that_is_over_leads_to_the_log_in_choices() {
    let mut dialogue = signed_in();
    dialogue.on_line("1");
    let actions = dialogue.on_session_over(&Failure::signed_out());
    assert!(matches!(&actions[0], Action::Print(text) if text.contains("choose 2")));
    assert_eq!(dialogue.heading(), Some(super::LOG_IN));
    assert!(dialogue.on_line("2").is_empty());
    assert_eq!(dialogue.prompt(), Prompt::Line("Username [alice]: ".to_owned()));
}

#[test]
fn a_wrong_given_password_is_asked_for_the_next_time() {
    let mut dialogue = Dialogue::new(Some(name("alice")), Some(password("wrong")));
    dialogue.on_line("2");
    assert!(matches!(dialogue.on_line("").as_slice(), [Action::SignIn(..)]));
    dialogue.on_sign_in_failed(&Failure::new(Code::IncorrectPassword, "wrong"));
    dialogue.on_line("2");
    dialogue.on_line("");
    assert!(matches!(dialogue.prompt(), Prompt::Secret(..)));
}

#[test]
fn a_group_is_written_to_from_the_menu_or_in_one_line() {
    let mut dialogue = signed_in();
    dialogue.on_line("2");
    dialogue.on_line("rust");
    for line in ["hello all", "#rust hello all"] {
        let actions = dialogue.on_line(line);
        assert!(matches!(actions.as_slice(), [Action::Send(to, text)]
            if *to == LogId::group(name("rust")) && text == "hello all"));
    }
}

/// The change that these lines lead to; a line with a `*` in front is typed as a password.
fn changed_by(lines: &[&str]) -> GroupWish {
    let mut dialogue = signed_in();
    assert!(matches!(dialogue.on_line("3").as_slice(), [Action::ListGroups]));
    let mut actions = Vec::new();
    for line in lines {
        assert!(actions.is_empty(), "{actions:?} before {line}");
        actions = match line.strip_prefix('*') {
            Some(secret) => dialogue.on_secret(Ok(password(secret))),
            None => dialogue.on_line(line),
        };
    }
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
    match actions.as_slice() {
        [Action::Change(group, wish)] if *group == name("rust") => wish.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_change_of_a_group_is_on_the_menu() {
    let bob = name("bob");
    let secret = || password("pw");
    for (lines, wish) in [
        (vec!["1", "#rust", "1"], GroupWish::Create(Admission::Open)),
        (vec!["1", "rust", "2", "*pw", "*pw"], GroupWish::Create(Admission::Password(secret()))),
        (vec!["1", "rust", "3"], GroupWish::Create(Admission::Invitation)),
        (vec!["3", "rust"], GroupWish::Leave),
        (vec!["5", "rust", "bob"], GroupWish::Invite(bob)),
        (vec!["6", "rust", "bob"], GroupWish::Remove(bob)),
        (vec!["7", "rust", "bob"], GroupWish::HandOver(bob)),
        (vec!["8", "rust", "y"], GroupWish::Close),
    ] {
        assert_eq!(changed_by(&lines), wish, "{lines:?}");
    }
}

#[test]
fn an_invitation_is_accepted_with_enter_or_passed_over() {
    for (line, joined) in [("", "rust"), ("go", "go")] {
        let mut dialogue = signed_in();
        dialogue.on_invitation(name("rust"));
        dialogue.on_line("3");
        dialogue.on_line("2");
        assert_eq!(dialogue.prompt(), Prompt::Line("Group [rust]: ".to_owned()));
        let actions = dialogue.on_line(line);
        assert!(matches!(actions.as_slice(), [Action::Change(group, GroupWish::Join(None))]
            if *group == name(joined)));
    }
}

#[test]
fn what_was_not_saved_is_chosen_from_a_list() {
    for (line, wanted) in [("2", Some(1)), ("a", None)] {
        let mut dialogue = signed_in();
        assert!(matches!(dialogue.on_line("7").as_slice(), [Action::ListUnsaved]));
        dialogue.on_unsaved(2);
        for wrong in ["0", "3", "x"] {
            assert!(matches!(dialogue.on_line(wrong).as_slice(), [Action::Print(_)]));
        }
        let actions = dialogue.on_line(line);
        assert!(matches!(actions.as_slice(), [Action::Save(chosen)] if *chosen == wanted));
        assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
    }
    let mut dialogue = signed_in();
    dialogue.on_line("7");
    dialogue.on_unsaved(0);
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()), "there is nothing to choose");
}

/// A dialogue that has asked to join #rust.
fn joining() -> Dialogue {
    let mut dialogue = signed_in();
    dialogue.on_line("3");
    dialogue.on_line("2");
    let actions = dialogue.on_line("rust");
    assert!(matches!(actions.as_slice(), [Action::Change(group, GroupWish::Join(None))]
        if *group == name("rust")));
    assert_eq!(dialogue.prompt(), Prompt::Nothing);
    dialogue
}

#[test]
fn a_group_password_is_asked_for_only_when_the_home_demands_one() {
    let mut dialogue = joining();
    assert!(!dialogue.on_joined(name("rust"), &Ok(())));
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));

    let mut dialogue = joining();
    let needed = Err(Failure::new(Code::WrongGroupPassword, "it has one"));
    assert!(!dialogue.on_joined(name("go"), &needed), "another group's answer");
    assert!(dialogue.on_joined(name("rust"), &needed));
    assert!(matches!(dialogue.prompt(), Prompt::Secret(words, _) if words.contains("Group")));
    let actions = dialogue.on_secret(Ok(password("pw")));
    assert!(matches!(actions.as_slice(), [Action::Change(_, GroupWish::Join(Some(typed)))]
        if *typed == password("pw")));
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));

    let mut dialogue = joining();
    assert!(!dialogue.on_joined(name("rust"), &Err(Failure::signed_out())));
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));

    let mut dialogue = joining();
    assert!(dialogue.on_no_connection(), "nobody is held up by a joining");
    assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
}

#[test]
fn groups_are_left_without_a_change_and_wrong_lines_are_named() {
    let mut dialogue = signed_in();
    for lines in [vec![""], vec!["8", "rust", ""], vec!["8", "rust", "n"]] {
        dialogue.on_line("3");
        for line in lines {
            assert!(dialogue.on_line(line).is_empty(), "{line}");
        }
        assert_eq!(dialogue.prompt(), Prompt::Line("alice> ".to_owned()));
    }
    dialogue.on_line("3");
    assert!(matches!(dialogue.on_line("10").as_slice(), [Action::Print(_)]));
    dialogue.on_line("4");
    assert!(matches!(dialogue.on_line("9x").as_slice(), [Action::Print(_)]));
    assert!(matches!(dialogue.on_line("rust").as_slice(), [Action::ListMembers(_)]));
    dialogue.on_line("3");
    dialogue.on_line("9");
    assert!(matches!(dialogue.on_line("rust").as_slice(), [Action::TrustGroup(_)]));
}

#[test]
fn what_may_have_arrived_or_not_is_sent_again_or_given_up() {
    let mut dialogue = signed_in();
    let again = dialogue.on_line("again");
    assert!(matches!(again.as_slice(), [Action::Decide(super::Decision::Again)]));
    let given_up = dialogue.on_line("drop");
    assert!(matches!(given_up.as_slice(), [Action::Decide(super::Decision::Drop)]));
}

#[test]
fn a_session_without_its_home_is_told_what_goes_on_instead_of_what_to_do() {
    let failure = Failure::fault(wire::FaultCode::UNAVAILABLE);
    assert!(failure.text.ends_with("; try again in a moment"), "{failure}");
    let text = super::still_trying(&failure);
    assert!(
        text.ends_with("do it now; trying again, what you write waits in the outbox"),
        "{text}"
    );
}
