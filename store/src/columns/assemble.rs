//! Puts records together from their columns.

use distlog_proto::wire::field::{batch, task};
use distlog_proto::wire::put::{raw_varint, varint_len};
use distlog_proto::{TaskId, TraceId};

use super::block::{Block, Values};
use super::canonical::{BYTES, FIXED64};
use super::hex;
use super::operations::{Op, Plan};

/// Puts the records of a block together, in order.
pub(super) struct Assembly<'b> {
    block: &'b Block,
    plans: &'b [Plan],
    /// For each column the place of its next value.
    next: Vec<usize>,
    /// For each shape the records that were passed over and are not in `next` yet, and which shapes have such.
    passed: Vec<usize>,
    shapes_passed: Vec<usize>,
    /// Some records have offsets that do not follow from those before them.
    has_offsets: bool,
    offset: u64,
    time: u64,
    trace: &'b [u8],
    span: u64,
    task: Option<TaskId>,
    /// Of messages that are not whole yet, where they begin, and the bytes left there for the length.
    open: Vec<(usize, usize)>,
    /// What the length of the last record took.
    room: usize,
}

impl<'b> Assembly<'b> {
    /// With how the records of each shape are put together.
    pub(super) fn new(block: &'b Block, plans: &'b [Plan]) -> Assembly<'b> {
        Assembly {
            block,
            plans,
            next: vec![0; block.columns.len()],
            passed: vec![0; plans.len()],
            shapes_passed: Vec::new(),
            has_offsets: plans.iter().any(|plan| plan.offset.is_some()),
            offset: 0,
            time: 0,
            trace: &[],
            span: 0,
            task: None,
            open: Vec::new(),
            room: 1,
        }
    }

    /// Begins a batch whose first record has the offset `from`.
    pub(super) fn batch(&mut self, from: u64) {
        self.offset = from;
    }

    #[inline]
    fn number(&mut self, column: u32) -> Option<u64> {
        let next = self.next.get_mut(column as usize)?;
        let at = std::mem::replace(next, *next + 1);
        match self.block.columns.get(column as usize)? {
            Values::Numbers(values) => values.get(at).copied(),
            Values::Texts(_) | Values::Unread => None,
        }
    }

    #[inline]
    fn text(&mut self, column: u32) -> Option<&'b [u8]> {
        let text = self.peek(column)?;
        *self.next.get_mut(column as usize)? += 1;
        Some(text)
    }

    fn peek(&self, column: u32) -> Option<&'b [u8]> {
        let at = *self.next.get(column as usize)?;
        match self.block.columns.get(column as usize)? {
            Values::Texts(texts) => texts.get(at),
            Values::Numbers(_) | Values::Unread => None,
        }
    }

    /// Passes over records, of each of which the number of its shape is given, counted from 1.
    pub(super) fn pass(&mut self, rows: &[u64]) -> Option<()> {
        for row in rows {
            let shape = usize::try_from(row.checked_sub(1)?).ok()?;
            let passed = self.passed.get_mut(shape)?;
            if *passed == 0 {
                self.shapes_passed.push(shape);
            }
            *passed += 1;
            // Offsets build on each other.
            if self.has_offsets {
                self.go_on()?;
            }
        }
        self.offset = self.offset.wrapping_add(rows.len() as u64);
        Some(())
    }

    /// Goes to the values behind the records that were passed over.
    fn go_on(&mut self) -> Option<()> {
        for shape in self.shapes_passed.drain(..) {
            let plan = self.plans.get(shape)?;
            let passed = std::mem::take(self.passed.get_mut(shape)?);
            if let Some(column) = plan.offset {
                let at = *self.next.get(column as usize)?;
                let more = *self.block.numbers(column as usize)?.get(at)?;
                self.offset = self.offset.wrapping_add(more);
            }
            for column in &plan.columns {
                *self.next.get_mut(*column as usize)? += passed;
            }
        }
        Some(())
    }

    /// Appends a record of a shape, as a field of its batch.
    pub(super) fn record(&mut self, shape: u64, out: &mut Vec<u8>) -> Option<()> {
        self.go_on()?;
        let plan = self.plans.get(usize::try_from(shape).ok()?)?;
        self.time = 0;
        self.open.clear();
        raw_varint(out, u64::from(batch::RECORDS << 3 | BYTES));
        self.begin(self.room, out);
        for op in &plan.ops {
            match op {
                Op::Bytes(bytes) => out.extend_from_slice(bytes),
                Op::Varint(tag, column) => {
                    let value = self.number(*column)?;
                    out.extend_from_slice(tag);
                    raw_varint(out, value);
                }
                Op::Fixed64(tag, column) => {
                    let value = self.number(*column)?;
                    put_word(out, tag, value);
                }
                Op::Fixed32(tag, column) => {
                    let value = u32::try_from(self.number(*column)?).ok()?;
                    out.extend_from_slice(tag);
                    out.extend_from_slice(&value.to_le_bytes());
                }
                Op::Text(tag, column) => {
                    let text = self.text(*column)?;
                    put_text(out, tag, text);
                }
                Op::Open(tag) => {
                    out.extend_from_slice(tag);
                    self.begin(1, out);
                }
                Op::Close => _ = self.end(out)?,
                Op::Offset(tag, column) => {
                    self.offset = self.offset.wrapping_add(self.number(*column)?);
                    out.extend_from_slice(tag);
                    raw_varint(out, self.offset);
                }
                Op::Time(tag, column) => {
                    self.time = self.number(*column)?;
                    put_word(out, tag, self.time);
                }
                Op::Observed(tag, column) => {
                    let value = self.time.wrapping_add(self.number(*column)?);
                    put_word(out, tag, value);
                }
                Op::TraceId(tag, column) => {
                    self.trace = self.text(*column)?;
                    put_text(out, tag, self.trace);
                }
                Op::SpanId(tag, column) => {
                    self.span = self.number(*column)?;
                    put_word(out, tag, self.span);
                }
                Op::PathOfSpan => {
                    out.extend_from_slice(&[(task::PATH << 3 | BYTES) as u8, 17, b'~']);
                    out.extend_from_slice(&hex(self.span));
                }
                Op::SpanOfPath(path) => {
                    self.work_out(*path)?;
                    self.span = self.task.as_ref()?.span_id().get();
                    put_word(out, &[(task::SPAN_ID << 3 | FIXED64) as u8], self.span);
                }
                Op::Pass(column) => *self.next.get_mut(*column as usize)? += 1,
                Op::ParentOfPath => {
                    let parent = self.task.as_ref()?.parent_span_id()?.get();
                    put_word(out, &[(task::PARENT_SPAN_ID << 3 | FIXED64) as u8], parent);
                }
            }
        }
        self.room = self.end(out)?;
        self.offset = self.offset.wrapping_add(1);
        Some(())
    }

    /// A message begins, whose length probably takes so many bytes in front of it.
    fn begin(&mut self, room: usize, out: &mut Vec<u8>) {
        self.open.push((out.len(), room));
        out.resize(out.len() + room, 0);
    }

    /// Writes the length of the message that ends; gives how many bytes that takes.
    fn end(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let (at, room) = self.open.pop()?;
        let end = out.len();
        let len = end - at - room;
        let needed = varint_len(len as u64);
        if needed != room {
            out.resize(end.max(end + needed - room), 0);
            out.copy_within(at + room..end, at + needed);
            out.truncate(end + needed - room);
        }
        let mut rest = len;
        for byte in &mut out[at..at + needed] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        out[at + needed - 1] &= 0x7f;
        Some(needed)
    }

    /// Works out the ids of the task whose path comes next.
    fn work_out(&mut self, path: Option<u32>) -> Option<()> {
        let path = match path {
            Some(column) => std::str::from_utf8(self.peek(column)?).ok()?,
            None => "",
        };
        let trace = TraceId::from_bytes(self.trace.try_into().ok()?)?;
        let known = |task: &TaskId| task.trace_id() == trace && task.path() == path;
        if !self.task.as_ref().is_some_and(known) {
            self.task = Some(TaskId::from_parts(trace, path).ok()?);
        }
        Some(())
    }
}

#[inline]
fn put_word(out: &mut Vec<u8>, tag: &[u8], value: u64) {
    out.extend_from_slice(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

#[inline]
fn put_text(out: &mut Vec<u8>, tag: &[u8], text: &[u8]) {
    out.extend_from_slice(tag);
    raw_varint(out, text.len() as u64);
    out.extend_from_slice(text);
}
