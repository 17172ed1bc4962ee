//! Statements that are prepared once: to parse and plan one takes longer than most take to run.

use rusqlite::{Connection, Params, Row};

/// Statements that are kept; there are fewer.
pub(super) const STATEMENTS_MAX: usize = 256;

/// What a connection does with statements that it keeps.
pub(super) trait Cached {
    /// Changes rows; how many.
    fn run(&self, sql: &str, values: impl Params) -> rusqlite::Result<usize>;

    /// Reads the one row there is.
    fn row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T>;
}

impl Cached for Connection {
    fn run(&self, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
        self.prepare_cached(sql)?.execute(values)
    }

    fn row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare_cached(sql)?.query_row(values, read)
    }
}
