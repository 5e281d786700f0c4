//! From the records of a trace to its tree.

use std::collections::{HashMap, HashSet};

use distlog_proto::{Kind, Outcome, RecordRef, SpanId, TaskId, TraceId};

use super::path::is_named;

/// Deeper trees are cut, so that drawing them cannot exhaust the stack.
const MAX_DEPTH: usize = 200;

/// The tasks of one trace.
#[derive(Debug)]
pub struct Tree<'a> {
    trace_id: TraceId,
    nodes: Vec<Node<'a>>,
    roots: Vec<usize>,
}

/// A task.
#[derive(Debug)]
pub struct Node<'a> {
    /// Its span id.
    pub span_id: SpanId,
    /// The task above; it may be missing in the tree.
    pub parent_span_id: Option<SpanId>,
    /// What follows the trace id in its id, as far as known.
    pub path: &'a str,
    /// The record that tells most about it: its begin, or else any.
    pub head: Option<RecordRef<'a>>,
    /// Its end.
    pub end: Option<RecordRef<'a>>,
    /// Time of its first record, in ns since the epoch.
    pub begun: u64,
    /// Time of its last record, in ns since the epoch.
    pub last: u64,
    /// Its records except begin and end, and its subtasks, in order of time.
    pub items: Vec<Item<'a>>,
    /// Whether its begin was seen.
    begin_seen: bool,
    /// Whether another task took the same reserved id, so that the salt must be shown.
    pub shared: bool,
}

/// What stands below a task.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::large_enum_variant)] // Most items are records.
pub enum Item<'a> {
    /// A record of the task.
    Record(RecordRef<'a>),
    /// A subtask: see [`Tree::node`].
    Task(usize),
}

/// What is known about a task's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its end was not seen yet.
    Running,
    /// It ended, but nobody said how: a Python task without an end.
    Ended,
    /// It ended.
    Done(Outcome),
    /// Nothing is known but its id: another system's span, or one whose records are gone.
    Unknown,
}

impl<'a> Tree<'a> {
    /// Builds the tree of a trace. Records of other traces and records that came twice are passed over; a record without
    /// span belongs to none.
    pub fn build(trace_id: TraceId, records: impl IntoIterator<Item = RecordRef<'a>>) -> Tree<'a> {
        let mut tree = Tree {
            trace_id,
            nodes: Vec::new(),
            roots: Vec::new(),
        };
        let mut index: HashMap<SpanId, usize> = HashMap::new();
        let mut seen = HashSet::new();
        let mut numbers = HashSet::new();
        for record in records {
            let Some(task) = record.task.filter(|task| task.trace_id == trace_id) else {
                continue;
            };
            if !seen.insert((record.source.producer, record.offset)) {
                continue;
            }
            // A client that did not hear the answer sends a span again, and after a restart the daemon does not know it any
            // more: its records have the same numbers then.
            let of_span =
                record.kind != Kind::Event || record.otlp().is_some_and(|otlp| otlp.span_event);
            if of_span && record.is_by_otlp() && !numbers.insert((task.span_id, record.number)) {
                continue;
            }
            let at = tree.node_of(&mut index, task.span_id);
            if let Some(parent) = task.parent_span_id {
                tree.nodes[at].parent_span_id = Some(parent);
                tree.node_of(&mut index, parent);
            }
            tree.nodes[at].take(record);
        }
        tree.link(&index);
        tree
    }

    fn node_of(&mut self, index: &mut HashMap<SpanId, usize>, span_id: SpanId) -> usize {
        *index.entry(span_id).or_insert_with(|| {
            self.nodes.push(Node::new(span_id));
            self.nodes.len() - 1
        })
    }

    /// Hangs each node below its parent and puts everything in order.
    fn link(&mut self, index: &HashMap<SpanId, usize>) {
        let mut takers: HashMap<(Option<SpanId>, &str), u32> = HashMap::new();
        for node in self.nodes.iter().filter(|node| node.path.contains('.')) {
            *takers
                .entry((node.parent_span_id, unsalted(node.path)))
                .or_default() += 1;
        }
        let depths = self.depths(index);
        let mut inward: Vec<usize> = (0..self.nodes.len()).collect();
        inward.sort_by_key(|at| std::cmp::Reverse(depths[*at]));
        for at in inward {
            let begun = self.nodes[at].begun;
            let node = &mut self.nodes[at];
            node.shared = takers
                .get(&(node.parent_span_id, unsalted(node.path)))
                .is_some_and(|n| *n > 1);
            match node.parent_span_id.and_then(|span| index.get(&span)) {
                Some(parent) if depths[at] > 0 => {
                    let parent = &mut self.nodes[*parent];
                    parent.items.push(Item::Task(at));
                    if parent.head.is_none() {
                        // A task of which nothing is known begins when the first of its subtasks does.
                        parent.begun = parent.begun.min(begun);
                    }
                }
                _ => self.roots.push(at),
            }
        }
        let begun: Vec<u64> = self.nodes.iter().map(|node| node.begun).collect();
        for node in &mut self.nodes {
            // Stable: records of the same time stay in the order in which they were stored.
            node.items.sort_by_key(|item| match item {
                Item::Record(record) => (record.time, 0, record.offset),
                Item::Task(at) => (begun[*at], 1, 0),
            });
        }
        self.roots.sort_by_key(|at| begun[*at]);
    }

    /// How deep each task stands. Where the parents run in a circle (forged ids), and below [`MAX_DEPTH`], the tree is cut
    /// and goes on with a root.
    fn depths(&self, index: &HashMap<SpanId, usize>) -> Vec<usize> {
        const UNKNOWN: usize = usize::MAX;
        const ON_THE_WAY: usize = usize::MAX - 1;
        let mut depths = vec![UNKNOWN; self.nodes.len()];
        let mut way = Vec::new();
        for start in 0..self.nodes.len() {
            let mut up = Some(start);
            let mut depth = loop {
                match up {
                    Some(at) if depths[at] == UNKNOWN => {
                        depths[at] = ON_THE_WAY;
                        way.push(at);
                        up = self.nodes[at]
                            .parent_span_id
                            .and_then(|span| index.get(&span))
                            .copied();
                    }
                    Some(at) if depths[at] != ON_THE_WAY => break depths[at] + 1,
                    _ => break 0,
                }
            };
            while let Some(at) = way.pop() {
                depths[at] = depth % (MAX_DEPTH + 1);
                depth = depths[at] + 1;
            }
        }
        depths
    }

    /// Its trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The tasks that stand below no other, in order of time.
    pub fn roots(&self) -> &[usize] {
        &self.roots
    }

    /// A task, by its number in [`Tree::roots`] or [`Item::Task`].
    pub fn node(&self, at: usize) -> &Node<'a> {
        &self.nodes[at]
    }

    /// The numbers of the tasks that an id means: the whole tree for a bare trace id, all who took it for a reserved id.
    pub fn find(&self, id: &TaskId) -> Vec<usize> {
        if id.path().is_empty() {
            return self.roots.clone();
        }
        let exact = self
            .nodes
            .iter()
            .position(|node| node.span_id == id.span_id());
        let takers =
            || (0..self.nodes.len()).filter(|at| is_named(self.nodes[*at].path, id.path()));
        exact.map_or_else(|| takers().collect(), |at| vec![at])
    }

    /// Whether nothing is known about the trace.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The id of a task as text.
    pub fn id(&self, at: usize) -> String {
        let node = self.node(at);
        if node.path.is_empty() && node.span_id != TaskId::top(self.trace_id).span_id() {
            return format!("{}/~{}", self.trace_id, node.span_id);
        }
        match node.path {
            "" => self.trace_id.to_string(),
            path => format!("{}/{path}", self.trace_id),
        }
    }
}

fn unsalted(path: &str) -> &str {
    let last = path.rfind('/').map_or(0, |at| at + 1);
    path[last..].find('.').map_or(path, |at| &path[..last + at])
}

impl<'a> Node<'a> {
    fn new(span_id: SpanId) -> Node<'a> {
        Node {
            span_id,
            parent_span_id: None,
            path: "",
            head: None,
            end: None,
            begun: u64::MAX,
            last: 0,
            items: Vec::new(),
            begin_seen: false,
            shared: false,
        }
    }

    fn take(&mut self, record: RecordRef<'a>) {
        if let Some(task) = record.task {
            self.path = task.path;
        }
        self.begun = self.begun.min(record.time);
        self.last = self.last.max(record.time);
        match record.kind {
            Kind::Begin if !self.begin_seen => {
                self.begin_seen = true;
                self.head = Some(record);
            }
            // A real end replaces one that the daemon wrote for a lost task, or for a Python task that was silent.
            Kind::End
                if self.end.is_none_or(|known| {
                    matches!(known.outcome, Outcome::Lost | Outcome::Unset)
                }) =>
            {
                self.end = Some(record);
                self.head.get_or_insert(record);
            }
            Kind::End => {}
            _ => {
                self.head.get_or_insert(record);
                self.items.push(Item::Record(record));
            }
        }
    }

    /// What it wants to achieve, in words.
    pub fn title(&self) -> &'a str {
        let known = |record: &RecordRef<'a>| matches!(record.kind, Kind::Begin | Kind::End);
        match self.head.filter(known) {
            Some(head) if !head.message.is_empty() => head.message,
            Some(head) => head.task_name(),
            None => "",
        }
    }

    /// What is known about its end.
    pub fn state(&self) -> State {
        match (self.end, self.head) {
            (Some(end), _) if end.outcome == Outcome::Unset => State::Ended,
            (Some(end), _) => State::Done(end.outcome),
            (None, None) => State::Unknown,
            (None, Some(head)) if is_python(&head) => State::Ended,
            (None, Some(_)) => State::Running,
        }
    }

    /// How long it took, in ns; to the last record where no end tells. `None` while it runs.
    pub fn duration(&self) -> Option<u64> {
        match (self.end, self.state()) {
            (Some(end), _) if end.duration > 0 => Some(end.duration),
            (None, State::Running | State::Unknown) | (_, State::Done(Outcome::Lost)) => None,
            // Python measures nothing: the time from its first to its last record.
            _ => Some(self.last.saturating_sub(self.begun)),
        }
    }
}

/// Whether a program of the Python package wrote it, whose tasks often have no end. Spans from Python, which come by OTLP, have
/// one.
pub(crate) fn is_python(record: &RecordRef<'_>) -> bool {
    !record.is_by_otlp()
        && matches!(
            record.source.resource.get("telemetry.sdk.language"),
            Some(distlog_proto::ValueRef::Str("python"))
        )
}
