//! Ids of tasks that need not be stored, since they follow from others.

use distlog_proto::wire::field::task;
use distlog_proto::{SpanId, TaskId, TraceId};

use super::canonical::{BYTES, FIXED64, Scan};
use super::hex;

/// Works out what follows from what, mostly the same as for the record before.
#[derive(Default)]
pub(super) struct TaskIds {
    last: Option<TaskId>,
}

impl TaskIds {
    /// Which ids of a task follow from others.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Ids {
        let mut scan = Scan::new(bytes);
        let (mut trace, mut span, mut parent, mut path) = (None, None, None, None);
        let mut before = 0;
        while let Some(tag) = scan.tag() {
            // Each once and in order, else they are values as others.
            if tag <= before {
                break;
            }
            before = tag;
            let read = match (tag >> 3, tag & 7) {
                (task::TRACE_ID, BYTES) => scan.bytes().map(|bytes| trace = bytes.try_into().ok()),
                (task::SPAN_ID, FIXED64) => scan.fixed64().map(|id| span = SpanId::new(id)),
                (task::PARENT_SPAN_ID, FIXED64) => {
                    scan.fixed64().map(|id| parent = SpanId::new(id))
                }
                (task::PATH, BYTES) => scan.bytes().map(|bytes| path = Some(bytes)),
                _ => None,
            };
            if read.is_none() || path.is_some() {
                break;
            }
        }
        let (Some(trace), Some(span)) = (trace.and_then(TraceId::from_bytes), span) else {
            return Ids::default();
        };
        if path.is_some_and(|path| is_anchor(path, span)) {
            return Ids {
                path: true,
                ..Ids::default()
            };
        }
        let Ok(path) = std::str::from_utf8(path.unwrap_or_default()) else {
            return Ids::default();
        };
        let known = |task: &TaskId| task.trace_id() == trace && task.path() == path;
        if !self.last.as_ref().is_some_and(known) {
            self.last = TaskId::from_parts(trace, path).ok();
        }
        match &self.last {
            Some(task) if task.path() == path && task.span_id() == span => Ids {
                span: true,
                parent: parent.is_some() && task.parent_span_id() == parent,
                path: false,
            },
            _ => Ids::default(),
        }
    }
}

/// Which ids of a task follow from others.
#[derive(Default)]
pub(super) struct Ids {
    pub(super) span: bool,
    pub(super) parent: bool,
    pub(super) path: bool,
}

/// Whether a path is that of a span that only OpenTelemetry knows.
fn is_anchor(path: &[u8], span: SpanId) -> bool {
    path.len() == 17 && path[0] == b'~' && path[1..] == hex(span.get())
}
