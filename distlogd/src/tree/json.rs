//! The tree as JSON, for programs.
//!
//! ```json
//! {"id": "e252a11f-…/1", "name": "charge card", "service": "payment", "outcome": "failed", "begin": "1700000000000000000",
//!  "duration_ns": 5200000, "items": [{"record": {…}}, {"task": {…}}]}
//! ```

use distlog_proto::{RecordRef, json};

use super::build::{Item, State, Tree};

/// Appends the tasks with these numbers and all below them: an object with `trace_id` and `tasks`.
pub fn write_json(tree: &Tree<'_>, tasks: &[usize], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"trace_id\":");
    json::write_str(out, &tree.trace_id().to_string());
    out.extend_from_slice(b",\"tasks\":[");
    for (i, at) in tasks.iter().enumerate() {
        comma(out, i);
        task(tree, *at, out);
    }
    out.extend_from_slice(b"]}");
}

fn task(tree: &Tree<'_>, at: usize, out: &mut Vec<u8>) {
    let node = tree.node(at);
    let head = node.head.as_ref();
    let mut text = |key: &str, value: &str| {
        out.extend_from_slice(key.as_bytes());
        json::write_str(out, value);
    };
    text("{\"id\":", &tree.id(at));
    text(",\"span_id\":", &node.span_id.to_string());
    if let Some(parent) = node.parent_span_id {
        text(",\"parent_span_id\":", &parent.to_string());
    }
    text(",\"name\":", node.title());
    text(",\"template\":", head.map_or("", RecordRef::task_name));
    text(",\"service\":", head.map_or("", super::words::service_of));
    text(",\"host\":", head.map_or("", |head| head.source.host));
    text(",\"kind\":", head.map_or("", |head| head.span_kind.name()));
    text(
        ",\"outcome\":",
        match node.state() {
            State::Running => "running",
            State::Ended => "ended",
            State::Unknown => "unknown",
            State::Done(outcome) => outcome.name(),
        },
    );
    if node.head.is_some() {
        out.extend_from_slice(format!(",\"begin_ns\":{}", node.begun).as_bytes());
    }
    if let Some(duration) = node.duration() {
        out.extend_from_slice(format!(",\"duration_ns\":{duration}").as_bytes());
    }
    for (key, record) in [
        (
            ",\"begin\":",
            node.head
                .filter(|head| head.kind == distlog_proto::Kind::Begin),
        ),
        (",\"end\":", node.end),
    ] {
        if let Some(record) = record {
            out.extend_from_slice(key.as_bytes());
            json::encode(&record, out);
        }
    }
    out.extend_from_slice(b",\"items\":[");
    for (i, item) in node.items.iter().enumerate() {
        comma(out, i);
        match item {
            Item::Record(record) => {
                out.extend_from_slice(b"{\"record\":");
                json::encode(record, out);
            }
            Item::Task(child) => {
                out.extend_from_slice(b"{\"task\":");
                task(tree, *child, out);
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

fn comma(out: &mut Vec<u8>, i: usize) {
    if i > 0 {
        out.push(b',');
    }
}
