//! The shapes of records: which fields they have, in which order, without what is in them.
//!
//! Records that one place in the code logs have mostly one shape. Shapes form a tree of steps: a node is the way from
//! the begin of a record to there, and some nodes end a record. Each step that has a value belongs to a column.

use hashbrown::HashMap;

use distlog_proto::wire::field;

use super::stream::{Reader, Writer};

/// More of either in one block are no shapes: the block is stored in rows.
pub(super) const MAX_NODES: usize = 1 << 14;
pub(super) const MAX_COLUMNS: usize = 1 << 10;

/// Which message a field stands in, as far as messages are taken apart. Lists, maps and links are values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Message {
    Record,
    Task,
    /// One of the record's own fields.
    Field,
    /// One of the fields of its task.
    Context,
    Error,
    Otlp,
    /// One of the attributes of its scope.
    Scope,
}

impl Message {
    const ALL: [Message; 7] = [
        Message::Record,
        Message::Task,
        Message::Field,
        Message::Context,
        Message::Error,
        Message::Otlp,
        Message::Scope,
    ];

    /// The message that a field of this one is, if that is taken apart.
    pub(super) fn inner(self, number: u32) -> Option<Message> {
        match (self, number) {
            (Message::Record, field::record::TASK) => Some(Message::Task),
            (Message::Record, field::record::FIELDS) => Some(Message::Field),
            (Message::Record, field::record::ERROR) => Some(Message::Error),
            (Message::Record, field::record::OTLP) => Some(Message::Otlp),
            (Message::Task, field::task::CONTEXT) => Some(Message::Context),
            (Message::Otlp, SCOPE_ATTRIBUTES) => Some(Message::Scope),
            _ => None,
        }
    }

    /// Whether it is a `Field` of the contract: a name and a value.
    pub(super) fn is_named(self) -> bool {
        matches!(self, Message::Field | Message::Context | Message::Scope)
    }
}

const SCOPE_ATTRIBUTES: u32 = 3;
/// Of a `Field`: the number of its name in its callsite, and its name.
pub(super) const KEY: u32 = 1;
pub(super) const NAME: u32 = 2;

/// The tag of a field: its number and its wire type.
pub(super) type Tag = u32;

/// No name: a value that stands in no `Field`, or in one whose name its callsite does not have.
pub(super) const NO_NAME: u32 = 0;

/// What comes next in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// A value, which is in a column.
    Value(Tag),
    /// A message begins.
    Open(Tag),
    /// It ends.
    Close,
    /// The number of a field's name, and the name.
    Key(u32, u32),
    /// The name of a field.
    Name(u32),
    /// The path of a task that only OpenTelemetry knows: its span id with `~`.
    PathOfSpan,
    /// The span id of a task, which follows from its path.
    SpanOfPath,
    /// So does that of its parent.
    ParentOfPath,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ColumnKey {
    pub(super) message: Message,
    pub(super) tag: Tag,
    pub(super) name: u32,
}

#[derive(Debug)]
struct Node {
    parent: u32,
    step: Step,
    column: u32,
    children: Vec<u32>,
    /// The shape that ends here.
    shape: Option<u32>,
}

/// All shapes of a block, while it is written.
#[derive(Debug)]
pub(super) struct Shapes {
    nodes: Vec<Node>,
    /// The nodes that end a record, by the number of the shape.
    ends: Vec<u32>,
    pub(super) columns: Vec<ColumnKey>,
    by_key: HashMap<ColumnKey, u32>,
    /// Names of fields; the first is none.
    names: Vec<Vec<u8>>,
    by_name: HashMap<Vec<u8>, u32>,
}

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Shapes {
    pub(super) fn new() -> Shapes {
        let root = Node {
            parent: 0,
            step: Step::Close,
            column: 0,
            children: Vec::new(),
            shape: None,
        };
        Shapes {
            nodes: vec![root],
            ends: Vec::new(),
            columns: Vec::new(),
            by_key: HashMap::new(),
            names: vec![Vec::new()],
            by_name: HashMap::new(),
        }
    }

    pub(super) fn name(&mut self, name: &[u8]) -> u32 {
        if let Some(known) = self.by_name.get(name) {
            return *known;
        }
        let id = self.names.len() as u32;
        self.names.push(name.to_vec());
        self.by_name.insert(name.to_vec(), id);
        id
    }

    /// The name that a step gave, behind it.
    #[inline]
    pub(super) fn name_of(&self, node: u32) -> u32 {
        match self.nodes[node as usize].step {
            Step::Key(_, name) | Step::Name(name) => name,
            _ => NO_NAME,
        }
    }

    /// The name by which a node goes on, if it is this one.
    #[inline]
    pub(super) fn follow_name(&self, node: u32, name: &[u8]) -> Option<u32> {
        let children = &self.nodes[node as usize].children;
        children.iter().copied().find(|child| {
            matches!(self.nodes[*child as usize].step, Step::Name(id) if self.names[id as usize] == name)
        })
    }

    #[inline]
    pub(super) fn follow(&self, node: u32, step: Step) -> Option<u32> {
        let children = &self.nodes[node as usize].children;
        children
            .iter()
            .copied()
            .find(|child| self.nodes[*child as usize].step == step)
    }

    /// The node behind a step, and the column of its value.
    #[inline]
    pub(super) fn step(
        &mut self,
        node: u32,
        step: Step,
        key: impl FnOnce() -> Option<ColumnKey>,
    ) -> Result<(u32, u32), TooMany> {
        match self.follow(node, step) {
            Some(child) => Ok((child, self.nodes[child as usize].column)),
            None => self.grow(node, step, key()),
        }
    }

    #[cold]
    fn grow(
        &mut self,
        node: u32,
        step: Step,
        key: Option<ColumnKey>,
    ) -> Result<(u32, u32), TooMany> {
        let column = match key {
            None => 0,
            Some(key) => match self.by_key.get(&key) {
                Some(known) => *known,
                None if self.columns.len() == MAX_COLUMNS => return Err(TooMany),
                None => {
                    let column = self.columns.len() as u32;
                    self.columns.push(key);
                    self.by_key.insert(key, column);
                    column
                }
            },
        };
        if self.nodes.len() == MAX_NODES {
            return Err(TooMany);
        }
        let child = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent: node,
            step,
            column,
            children: Vec::new(),
            shape: None,
        });
        self.nodes[node as usize].children.push(child);
        Ok((child, column))
    }

    /// The number of the shape that ends at a node.
    #[inline]
    pub(super) fn shape(&mut self, node: u32) -> u32 {
        if let Some(known) = self.nodes[node as usize].shape {
            return known;
        }
        let shape = self.ends.len() as u32;
        self.ends.push(node);
        self.nodes[node as usize].shape = Some(shape);
        shape
    }

    pub(super) fn put(&self, out: &mut Writer) {
        out.varint(self.names.len() as u64 - 1);
        for name in &self.names[1..] {
            out.short(name);
        }
        out.varint(self.columns.len() as u64);
        for key in &self.columns {
            out.byte(key.message as u8);
            out.varint(u64::from(key.tag));
            out.varint(u64::from(key.name));
        }
        out.varint(self.nodes.len() as u64 - 1);
        for node in &self.nodes[1..] {
            out.varint(u64::from(node.parent));
            let (kind, a, b) = match node.step {
                Step::Value(tag) => (0, tag, node.column),
                Step::Open(tag) => (1, tag, 0),
                Step::Close => (2, 0, 0),
                Step::Key(key, name) => (3, key, name),
                Step::Name(name) => (4, name, 0),
                Step::PathOfSpan => (5, 0, 0),
                Step::SpanOfPath => (6, 0, 0),
                Step::ParentOfPath => (7, 0, 0),
            };
            out.byte(kind);
            out.varint(u64::from(a));
            out.varint(u64::from(b));
        }
        out.varint(self.ends.len() as u64);
        for end in &self.ends {
            out.varint(u64::from(*end));
        }
    }
}

/// The shapes of a block that is read: of each its steps, with the columns of values.
#[derive(Debug)]
pub(super) struct ReadShapes {
    pub(super) names: Vec<Vec<u8>>,
    pub(super) columns: Vec<ColumnKey>,
    pub(super) shapes: Vec<Vec<(Step, u32)>>,
}

impl ReadShapes {
    pub(super) fn take(input: &mut Reader<'_>) -> Option<ReadShapes> {
        let mut names = vec![Vec::new()];
        for _ in 0..input.count(MAX_NODES)? {
            names.push(input.short()?.to_vec());
        }
        let mut columns = Vec::new();
        for _ in 0..input.count(MAX_COLUMNS)? {
            columns.push(ColumnKey {
                message: *Message::ALL.get(usize::from(input.byte()?))?,
                tag: u32::try_from(input.varint()?).ok()?,
                name: input.count(names.len() - 1)? as u32,
            });
        }
        let mut nodes = vec![(0u32, Step::Close, 0u32)];
        for _ in 0..input.count(MAX_NODES)? {
            let parent = input.count(nodes.len() - 1)? as u32;
            let kind = input.byte()?;
            let a = u32::try_from(input.varint()?).ok()?;
            let b = u32::try_from(input.varint()?).ok()?;
            let named = |id: u32| ((id as usize) < names.len()).then_some(id);
            let step = match kind {
                0 => Step::Value(a),
                1 => Step::Open(a),
                2 => Step::Close,
                3 => Step::Key(a, named(b)?),
                4 => Step::Name(named(a)?),
                5 => Step::PathOfSpan,
                6 => Step::SpanOfPath,
                7 => Step::ParentOfPath,
                _ => return None,
            };
            if kind == 0 && columns.len() <= b as usize {
                return None;
            }
            nodes.push((parent, step, b));
        }
        let mut shapes = Vec::new();
        for _ in 0..input.count(MAX_NODES)? {
            let mut at = input.count(nodes.len() - 1)?;
            let mut steps = Vec::new();
            // A parent stands before its children, so this ends.
            while at != 0 {
                let (parent, step, column) = nodes[at];
                steps.push((step, column));
                at = parent as usize;
            }
            steps.reverse();
            shapes.push(steps);
        }
        Some(ReadShapes {
            names,
            columns,
            shapes,
        })
    }
}
