//! From the records of a trace to its tree.

use std::collections::{HashMap, HashSet};

use distlog_proto::{Kind, Outcome, ProducerId, RecordRef, SpanId, SpanKind, TaskId, TraceId};

use super::path::is_named;
use super::service::service_of;

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
    /// Time of its first record, in ns since the epoch; `u64::MAX` where none says a time.
    pub begun: u64,
    /// Time of its last record, in ns since the epoch.
    pub last: u64,
    /// Another task with the same span id: client and server that share it, as Zipkin and Envoy have it.
    twin: Option<usize>,
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
        let mut index = Index::default();
        let mut seen = HashSet::new();
        for record in records {
            let Some(task) = record.task.filter(|task| task.trace_id == trace_id) else {
                continue;
            };
            if !seen.insert((record.source.producer, record.offset)) {
                continue;
            }
            let Some(at) = tree.place(&mut index, task.span_id, &record) else {
                continue;
            };
            if let Some(parent) = task.parent_span_id {
                tree.nodes[at].parent_span_id = Some(parent);
                tree.node_of(&mut index, parent);
            }
            tree.nodes[at].take(record);
        }
        tree.link(&index.first);
        tree
    }

    /// The first task with a span id, which is made if there is none.
    fn node_of(&mut self, index: &mut Index, span_id: SpanId) -> usize {
        *index.first.entry(span_id).or_insert_with(|| {
            self.nodes.push(Node::new(span_id));
            self.nodes.len() - 1
        })
    }

    /// The task that a record belongs to; none if the record is a repetition.
    ///
    /// What came by OTLP may be two spans with one id, and a span that a client sent again since it did not hear the answer:
    /// the same span begins the same way, and its records have the same numbers.
    fn place(
        &mut self,
        index: &mut Index,
        span_id: SpanId,
        record: &RecordRef<'a>,
    ) -> Option<usize> {
        let first = self.node_of(index, span_id);
        if !record.is_by_otlp() {
            return Some(first);
        }
        let source = (record.source.producer, span_id);
        let of_span =
            record.kind != Kind::Event || record.otlp().is_some_and(|otlp| otlp.span_event);
        let at = if record.kind == Kind::Begin {
            let known = self
                .twins(first)
                .find(|at| self.nodes[*at].may_begin(record));
            let at = known.unwrap_or_else(|| self.twin_of(first));
            index.current.insert(source, at);
            at
        } else {
            let same_service = |at: &usize| {
                let head = self.nodes[*at].head;
                head.is_some_and(|head| service_of(&head) == service_of(record))
            };
            let current = index.current.get(&source).copied();
            let other = || self.twins(first).find(same_service);
            current.or_else(other).unwrap_or(first)
        };
        let is_new = !of_span || index.numbers.insert((at, record.number));
        is_new.then_some(at)
    }

    /// The tasks with the same span id.
    fn twins(&self, first: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(first), |at| self.nodes[*at].twin)
    }

    fn twin_of(&mut self, first: usize) -> usize {
        let last = self.twins(first).last().unwrap_or(first);
        let at = self.nodes.len();
        self.nodes.push(Node::new(self.nodes[first].span_id));
        self.nodes[last].twin = Some(at);
        at
    }

    /// The task above: of several with that span id the one of the same process, or else the one that serves.
    fn parent_of(&self, index: &HashMap<SpanId, usize>, node: &Node<'a>) -> Option<usize> {
        let first = *index.get(&node.parent_span_id?)?;
        self.nodes[first].twin?;
        let producer = node.head.map(|head| head.source.producer);
        let head = |at: &usize| self.nodes[*at].head;
        let same = |at: &usize| head(at).map(|head| head.source.producer) == producer;
        let serves = |at: &usize| head(at).is_some_and(|head| head.span_kind == SpanKind::Server);
        let all = || self.twins(first);
        all()
            .find(|at| same(at) && serves(at))
            .or_else(|| all().find(same))
            .or_else(|| all().find(serves))
    }

    /// Hangs each node below its parent and puts everything in order.
    fn link(&mut self, index: &HashMap<SpanId, usize>) {
        let mut takers: HashMap<(Option<SpanId>, &str), u32> = HashMap::new();
        for node in self.nodes.iter().filter(|node| node.path.contains('.')) {
            *takers
                .entry((node.parent_span_id, unsalted(node.path)))
                .or_default() += 1;
        }
        let parents: Vec<Option<usize>> = self
            .nodes
            .iter()
            .map(|node| {
                let first = index.get(&node.parent_span_id?).copied();
                self.parent_of(index, node).or(first)
            })
            .collect();
        let depths = depths(&parents);
        let mut inward: Vec<usize> = (0..self.nodes.len()).collect();
        inward.sort_by_key(|at| std::cmp::Reverse(depths[*at]));
        for at in inward {
            let begun = self.nodes[at].begun;
            let node = &mut self.nodes[at];
            node.shared = takers
                .get(&(node.parent_span_id, unsalted(node.path)))
                .is_some_and(|n| *n > 1);
            match parents[at] {
                Some(parent) if depths[at] > 0 => {
                    let parent = &mut self.nodes[parent];
                    parent.items.push(Item::Task(at));
                    if parent.head.is_none() {
                        // A task of which nothing is known begins when the first of its subtasks does.
                        parent.begun = parent.begun.min(begun);
                    }
                }
                _ => self.roots.push(at),
            }
        }
        for node in &mut self.nodes {
            // What the begin says counts, also if a clock elsewhere is behind.
            if let Some(begin) = node.head.filter(|head| node.begin_seen && head.time != 0) {
                node.begun = begin.time;
            }
        }
        let begun: Vec<u64> = self.nodes.iter().map(|node| node.begun).collect();
        for node in &mut self.nodes {
            // Stable: records of the same time stay in the order in which they were stored.
            node.items.sort_by_key(|item| match item {
                Item::Record(record) => (known(record.time), 0, record.offset),
                Item::Task(at) => (begun[*at], 1, 0),
            });
        }
        self.roots.sort_by_key(|at| begun[*at]);
    }

    /// How many tasks stand below one.
    pub fn below(&self, at: usize) -> usize {
        let mut count = 0;
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            for item in &self.nodes[at].items {
                if let Item::Task(child) = item {
                    count += 1;
                    open.push(*child);
                }
            }
        }
        count
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
        let all = || 0..self.nodes.len();
        let exact: Vec<usize> = all()
            .filter(|at| self.nodes[*at].span_id == id.span_id())
            .collect();
        if !exact.is_empty() {
            return exact;
        }
        let takers = all().filter(|at| is_named(self.nodes[*at].path, id.path()));
        takers.collect()
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

/// What building a tree keeps in mind.
#[derive(Default)]
struct Index {
    /// The first task with each span id.
    first: HashMap<SpanId, usize>,
    /// The span that a producer's records tell of: they follow its begin.
    current: HashMap<(ProducerId, SpanId), usize>,
    /// The records of each span, by their numbers.
    numbers: HashSet<(usize, u64)>,
}

/// How deep each task stands, told the ones above them. Where these run in a circle (forged ids), the tree goes on with a root.
fn depths(parents: &[Option<usize>]) -> Vec<usize> {
    const UNKNOWN: usize = usize::MAX;
    const ON_THE_WAY: usize = usize::MAX - 1;
    let mut depths = vec![UNKNOWN; parents.len()];
    let mut way = Vec::new();
    for start in 0..parents.len() {
        let mut up = Some(start);
        let mut depth = loop {
            match up {
                Some(at) if depths[at] == UNKNOWN => {
                    depths[at] = ON_THE_WAY;
                    way.push(at);
                    up = parents[at];
                }
                Some(at) if depths[at] != ON_THE_WAY => break depths[at] + 1,
                _ => break 0,
            }
        };
        while let Some(at) = way.pop() {
            depths[at] = depth;
            depth += 1;
        }
    }
    depths
}

/// A time that is not known comes last.
fn known(time: u64) -> u64 {
    if time == 0 { u64::MAX } else { time }
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
            twin: None,
            items: Vec::new(),
            begin_seen: false,
            shared: false,
        }
    }

    fn take(&mut self, record: RecordRef<'a>) {
        if let Some(task) = record.task {
            self.path = task.path;
        }
        self.begun = self.begun.min(known(record.time));
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

    /// Whether this begin may be its own: it has none yet, or the same.
    fn may_begin(&self, begin: &RecordRef<'a>) -> bool {
        let Some(known) = self.head.filter(|_| self.begin_seen) else {
            return true;
        };
        // A layer in the same process may have told of it, too.
        !known.is_by_otlp()
            || (known.time == begin.time
                && known.span_kind == begin.span_kind
                && known.message == begin.message
                && service_of(&known) == service_of(begin))
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

    /// How long it took, in ns. `None` while it runs, and where a time is missing or the end is before the start.
    pub fn duration(&self) -> Option<u64> {
        match (self.end, self.state()) {
            (Some(end), _) if end.duration > 0 => Some(end.duration),
            (None, State::Running | State::Unknown) | (_, State::Done(Outcome::Lost)) => None,
            // A span of no length, or one without a start or end.
            (Some(end), _) if end.is_by_otlp() => {
                let begin = self.head.filter(|_| self.begin_seen)?;
                (begin.time != 0 && begin.time == end.time).then_some(0)
            }
            // Python measures nothing: the time from its first to its last record.
            _ => self.last.checked_sub(self.begun),
        }
    }

    /// Whether it is over, so that its duration should be known.
    pub fn is_over(&self) -> bool {
        matches!(self.state(), State::Ended | State::Done(_))
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
