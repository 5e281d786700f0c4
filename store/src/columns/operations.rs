//! How the records of a shape are put together.

use distlog_proto::wire::field::{record, task};
use distlog_proto::wire::put::raw_varint;

use super::canonical::{BYTES, FIXED32, FIXED64, VARINT};
use super::shape::{KEY, Message, NAME, ReadShapes, Step};

/// A step of putting a record together.
pub(super) enum Op {
    /// Bytes that are the same in all records of the shape.
    Bytes(Vec<u8>),
    Varint(Tag, u32),
    Fixed64(Tag, u32),
    Fixed32(Tag, u32),
    Text(Tag, u32),
    Open(Tag),
    Close,
    Offset(Tag, u32),
    Time(Tag, u32),
    Observed(Tag, u32),
    TraceId(Tag, u32),
    SpanId(Tag, u32),
    PathOfSpan,
    /// With the column of the path, if it has one.
    SpanOfPath(Option<u32>),
    ParentOfPath,
    /// A value that nobody reads.
    Pass(u32),
}

/// How the records of a shape are put together.
pub(super) struct Plan {
    pub(super) ops: Vec<Op>,
    /// The columns of its values, those that nobody reads included; once for each value.
    pub(super) columns: Vec<u32>,
    /// The column of the offset among them.
    pub(super) offset: Option<u32>,
}

impl Plan {
    fn new(ops: Vec<Op>) -> Plan {
        let mut plan = Plan {
            ops: Vec::new(),
            columns: Vec::new(),
            offset: None,
        };
        for op in &ops {
            match op {
                Op::Varint(_, column)
                | Op::Fixed64(_, column)
                | Op::Fixed32(_, column)
                | Op::Text(_, column)
                | Op::Time(_, column)
                | Op::Observed(_, column)
                | Op::TraceId(_, column)
                | Op::SpanId(_, column)
                | Op::Pass(column) => plan.columns.push(*column),
                Op::Offset(_, column) => {
                    plan.columns.push(*column);
                    plan.offset = Some(*column);
                }
                Op::Bytes(_) | Op::Open(_) | Op::Close | Op::PathOfSpan => {}
                Op::SpanOfPath(_) | Op::ParentOfPath => {}
            }
        }
        plan.ops = ops;
        plan
    }
}

/// A tag as it is written.
pub(super) type Tag = Vec<u8>;

fn tag_bytes(tag: u32) -> Tag {
    let mut bytes = Vec::new();
    raw_varint(&mut bytes, u64::from(tag));
    bytes
}

/// How the records of a shape are put together from its steps. Of those that are not `kept`, values of columns that
/// were read are passed over; a message goes as a whole.
pub(super) fn plan(
    read: &ReadShapes,
    steps: &[(Step, u32)],
    kept: impl Fn(usize) -> bool,
    is_read: impl Fn(u32) -> bool,
) -> Option<Plan> {
    let mut ops: Vec<Op> = Vec::new();
    let mut within = vec![Message::Record];
    for (at, (step, column)) in steps.iter().enumerate() {
        let message = *within.last()?;
        if !kept(at) {
            match *step {
                Step::Open(tag) => within.push(message.inner(tag >> 3)?),
                Step::Close => _ = within.pop(),
                Step::Value(_) if is_read(*column) => ops.push(Op::Pass(*column)),
                _ => {}
            }
            continue;
        }
        let op = match *step {
            Step::Open(tag) => {
                within.push(message.inner(tag >> 3)?);
                Op::Open(tag_bytes(tag))
            }
            Step::Close => {
                within.pop();
                Op::Close
            }
            Step::Key(key, _) => {
                let mut bytes = tag_bytes(KEY << 3);
                raw_varint(&mut bytes, u64::from(key));
                Op::Bytes(bytes)
            }
            Step::Name(name) => {
                let name = read.names.get(name as usize)?;
                let mut bytes = tag_bytes(NAME << 3 | BYTES);
                raw_varint(&mut bytes, name.len() as u64);
                bytes.extend_from_slice(name);
                Op::Bytes(bytes)
            }
            Step::PathOfSpan => Op::PathOfSpan,
            Step::SpanOfPath => {
                let path = steps[at..]
                    .iter()
                    .take_while(|(step, _)| !matches!(step, Step::Close | Step::Open(_)))
                    .find(|(step, _)| *step == Step::Value(task::PATH << 3 | BYTES));
                Op::SpanOfPath(path.map(|(_, column)| *column))
            }
            Step::ParentOfPath => Op::ParentOfPath,
            Step::Value(tag) => {
                let (column, bytes) = (*column, tag_bytes(tag));
                match (message, tag >> 3, tag & 7) {
                    (Message::Record, record::OFFSET, VARINT) => Op::Offset(bytes, column),
                    (Message::Record, record::TIME, FIXED64) => Op::Time(bytes, column),
                    (Message::Record, record::OBSERVED_TIME, FIXED64) => {
                        Op::Observed(bytes, column)
                    }
                    (Message::Task, task::TRACE_ID, BYTES) => Op::TraceId(bytes, column),
                    (Message::Task, task::SPAN_ID, FIXED64) => Op::SpanId(bytes, column),
                    (_, _, VARINT) => Op::Varint(bytes, column),
                    (_, _, FIXED64) => Op::Fixed64(bytes, column),
                    (_, _, FIXED32) => Op::Fixed32(bytes, column),
                    (_, _, BYTES) => Op::Text(bytes, column),
                    _ => return None,
                }
            }
        };
        match (ops.last_mut(), op) {
            (Some(Op::Bytes(before)), Op::Bytes(bytes)) => before.extend_from_slice(&bytes),
            (_, op) => ops.push(op),
        }
    }
    (within.len() == 1).then(|| Plan::new(ops))
}
