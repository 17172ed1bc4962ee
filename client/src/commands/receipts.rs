//! `receipts`: whether others hear when their messages were shown.

use serde_json::json;

use super::Local;
use crate::args;
use crate::failure::Failure;
use crate::output::{data, flush};
use crate::shell::store_failure;

/// `fastchat receipts`.
pub(super) fn receipts(local: &Local, command: &args::Receipts) -> Result<(), Failure> {
    local.account()?.ok_or_else(Failure::signed_out)?;
    let directory = &local.directory;
    if let Some(is_on) = command.wish {
        directory.set_receipts(is_on).map_err(|e| store_failure(&e))?;
    }
    let are_on = directory.receipts_are_on().map_err(|e| store_failure(&e))?;
    match local.is_json {
        true => data(&json!({ "receipts": are_on }).to_string())?,
        false => data(if are_on { "on" } else { "off" })?,
    }
    flush()
}
