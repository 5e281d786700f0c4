//! The tree as JSON, for programs.
//!
//! ```json
//! {"id": "e252a11f-…/1", "name": "charge card", "service": "payment", "outcome": "failed", "begin": "1700000000000000000",
//!  "duration_ns": 5200000, "items": [{"record": {…}}, {"task": {…}}]}
//! ```

use distlog_proto::{RecordRef, json};

use super::build::{Item, State, Tree};

/// A piece has so many bytes, about.
const PIECE: usize = 64 << 10;

/// Writes the tasks with these numbers and what is below them, `depth` levels of tasks: an object with `trace_id`, `tasks`, and
/// in `next` the cursor with which the trace goes on, or null. A task of which something is left out has `cut`: how many tasks
/// are below it. `pieces` gets the text piece by piece, and says whether it wants more.
pub fn write_json(
    tree: &Tree<'_>,
    tasks: &[usize],
    depth: usize,
    next: Option<u64>,
    pieces: &mut dyn FnMut(Vec<u8>) -> bool,
) {
    let mut writer = Writer {
        tree,
        depth,
        out: Vec::new(),
        pieces,
        is_wanted: true,
    };
    let out = &mut writer.out;
    out.extend_from_slice(b"{\"trace_id\":");
    json::write_str(out, &tree.trace_id().to_string());
    match next {
        Some(next) => out.extend_from_slice(format!(",\"next\":\"{next}\"").as_bytes()),
        None => out.extend_from_slice(b",\"next\":null"),
    }
    out.extend_from_slice(b",\"tasks\":[");
    for (i, at) in tasks.iter().enumerate() {
        comma(&mut writer.out, i);
        writer.task(*at, 1);
    }
    writer.out.extend_from_slice(b"]}");
    let rest = std::mem::take(&mut writer.out);
    if writer.is_wanted {
        (writer.pieces)(rest);
    }
}

struct Writer<'t, 'a> {
    tree: &'t Tree<'a>,
    depth: usize,
    out: Vec<u8>,
    pieces: &'t mut dyn FnMut(Vec<u8>) -> bool,
    is_wanted: bool,
}

impl Writer<'_, '_> {
    fn task(&mut self, at: usize, level: usize) {
        self.piece();
        if !self.is_wanted {
            return;
        }
        head(self.tree, at, &mut self.out);
        let node = self.tree.node(at);
        let is_cut = level >= self.depth;
        let deeper = if is_cut { self.tree.below(at) } else { 0 };
        if deeper > 0 {
            self.out
                .extend_from_slice(format!(",\"cut\":{deeper}").as_bytes());
        }
        self.out.extend_from_slice(b",\"items\":[");
        let shown = |item: &&Item<'_>| !is_cut || matches!(item, Item::Record(_));
        for (i, item) in node.items.iter().filter(shown).enumerate() {
            comma(&mut self.out, i);
            match item {
                Item::Record(record) => {
                    self.piece();
                    self.out.extend_from_slice(b"{\"record\":");
                    json::encode(record, &mut self.out);
                }
                Item::Task(child) => {
                    self.out.extend_from_slice(b"{\"task\":");
                    self.task(*child, level + 1);
                }
            }
            self.out.push(b'}');
        }
        self.out.extend_from_slice(b"]}");
    }

    /// Hands over what is written, if it is enough.
    fn piece(&mut self) {
        if self.out.len() >= PIECE && self.is_wanted {
            self.is_wanted = (self.pieces)(std::mem::take(&mut self.out));
        }
    }
}

/// What is known of a task, up to its items.
fn head(tree: &Tree<'_>, at: usize, out: &mut Vec<u8>) {
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
    text(",\"service\":", head.map_or("", super::service::service_of));
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
    if node.head.is_some() && node.begun != u64::MAX {
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
}

fn comma(out: &mut Vec<u8>, i: usize) {
    if i > 0 {
        out.push(b',');
    }
}
