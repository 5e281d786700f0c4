//! From the records of a trace to its tree.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use distlog_proto::{Kind, ProducerId, RecordRef, SpanId, SpanKind, TaskId, TraceId};

use super::node::{NONE, Node};
use super::path::is_named;
use super::source::{Place, Source, read};

/// The tasks of one trace: places of records, in order. The records stay where they are.
#[derive(Debug)]
pub struct Tree {
    trace_id: TraceId,
    nodes: Vec<Node>,
    items: Vec<Item>,
    roots: (u32, u32),
    asked: Option<SpanId>,
}

/// So many spans with one id are told from each other.
const MAX_SHARED: usize = 64;

/// What stands below a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A record of the task.
    Record(Place),
    /// A subtask: see [`Tree::node`].
    Task(u32),
}

/// Something in its place below a task.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// The task; [`NONE`] for what stands at the top.
    owner: u32,
    /// Who sent it, with `offset`.
    producer: u32,
    time: u64,
    offset: u64,
    content: Content,
    /// It is an event of a span that came by OTLP, and goes with it.
    of_span: bool,
}

impl Item {
    /// The task that it is.
    fn task(&self) -> Option<u32> {
        match self.content {
            Content::Task(task) => Some(task),
            Content::Record(_) => None,
        }
    }
}

/// Builds a tree from the records of a trace.
#[derive(Debug)]
pub struct Builder {
    asked: TaskId,
    nodes: Vec<Node>,
    items: Vec<Item>,
    index: HashMap<SpanId, u32>,
    producers: HashMap<ProducerId, u32>,
}

impl Builder {
    /// For the trace of a task that is asked for.
    pub fn new(asked: &TaskId) -> Builder {
        Builder {
            asked: asked.clone(),
            nodes: Vec::new(),
            items: Vec::new(),
            index: HashMap::new(),
            producers: HashMap::new(),
        }
    }

    /// Adds a record, which came in at `received` (ns since the epoch). Records of other traces are passed over; a
    /// record without span belongs to none.
    pub fn add(&mut self, place: Place, received: u64, record: &RecordRef<'_>) {
        let trace_id = self.asked.trace_id();
        let Some(task) = record.task.filter(|task| task.trace_id == trace_id) else {
            return;
        };
        let known = self.producers.len() as u32;
        let producer = *self
            .producers
            .entry(record.source.producer)
            .or_insert(known);
        let of_span = is_of_span(record);
        let base = of_span.then(|| record.offset.wrapping_sub(record.number));
        let at = self.node_of(task.span_id, producer, base);
        if let Some(parent) = task.parent_span_id {
            self.first_of(parent);
        }
        let time = record.time_or(received);
        let Some(node) = self.nodes.get_mut(at as usize) else {
            return;
        };
        node.parent_span_id = task.parent_span_id.or(node.parent_span_id);
        node.named |= is_named(task.path, self.asked.path());
        if task.path.contains('.') {
            let mut hasher = DefaultHasher::new();
            unsalted(task.path).hash(&mut hasher);
            node.taken = hasher.finish().max(1);
        }
        node.take(record, place, time);
        if matches!(record.kind, Kind::Event | Kind::Bind) {
            self.items.push(Item {
                owner: at,
                producer,
                time,
                offset: record.offset,
                content: Content::Record(place),
                of_span,
            });
        }
    }

    /// Bytes that it takes, about.
    pub fn weight(&self) -> usize {
        self.nodes.len() * (size_of::<Node>() + size_of::<Item>() + 32)
            + self.items.len() * size_of::<Item>()
    }

    /// The first node with a span id.
    fn first_of(&mut self, span_id: SpanId) -> u32 {
        let nodes = &mut self.nodes;
        *self.index.entry(span_id).or_insert_with(|| {
            nodes.push(Node::new(span_id));
            nodes.len() as u32 - 1
        })
    }

    /// The node of a record: of a span that came by OTLP that with its base, else the first.
    fn node_of(&mut self, span_id: SpanId, producer: u32, base: Option<u64>) -> u32 {
        let mut at = self.first_of(span_id);
        let Some(base) = base else {
            return at;
        };
        for _ in 1..MAX_SHARED {
            let node = &mut self.nodes[at as usize];
            match node.base {
                None => {
                    (node.base, node.producer) = (Some(base), producer);
                    return at;
                }
                Some(known) if known == base && node.producer == producer => return at,
                Some(_) if node.next != NONE => at = node.next,
                Some(_) => return self.share(span_id, at, producer, base),
            }
        }
        at
    }

    /// Another node with the span id of the last one that has it.
    fn share(&mut self, span_id: SpanId, at: u32, producer: u32, base: u64) -> u32 {
        let new = self.nodes.len() as u32;
        self.nodes[at as usize].next = new;
        let mut node = Node::new(span_id);
        (node.base, node.producer) = (Some(base), producer);
        self.nodes.push(node);
        new
    }

    /// Hangs each node below its parent and puts everything in order.
    pub fn finish(mut self) -> Tree {
        self.find_again();
        self.move_items();
        let (parents, depths) = self.parents();
        let mut takers: HashMap<(u32, u64), u32> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if node.taken != 0 {
                *takers.entry((parents[at], node.taken)).or_default() += 1;
            }
        }
        let mut inward: Vec<u32> = (0..self.nodes.len() as u32)
            .filter(|at| self.nodes[*at as usize].same_as == NONE)
            .collect();
        inward.sort_by_key(|at| std::cmp::Reverse(depths[*at as usize]));
        for item in &self.items {
            self.nodes[item.owner as usize].below += 1;
        }
        for at in inward {
            let parent = parents[at as usize];
            let node = &mut self.nodes[at as usize];
            node.shared = takers
                .get(&(parent, node.taken))
                .is_some_and(|takers| *takers > 1);
            let (begun, order, below) = (node.begun, node.order(), node.below);
            let (tasks, severity) = (node.tasks, node.severity);
            if let Some(parent) = self.nodes.get_mut(parent as usize) {
                parent.below += below + 1;
                parent.tasks += tasks + 1;
                parent.severity = parent.severity.max(severity);
                if parent.head.is_none() {
                    // A task of which nothing is known begins when the first of its subtasks does.
                    let first = |known: u64, new: u64| match (known, new) {
                        (0, other) | (other, 0) => other,
                        (known, new) => known.min(new),
                    };
                    parent.begun = first(parent.begun, begun);
                    parent.order = first(parent.order, order);
                }
            }
            self.items.push(Item {
                owner: parent,
                producer: NONE,
                time: order,
                offset: at.into(),
                content: Content::Task(at),
                of_span: false,
            });
        }
        let place = |content| matches!(content, Content::Task(_));
        self.items.sort_unstable_by_key(|item| {
            let is_task = place(item.content);
            (item.owner, item.time, is_task, item.offset, item.producer)
        });
        let mut from = 0;
        let mut roots = (0, 0);
        while let Some(first) = self.items.get(from) {
            let owner = first.owner;
            let len = self.items[from..].partition_point(|item| item.owner == owner);
            let range = (from as u32, (from + len) as u32);
            match self.nodes.get_mut(owner as usize) {
                Some(node) => node.items = range,
                None => roots = range,
            }
            from += len;
        }
        Tree {
            trace_id: self.asked.trace_id(),
            asked: (!self.asked.path().is_empty()).then(|| self.asked.span_id()),
            nodes: self.nodes,
            items: self.items,
            roots,
        }
    }

    /// Finds the spans that were sent again: a client that did not hear the answer does so, and after a restart the
    /// daemon does not know it any more.
    fn find_again(&mut self) {
        let shared: Vec<u32> = self
            .index
            .values()
            .copied()
            .filter(|first| self.nodes[*first as usize].next != NONE)
            .collect();
        for first in shared {
            let own = self.chain(first);
            let last = own.len() - 1;
            for (earlier, later) in (0..last).flat_map(|a| (a + 1..=last).map(move |b| (a, b))) {
                let (a, b) = (own[earlier] as usize, own[later] as usize);
                if self.nodes[a].same_as == NONE
                    && self.nodes[b].same_as == NONE
                    && self.nodes[b].is_again(&self.nodes[a])
                {
                    // The one that has an end is the whole one.
                    let (kept, again) = if self.nodes[a].prints.1.is_none() {
                        (b, a)
                    } else {
                        (a, b)
                    };
                    self.nodes[again].same_as = kept as u32;
                }
            }
        }
    }

    /// The nodes from one on that have its span id.
    fn chain(&self, first: u32) -> Vec<u32> {
        let next = |at: &u32| {
            let next = self.nodes.get(*at as usize)?.next;
            (next != NONE).then_some(next)
        };
        std::iter::successors(Some(first), next).collect()
    }

    /// The node that stands for one.
    fn kept(&self, mut at: u32) -> u32 {
        while let Some(node) = self.nodes.get(at as usize).filter(|n| n.same_as != NONE) {
            at = node.same_as;
        }
        at
    }

    /// Drops records that came twice, and gives logs to the span of those who wrote them where several share an id.
    fn move_items(&mut self) {
        let mut items = std::mem::take(&mut self.items);
        items.retain_mut(|item| {
            let node = &self.nodes[item.owner as usize];
            if item.of_span {
                return node.same_as == NONE;
            }
            if node.next != NONE || node.same_as != NONE {
                let first = self.index.get(&node.span_id).copied();
                let own = first.map(|first| self.chain(first)).unwrap_or_default();
                let of_producer = |at: &u32| self.nodes[*at as usize].producer == item.producer;
                let at = own.into_iter().find(of_producer).unwrap_or(item.owner);
                item.owner = self.kept(at);
            }
            true
        });
        items.sort_unstable_by_key(|item| (item.owner, item.producer, item.offset));
        items.dedup_by_key(|item| (item.owner, item.producer, item.offset));
        self.items = items;
    }

    /// The node that each stands below ([`NONE`]: at the top) and how deep that is. Where the parents run in a circle
    /// (forged ids), it is cut.
    fn parents(&self) -> (Vec<u32>, Vec<u32>) {
        const UNKNOWN: u32 = u32::MAX;
        const ON_THE_WAY: u32 = u32::MAX - 1;
        let mut parents: Vec<u32> = self.nodes.iter().map(|node| self.above(node)).collect();
        let mut depths = vec![UNKNOWN; self.nodes.len()];
        let mut way = Vec::new();
        for start in 0..self.nodes.len() as u32 {
            let mut up = start;
            let mut depth = loop {
                match depths.get(up as usize).copied() {
                    Some(UNKNOWN) => {
                        depths[up as usize] = ON_THE_WAY;
                        way.push(up);
                        up = parents[up as usize];
                    }
                    Some(ON_THE_WAY) => {
                        if let Some(top) = way.last() {
                            parents[*top as usize] = NONE;
                        }
                        break 0;
                    }
                    Some(known) => break known + 1,
                    None => break 0,
                }
            };
            while let Some(at) = way.pop() {
                depths[at as usize] = depth;
                depth += 1;
            }
        }
        (parents, depths)
    }

    /// The node of a node's parent: of several with one id that of the same process, else the server's, since work is
    /// done there.
    fn above(&self, node: &Node) -> u32 {
        let first = node
            .parent_span_id
            .and_then(|span| self.index.get(&span).copied());
        let Some(first) = first else { return NONE };
        if self.nodes[first as usize].next == NONE {
            return first;
        }
        let own: Vec<u32> = self
            .chain(first)
            .into_iter()
            .filter(|at| self.nodes[*at as usize].same_as == NONE)
            .collect();
        let find = |fits: &dyn Fn(&Node) -> bool| {
            own.iter()
                .copied()
                .find(|at| fits(&self.nodes[*at as usize]))
        };
        let producer = node.producer;
        find(&|above| above.producer == producer && producer != NONE)
            .or_else(|| find(&|above| above.span_kind == SpanKind::Server))
            .or_else(|| find(&|above| above.span_kind == SpanKind::Consumer))
            .or(own.first().copied())
            .unwrap_or(first)
    }
}

/// Whether a record is a part of a span that came by OTLP: its begin, its end, or an event of it.
pub(crate) fn is_of_span(record: &RecordRef<'_>) -> bool {
    let is_event = || record.otlp().is_some_and(|otlp| otlp.span_event);
    match record.kind {
        Kind::Event | Kind::Bind => record.is_by_otlp() && is_event(),
        Kind::Begin | Kind::End => record.is_by_otlp(),
    }
}

fn unsalted(path: &str) -> &str {
    let last = path.rfind('/').map_or(0, |at| at + 1);
    path[last..].find('.').map_or(path, |at| &path[..last + at])
}

impl Tree {
    /// Its trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// A task, by its number in [`Tree::asked`] or in the content of a node.
    pub fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    /// What stands below a task, in order of time.
    pub(super) fn content(&self, node: &Node, at: u32) -> Option<Content> {
        let (from, to) = node.items;
        let item = from.checked_add(at).filter(|item| *item < to)?;
        self.items.get(item as usize).map(|item| item.content)
    }

    /// How many records and tasks stand directly below.
    pub(super) fn len(&self, node: &Node) -> u32 {
        node.items.1 - node.items.0
    }

    /// Whether a task has subtasks.
    pub(super) fn has_tasks(&self, node: &Node) -> bool {
        self.items(node).iter().any(|item| item.task().is_some())
    }

    /// The least begin of some tasks and those below them, in ns since the epoch; 0 if none is known.
    pub fn first_begin(&self, tasks: &[u32]) -> u64 {
        let mut first = u64::MAX;
        let mut open = tasks.to_vec();
        while let Some(task) = open.pop() {
            let node = self.node(task);
            if node.begun > 0 {
                first = first.min(node.begun);
            }
            open.extend(self.items(node).iter().filter_map(Item::task));
        }
        if first == u64::MAX { 0 } else { first }
    }

    fn items(&self, node: &Node) -> &[Item] {
        &self.items[node.items.0 as usize..node.items.1 as usize]
    }

    /// The tasks that the id means that was asked for: the whole tree for a bare trace id, all who took it for a
    /// reserved id.
    pub fn asked(&self) -> Vec<u32> {
        let Some(span_id) = self.asked else {
            let (from, to) = (self.roots.0 as usize, self.roots.1 as usize);
            let roots = self.items[from..to].iter();
            return roots.filter_map(Item::task).collect();
        };
        let all = 0..self.nodes.len() as u32;
        let mut named: Vec<u32> = all
            .clone()
            .filter(|at| self.node(*at).span_id == span_id)
            .collect();
        if named.is_empty() {
            named = all.filter(|at| self.node(*at).named).collect();
        }
        named.retain(|at| self.node(*at).same_as == NONE);
        named.sort_by_key(|at| self.node(*at).order());
        named
    }

    /// The id of a task as text.
    pub fn id(&self, source: &mut dyn Source, at: u32) -> String {
        let node = self.node(at);
        let path = node.head.and_then(|head| {
            read(source, head, |record| {
                record
                    .task
                    .map_or_else(String::new, |task| task.path.to_owned())
            })
        });
        self.id_of(node, &path.unwrap_or_default())
    }

    /// The id of a task whose path is known, as far as there is one.
    pub(super) fn id_of(&self, node: &Node, path: &str) -> String {
        match path {
            "" if node.span_id == TaskId::top(self.trace_id).span_id() => self.trace_id.to_string(),
            "" => format!("{}/~{}", self.trace_id, node.span_id),
            path => format!("{}/{path}", self.trace_id),
        }
    }
}
