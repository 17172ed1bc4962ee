//! Performs the core's store operations on message sessions.

use crate::core::grant_answers::ANSWERS_MAX;
use crate::core::session_op::{SessionAnswer, SessionOp};
use crate::crypto::Content;
use crate::store::{Store, StoreError};

/// Performs `op`; what it answers, if anything.
pub(super) fn perform(
    store: &mut Store,
    op: SessionOp,
) -> Result<Option<SessionAnswer>, StoreError> {
    Ok(Some(match op {
        SessionOp::Begin { log, number, state, part, grants } => {
            store.begin_message_session(&log, number, &state, &part, &grants)?;
            SessionAnswer::Kept(log)
        }
        SessionOp::AddPart { log, number, part, grants } => {
            store.add_session_part(&log, number, &part, &grants)?;
            SessionAnswer::Kept(log)
        }
        SessionOp::AddGrants { log, number, part, grants } => {
            store.add_grants(&log, number, part, &grants)?;
            SessionAnswer::Kept(log)
        }
        SessionOp::Confirm { log, number, readers } => {
            return store.confirm_grants(&log, number, &readers).map(|()| None);
        }
        SessionOp::End { log, number } => {
            return store.end_message_session(&log, number).map(|()| None);
        }
        SessionOp::LoadOwn { log, number } => {
            SessionAnswer::Own { log, number, record: store.message_session(&log, number)? }
        }
        SessionOp::LoadGranted(place) => SessionAnswer::Granted {
            place,
            session: store.granted(&place)?,
            is_origin_known: store.is_granted_from(&place)?,
        },
        SessionOp::KeepGranted { place, session, claim } => {
            return store.keep_granted(&place, &session, claim.as_ref()).map(|()| None);
        }
        SessionOp::Request { place, request, created } => {
            let content = Content::GrantRequest(request);
            SessionAnswer::Requested(store.request_grant(&place, &content, created)?)
        }
        SessionOp::LoadWanted(after) => {
            let limit = u32::try_from(ANSWERS_MAX).expect("a small constant");
            SessionAnswer::Wanted(store.wanted_grants(after, limit)?)
        }
        SessionOp::DropWanted(id) => return store.drop_wanted(id).map(|()| None),
    }))
}
