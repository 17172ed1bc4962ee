//! The settings that durability rests on are really set, and a newer file is refused.

use super::Place;
use crate::store::{Store, StoreError, schema};

fn pragma(store: &Store, name: &str) -> String {
    let value = store
        .connection
        .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
    match value.expect("reads") {
        rusqlite::types::Value::Integer(value) => value.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

#[test]
fn the_settings_are_read_back() {
    let place = Place::new();
    drop(place.open());
    let store = place.open();
    let expected = [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("fullfsync", "1"),
        ("foreign_keys", "1"),
        ("secure_delete", "1"),
        ("trusted_schema", "0"),
        ("temp_store", "2"),
        ("busy_timeout", "10000"),
        ("user_version", &schema::known().to_string()),
        ("integrity_check", "ok"),
    ];
    for (name, value) in expected {
        assert_eq!(pragma(&store, name), value, "{name}");
    }
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let place = Place::new();
    let store = place.open();
    let newer = schema::known() + 1;
    store.connection.pragma_update(None, "user_version", newer).expect("writes");
    drop(store);
    let refused = Store::open(&place.directory()).err();
    let Some(StoreError::Newer { found, known }) = refused else {
        panic!("opened, or refused for another reason: {refused:?}");
    };
    assert_eq!((found, known), (newer, schema::known()));
}
