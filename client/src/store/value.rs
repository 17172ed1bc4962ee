//! How our types stand in SQLite's columns. Integers of 64 bits keep their bits, not their sign, so
//! they are compared here and never in SQL.

use rusqlite::Row;
use wire::{LogId, Name, Number, Origin, Seq};

use super::error::StoreError;

pub(super) fn seq_value(seq: Seq) -> i64 {
    seq.0.cast_signed()
}

pub(super) fn seq(row: &Row<'_>, column: &str) -> Result<Seq, StoreError> {
    Ok(Seq(row.get::<_, i64>(column)?.cast_unsigned()))
}

pub(super) fn number_value(number: Number) -> i64 {
    number.value().cast_signed()
}

pub(super) fn number(row: &Row<'_>, column: &str) -> Result<Number, StoreError> {
    let value = row.get::<_, i64>(column)?;
    Number::new(value.cast_unsigned()).ok_or(StoreError::Damaged("number"))
}

pub(super) fn name(row: &Row<'_>, column: &str) -> Result<Name, StoreError> {
    let text: String = row.get(column)?;
    Name::parse(&text).map_err(|_| StoreError::Damaged("name"))
}

pub(super) fn log_value(log: &LogId) -> String {
    log.to_string()
}

pub(super) fn log(row: &Row<'_>, column: &str) -> Result<LogId, StoreError> {
    let text: String = row.get(column)?;
    let kind = text.get(..1).ok_or(StoreError::Damaged("log"))?;
    let name = text.get(1..).ok_or(StoreError::Damaged("log"))?;
    let name = Name::parse(name).map_err(|_| StoreError::Damaged("log"))?;
    match kind {
        "@" => Ok(LogId::mailbox(name)),
        "#" => Ok(LogId::group(name)),
        _ => Err(StoreError::Damaged("log")),
    }
}

pub(super) fn array<const N: usize>(row: &Row<'_>, column: &str) -> Result<[u8; N], StoreError> {
    let bytes: Vec<u8> = row.get(column)?;
    bytes.try_into().map_err(|_| StoreError::Damaged("length of a binary value"))
}

pub(super) fn origin(row: &Row<'_>, column: &str) -> Result<Origin, StoreError> {
    array(row, column).map(Origin)
}
