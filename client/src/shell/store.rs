//! Performs the core's store operations.

use std::collections::BTreeSet;
use std::sync::Arc;

use wire::LogId;

use super::session_store;
use crate::core::event::{LaneRecord, OwnKeys};
use crate::core::outbox::DRAFTS_MAX;
use crate::core::{StoreOp, Stored};
use crate::store::{OutboxId, PostState, SealedPost, Store, StoreError};

/// Performs `op`; what it answers, if anything.
///
/// # Errors
/// The store's own; nothing of `op` was kept then.
pub fn perform(store: &mut Store, op: StoreOp) -> Result<Option<Stored>, StoreError> {
    let stored = match op {
        StoreOp::LoadIdentity => Stored::Identity(own_keys(store)?),
        StoreOp::SaveSignUp { name, origin, identity, bundle, frame } => {
            store.save_sign_up(&name, origin, &identity, &bundle, &frame)?;
            Stored::SignUpSaved
        }
        StoreOp::SaveSignIn { name, origin, identity, bundle, session } => {
            store.save_sign_in(&name, origin, &identity, &bundle, &session)?;
            Stored::SessionSaved
        }
        StoreOp::SaveSession(session) => {
            store.save_session(&session)?;
            Stored::SessionSaved
        }
        StoreOp::BeginOrigin(origin) => {
            store.begin_origin(origin)?;
            Stored::OriginBegun
        }
        StoreOp::LoadOutbox => load_outbox(store)?,
        StoreOp::SealDraft { id, log, number, body, hash, step } => {
            let post = SealedPost { id, number, message_session: step.number, body };
            seal(store, log, &post, &hash, &step.state)?
        }
        StoreOp::LoadUploads => Stored::Uploads(store.uploads()?),
        StoreOp::ReadUpload { blob, index } => {
            let chunk = store.read_upload(&blob, index)?;
            Stored::UploadRead { blob, index, chunk }
        }
        StoreOp::LoadDownload(message) => {
            let download = store.download(message)?;
            Stored::Download { message, download }
        }
        StoreOp::Redraft { log, number } => {
            let redrafted = store.reseal(&log, number)?;
            return Ok(redrafted.map(|(draft, previous)| Stored::Redrafted { draft, previous }));
        }
        StoreOp::Session(op) => {
            return Ok(session_store::perform(store, *op)?.map(Stored::Session));
        }
        StoreOp::LoadCursor(log) => Stored::Cursor { log, cursor: store.cursor(&log)? },
        StoreOp::Receive { log, items, cursor } => {
            let new = store.receive(&log, &items, cursor)?;
            Stored::Received { log, cursor, new }
        }
        StoreOp::LoadContact(name) => {
            let contact = store.contact(&name)?;
            Stored::Contact { name, contact }
        }
        StoreOp::LoadGroups => Stored::Groups(store.groups()?),
        StoreOp::LoadGroup(name) => {
            let record = store.group(&name)?.map(Box::new);
            Stored::Group { name, record }
        }
        StoreOp::Contradict { group, claim, text, at } => {
            Stored::Contradicted(store.contradict(&group, &claim, &text, at)?)
        }
        StoreOp::LoadStatement { group, version } => {
            let statement = store.statement(&group, version)?;
            Stored::Statement { group, version, statement }
        }
        other => return perform_silent(store, other).map(|()| None),
    };
    Ok(Some(stored))
}

/// Keeps a sealed post, unless another process that waited for it has discarded its draft.
fn seal(
    store: &mut Store,
    log: LogId,
    post: &SealedPost,
    hash: &[u8; 32],
    state: &[u8],
) -> Result<Stored, StoreError> {
    let id = post.id;
    match store.seal_draft(&log, post, hash, state) {
        Ok(()) => Ok(Stored::PostSealed { id, log }),
        Err(StoreError::Changed(_)) if is_given_up(store, id)? => Ok(Stored::DraftGone { id, log }),
        Err(error) => Err(error),
    }
}

/// Another process may have discarded a draft. And the core may know it from before it refused it:
/// what a load of the outbox brings was read before what the core asked for since.
fn is_given_up(store: &Store, id: OutboxId) -> Result<bool, StoreError> {
    let state = store.post(id)?.map(|post| post.state);
    Ok(matches!(state, None | Some(PostState::Refused(_))))
}

/// The operations without an answer.
fn perform_silent(store: &mut Store, op: StoreOp) -> Result<(), StoreError> {
    match op {
        StoreOp::ClearSignUp => store.clear_sign_up(),
        StoreOp::EndSession => store.sign_out(),
        StoreOp::SaveServers(known) => store.save_servers(&known),
        StoreOp::Settle { log, upto, seq, class } => {
            store.settle(&log, upto, (seq, class)).map(drop)
        }
        StoreOp::Reject { log, number, code } => store.reject(&log, number, code).map(drop),
        StoreOp::Abandon { log, fate } => store.abandon(&log, fate),
        StoreOp::Refuse { id, failure } => {
            match store.refuse(id, failure.code.name(), &failure.text) {
                Err(StoreError::Changed(_)) if is_given_up(store, id)? => Ok(()),
                refused => refused,
            }
        }
        StoreOp::FinishUpload { id, blob } => store.finish_upload(id, &blob),
        StoreOp::RejectUpload { id, blob, code } => store.reject_upload(id, &blob, code),
        StoreOp::WriteDownload { blob, index, chunk } => store.write_download(&blob, index, &chunk),
        StoreOp::Pin(name, log) => store.pin(&name, &log),
        StoreOp::Extend(name, log) => store.extend(&name, &log).map(drop),
        StoreOp::ReplaceKeyLog(name, log) => store.replace_key_log(&name, &log),
        StoreOp::MarkChanged(name, log) => store.mark_changed(&name, &log),
        StoreOp::AcceptChange(name) => store.accept_change(&name),
        StoreOp::MarkVerified(name) => store.mark_verified(&name),
        StoreOp::KeepGroup(name) => store.keep_group(&name),
        StoreOp::EndGroup { group, ended } => store.end_group(&group, ended),
        StoreOp::SettleClaim { group, sender } => store.settle_claim(&group, &sender),
        StoreOp::AgreeToRoster(group) => store.agree_to_roster(&group),
        StoreOp::NoteInvitation { group, user } => store.note_invitation(&group, &user),
        StoreOp::DropInvitation { group, user } => store.drop_invitation(&group, &user),
        StoreOp::AddStatements { statements, roster } => store.add_statements(&statements, &roster),
        other => unreachable!("{other:?} has an answer"),
    }
}

fn own_keys(store: &Store) -> Result<Option<OwnKeys>, StoreError> {
    let (identity, account) = (store.identity()?, store.account()?);
    let keys = identity.zip(account).map(|(identity, account)| {
        let identity = Arc::new(identity);
        OwnKeys { identity, bundle: account.bundle }
    });
    Ok(keys)
}

fn load_outbox(store: &Store) -> Result<Stored, StoreError> {
    let limit = u32::try_from(DRAFTS_MAX).expect("a small constant");
    let drafts = store.drafts(limit)?;
    let mut logs: BTreeSet<_> = store.busy_logs()?.into_iter().collect();
    logs.extend(drafts.iter().map(|draft| draft.log));
    let mut lanes = Vec::new();
    for log in logs {
        lanes.push(LaneRecord {
            log,
            chain: store.chain(&log)?,
            sealed: store.sealed(&log)?,
            sessions: store.message_sessions(&log)?,
        });
    }
    Ok(Stored::Outbox { lanes, drafts })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wire::{LogId, MessageSession, Name, Number, Wall};
    use zeroize::Zeroizing;

    use super::perform;
    use crate::core::{StoreOp, Stored};
    use crate::crypto::grant::Secret;
    use crate::failure::Failure;
    use crate::store::{DataDirectory, PostState, SessionPart, SessionStep, Store};

    #[test]
    fn a_draft_that_is_discarded_or_refused_already_stops_nobody() {
        let root = tempfile::tempdir().expect("a directory");
        let keys = tempfile::tempdir().expect("a directory");
        let directory = DataDirectory::open_with_keys(root.path(), keys.path()).expect("opens");
        let mut store = Store::open(&directory).expect("opens");
        let log = LogId::mailbox(Name::parse("bob").expect("a name"));
        let (session, state) = (MessageSession(1), Zeroizing::new(b"ratchet".to_vec()));
        let announcement = wire::message::Announcement::new(Bytes::from("x")).expect("short");
        let secret = Secret::new([1; 32]);
        let part = SessionPart { part: 0, roster_version: 0, announcement, secret };
        store.begin_message_session(&log, session, &state, &part, &[]).expect("keeps");
        let id = store.add_draft(&log, "hello", Wall(1)).expect("keeps");
        Store::open(&directory).expect("opens").discard(id).expect("discards");
        let seal = |id| StoreOp::SealDraft {
            id,
            log,
            number: Number::new(1).expect("in range"),
            body: Bytes::from("body"),
            hash: [1; 32],
            step: SessionStep { number: session, state: state.clone() },
        };
        let gone = perform(&mut store, seal(id)).expect("goes on");
        assert!(matches!(gone, Some(Stored::DraftGone { id: gone, .. }) if gone == id));
        let failure = Failure::signed_out();
        perform(&mut store, StoreOp::Refuse { id, failure }).expect("goes on");
        let again = store.add_draft(&log, "refused", Wall(1)).expect("keeps");
        for why in ["the first time", "as a late load has it"] {
            let op = StoreOp::Refuse { id: again, failure: Failure::usage(why) };
            perform(&mut store, op).expect("goes on");
        }
        let state = store.post(again).expect("reads").map(|post| post.state);
        assert_eq!(state, Some(PostState::Refused("usage the first time".to_owned())));
        let gone = perform(&mut store, seal(again)).expect("goes on");
        assert!(matches!(gone, Some(Stored::DraftGone { .. })), "it is sent no more");
        let next = store.add_draft(&log, "again", Wall(1)).expect("keeps");
        let sealed = perform(&mut store, seal(next)).expect("seals");
        assert!(matches!(sealed, Some(Stored::PostSealed { .. })), "the number is free");
    }
}
