//! The tree as JSON, for programs.
//!
//! ```json
//! {"trace_id": "e252a11f-…", "tasks": [
//!   {"id": "e252a11f-…/1", "name": "charge card", "service": "payment", "outcome": "failed",
//!    "begin_ns": 1700000000000000000, "duration_ns": 5200000, "items": [{"record": {…}}, {"task": {…}}]}],
//!  "next": null}
//! ```
//!
//! `begin_ns` and `duration_ns` are absent where nobody knows them. A task whose subtasks stand too deep has `"cut":
//! N`, the number of tasks below it that are not there: its id goes on. One that was begun in the part before has
//! `"continued": true`. `next` is the cursor of the next part.

use std::mem::take;

use distlog_proto::{Kind, RecordRef};
use distlog_python::json;

use super::build::Tree;
use super::draw::title;
use super::service::service_of;
use super::source::{Place, Source, read};
use super::walk::{Gone, Part, Pass, Shown, Visit, walk};

/// Writes a part of the tasks with these numbers and all below them: the beginning of an object with `trace_id` and
/// `tasks`, to be ended by `,"next":…}`. Gives where the next part begins.
///
/// # Errors
/// If `pass` wants no more.
pub fn write_json(
    tree: &Tree,
    tasks: &[u32],
    part: Part,
    source: &mut dyn Source,
    pass: Pass<'_>,
) -> Result<Option<u64>, Gone> {
    let mut writer = Writer {
        tree,
        out: b"{\"trace_id\":".to_vec(),
        open: Vec::new(),
        written: 0,
    };
    json::write_str(&mut writer.out, &tree.trace_id().to_string());
    writer.out.extend_from_slice(b",\"tasks\":[");
    let next = walk(tree, tasks, part, source, &mut writer, pass)?;
    writer.out.push(b']');
    if pass(take(&mut writer.out)) {
        Ok(next)
    } else {
        Err(Gone)
    }
}

struct Writer<'t> {
    tree: &'t Tree,
    out: Vec<u8>,
    open: Vec<Open>,
    /// Tasks at the top.
    written: u64,
}

/// A task whose items follow.
struct Open {
    written: u64,
    below: u64,
}

impl Writer<'_> {
    /// A comma, unless it is the first one.
    fn item(&mut self) {
        let written = match self.open.last_mut() {
            Some(open) => &mut open.written,
            None => &mut self.written,
        };
        if *written > 0 {
            self.out.push(b',');
        }
        *written += 1;
    }

    fn text(&mut self, key: &str, value: &str) {
        self.out.extend_from_slice(key.as_bytes());
        json::write_str(&mut self.out, value);
    }

    fn number(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(value.to_string().as_bytes());
        }
    }

    fn head(&mut self, task: u32, head: Option<&RecordRef<'_>>) {
        let node = self.tree.node(task);
        let path = head.and_then(|head| head.task).map_or("", |task| task.path);
        let id = self.tree.id_of(node, path);
        self.text("{\"id\":", &id);
        self.text(",\"span_id\":", &node.span_id.to_string());
        if let Some(parent) = node.parent_span_id {
            self.text(",\"parent_span_id\":", &parent.to_string());
        }
        let told = head.filter(|_| node.is_told());
        self.text(",\"name\":", told.map_or("", title));
        self.text(",\"template\":", head.map_or("", RecordRef::task_name));
        self.text(",\"service\":", head.map_or("", service_of));
        self.text(",\"host\":", head.map_or("", |head| head.source.host));
        self.text(",\"kind\":", head.map_or("", |head| head.span_kind.name()));
        self.text(",\"outcome\":", node.state().name());
        let begun = (node.begun > 0).then_some(node.begun);
        self.number(",\"begin_ns\":", begun);
        self.number(",\"duration_ns\":", node.duration());
        if let Some(begin) = head.filter(|head| head.kind == Kind::Begin) {
            self.out.extend_from_slice(b",\"begin\":");
            json::encode(begin, &mut self.out);
        }
    }
}

impl Visit for Writer<'_> {
    fn open(&mut self, source: &mut dyn Source, shown: Shown) {
        let is_top = self.open.is_empty();
        self.item();
        if !is_top {
            self.out.extend_from_slice(b"{\"task\":");
        }
        let node = self.tree.node(shown.task);
        let read_head = node
            .head
            .and_then(|head| read(source, head, |head| self.head(shown.task, Some(head))));
        if read_head.is_none() {
            self.head(shown.task, None);
        }
        if let Some(end) = node.end {
            read(source, end, |end| {
                self.out.extend_from_slice(b",\"end\":");
                json::encode(end, &mut self.out);
            });
        }
        if shown.continued {
            self.out.extend_from_slice(b",\"continued\":true");
        }
        self.out.extend_from_slice(b",\"items\":[");
        self.open.push(Open {
            written: 0,
            below: 0,
        });
    }

    fn cut(&mut self, _source: &mut dyn Source, below: u64) {
        if let Some(open) = self.open.last_mut() {
            open.below = below;
        }
    }

    fn record(&mut self, source: &mut dyn Source, place: Place, _is_last: bool) {
        read(source, place, |record| {
            self.item();
            self.out.extend_from_slice(b"{\"record\":");
            json::encode(record, &mut self.out);
            self.out.push(b'}');
        });
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.out.push(b']');
        if open.below > 0 {
            self.number(",\"cut\":", Some(open.below));
        }
        let end: &[u8] = if self.open.is_empty() { b"}" } else { b"}}" };
        self.out.extend_from_slice(end);
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}
