//! Processors for databases: what is there is what the store has, each record once, whatever is killed meanwhile.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use distlog_testkit::Daemon;
use serde_json::Value;

/// Producer (32 hex digits) and offset of a record.
pub type Key = (String, i64);

/// What the daemon's store has of services that are not the daemon itself: the message of each record.
pub fn stored(daemon: &Daemon) -> BTreeMap<Key, String> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/records?limit=10000{cursor}&filter=service!='distlogd'");
        let page = daemon.json(&path).unwrap();
        for record in page["items"].as_array().unwrap() {
            let own = &record["distlog"];
            let producer = own["producer"].as_str().unwrap().replace('-', "");
            let offset = own["offset"].as_i64().unwrap_or(0);
            let message = record["message"].as_str().unwrap().to_owned();
            assert_eq!(
                found.insert((producer, offset), message),
                None,
                "twice in the store"
            );
        }
        match &page["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return found,
        }
    }
}

/// What is missing in a database, and what it has too much, in words; empty if it has what the store has.
pub fn difference(stored: &BTreeMap<Key, String>, there: &[(Key, String)]) -> String {
    let keys: BTreeMap<&Key, &String> = there.iter().map(|(key, message)| (key, message)).collect();
    let missing = stored
        .iter()
        .filter(|(key, message)| keys.get(key) != Some(message))
        .count();
    let more = keys
        .keys()
        .filter(|key| !stored.contains_key(**key))
        .count();
    let twice = there.len() - keys.len();
    if missing + more + twice == 0 {
        return String::new();
    }
    format!(
        "{missing} missing, {more} that the store has not, {twice} twice, of {}",
        stored.len()
    )
}
