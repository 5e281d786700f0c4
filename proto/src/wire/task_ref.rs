//! The task of a record, read in place.

use std::fmt;

use super::field::task;
use super::scan::{DecodeError, Scan};
use super::value_ref::FieldsRef;
use crate::id::{SpanId, TraceId};
use crate::record::Task;

/// The task that was read last: records of one task mostly follow each other, and name it in the same bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastTask<'a>(Option<(&'a [u8], TaskRef<'a>)>);

impl<'a> LastTask<'a> {
    #[inline]
    pub(super) fn read(&mut self, bytes: &'a [u8]) -> Result<TaskRef<'a>, DecodeError> {
        match self.0 {
            Some((known, task)) if known == bytes => Ok(task),
            _ => {
                let task = TaskRef::parse(bytes)?;
                self.0 = Some((bytes, task));
                Ok(task)
            }
        }
    }
}

/// The task of a record, borrowed. The owned form is [`Task`]; its text form ([`fmt::Display`]) is the task's id.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The same fields as in Task.
pub struct TaskRef<'a> {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_span_id: Option<SpanId>,
    pub path: &'a str,
    pub flags: u32,
    pub trace_state: &'a str,
    pub context: FieldsRef<'a>,
    /// Its bytes in the batch. Two tasks with the same bytes are the same.
    pub wire: &'a [u8],
}

impl<'a> TaskRef<'a> {
    #[inline] // Of rules and JSON lines over a batch, which read the same task again and again: 5 to 10 %.
    fn parse(bytes: &'a [u8]) -> Result<TaskRef<'a>, DecodeError> {
        const NAME: &str = "Task";
        let mut trace_id = None;
        let mut span_id = None;
        let (mut parent_span_id, mut path, mut flags, mut trace_state) = (None, "", 0, "");
        let mut context: Option<&'a [u8]> = None;
        let mut scan = Scan::new(NAME, bytes);
        loop {
            let here = scan.rest;
            let Some(item) = scan.next() else { break };
            let item = item?;
            match item.number {
                task::TRACE_ID if trace_id.is_some() => {
                    return Err(DecodeError::Repeated(NAME, task::TRACE_ID));
                }
                task::SPAN_ID if span_id.is_some() => {
                    return Err(DecodeError::Repeated(NAME, task::SPAN_ID));
                }
                task::TRACE_ID => {
                    trace_id = item.bytes()?.try_into().ok().and_then(TraceId::from_bytes)
                }
                task::SPAN_ID => span_id = SpanId::new(item.fixed64()?),
                task::PARENT_SPAN_ID => parent_span_id = SpanId::new(item.fixed64()?),
                task::PATH => path = item.str()?,
                task::FLAGS => flags = item.u32()?,
                task::TRACE_STATE => trace_state = item.str()?,
                task::CONTEXT => _ = context.get_or_insert(here),
                _ => {}
            }
        }
        Ok(TaskRef {
            trace_id: trace_id.ok_or(DecodeError::BadId(NAME, task::TRACE_ID))?,
            span_id: span_id.ok_or(DecodeError::BadId(NAME, task::SPAN_ID))?,
            parent_span_id,
            path,
            flags,
            trace_state,
            context: FieldsRef::new(context.unwrap_or_default(), task::CONTEXT, &[])?,
            wire: bytes,
        })
    }

    /// Copies it.
    pub fn to_task(&self) -> Task {
        Task {
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            path: self.path.to_owned(),
            flags: self.flags,
            trace_state: self.trace_state.to_owned(),
            context: self.context.to_map(),
        }
    }
}

impl fmt::Display for TaskRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace_id.fmt(f)?;
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        Ok(())
    }
}
