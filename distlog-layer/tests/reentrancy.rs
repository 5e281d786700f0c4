//! Values that log while they are logged.
//!
//! `tracing` lets that happen only where no thread has a subscriber of its own, so this test is alone in its process.
#![allow(missing_docs)]

mod common;

use std::fmt;

use common::*;
use distlog_layer::{Flush, bind, builder, current, to, val};
use distlog_proto::Value;
use tracing::{Span, info, info_span};
use tracing_subscriber::prelude::*;

/// Logs, opens tasks and adds fields while it is formatted.
struct Talkative;

impl fmt::Debug for Talkative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(structured = ?val(&[1]), "talking");
        to!("within").in_scope(|| info!("deep within"));
        Span::current().record("late", 1);
        bind("bound", 2);
        write!(f, "{:?}", current().id().map(|id| id.path().to_owned()))
    }
}

impl serde::Serialize for Talkative {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        info!("serializing");
        serializer.serialize_str("done")
    }
}

#[test]
fn values_may_log_while_they_are_logged() {
    let daemon = Daemon::tcp();
    let (layer, guard) = builder().connect_push(daemon.address.clone()).unwrap();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    {
        let span = info_span!(
            "outer",
            late = tracing::field::Empty,
            twice = tracing::field::Empty
        );
        let _entered = span.enter();
        info!(value = ?Talkative, serialized = ?val(&Talkative), after = ?val(&[2]), "outer event {:?}", Talkative);
        span.record("twice", tracing::field::debug(Talkative));
        bind("three", Talkative);
        info_span!("with talk", value = ?Talkative).in_scope(|| info!("last"));
    }
    info!("THE LAST");
    assert_eq!(guard.close(LONG), Flush::Flushed);
    let records = daemon.until_message("THE LAST");
    let event = records.with_message("outer event Some(\"\")");
    assert_eq!(event.fields.get("value"), Some(&text("Some(\"\")")));
    assert_eq!(
        event.fields.get("serialized"),
        Some(&Value::Str("done".into()))
    );
    assert_eq!(
        event.fields.get("after"),
        Some(&Value::List(vec![Value::I64(2)]))
    );
    let talking: Vec<_> = records.iter().filter(|r| r.message == "talking").collect();
    assert_eq!(talking.len(), 4);
    assert!(
        talking
            .iter()
            .all(|r| r.fields.get("structured") == Some(&Value::List(vec![Value::I64(1)])))
    );
    assert_eq!(
        records
            .iter()
            .filter(|r| r.message == "serializing")
            .count(),
        2
    );
    let context = &task(records.with_message("last")).context;
    assert_eq!(context.get("value"), Some(&text("Some(\"\")")));
    let context = &task(records.end("outer")).context;
    assert_eq!(context.get("late"), Some(&Value::I64(1)));
    assert_eq!(context.get("bound"), Some(&Value::I64(2)));
    assert_eq!(context.get("three"), Some(&Value::Str("done".into())));
}
