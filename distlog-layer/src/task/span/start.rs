//! What a task begins with: what is known then, and what is kept of it.

use std::ops::Range;
use std::sync::Arc;

use distlog_proto::TaskId;
use distlog_proto::wire::encode::TaskHead;
use fastant::Instant;

use super::{SpanData, withheld};
use crate::levels::{OpenRaise, Raise};
use crate::record::remote_parent::SpanContext;
use crate::record::sampling::Unsampled;

/// What a task is made of.
pub(crate) struct SpanStart<'a> {
    pub(crate) place: SpanContext,
    /// The task above in this process, if the trace is not sampled, or if its end could come before what this one
    /// writes ([`Producer::is_leasing`]).
    pub(crate) parent: Option<Arc<SpanData>>,
    /// The producer that writes its `begin`.
    pub(crate) producer: u64,
    pub(crate) site: u32,
    pub(crate) level: usize,
    pub(crate) time: Instant,
    /// Its `begin`, all but the task.
    pub(crate) record: &'a [u8],
    /// Where in it the message is, which the end repeats.
    pub(crate) message: Range<usize>,
    /// The task's fields, encoded with the number of `Task.context`.
    pub(crate) context: &'a [u8],
}

/// What a task began with.
pub(super) struct Start {
    pub(super) id: TaskId,
    /// Of the producer that wrote its `begin`.
    pub(super) producer: u64,
    pub(super) site: u32,
    /// Place of its level in an array by level.
    pub(super) level: u8,
    pub(super) flags: u8,
    /// Where the context begins in `bytes`.
    pub(super) context: u32,
    /// Where it ends.
    pub(super) tail: u32,
    /// Where the message is in `bytes`.
    pub(super) message: (u32, u32),
    pub(super) begin: Instant,
    pub(super) trace_state: Option<Arc<str>>,
    /// Its trace is not sampled.
    pub(super) unsampled: Option<Arc<Unsampled>>,
    /// More is recorded of it, since a caller says so.
    pub(super) raise: Option<OpenRaise>,
    /// As [`SpanStart::parent`].
    pub(super) parent: Option<Arc<SpanData>>,
}

impl Start {
    /// Leaves [`SpanData::bytes`] in `scratch`. Says also what its state is ([`withheld::state`]).
    pub(super) fn new(beginning: SpanStart<'_>, scratch: &mut Vec<u8>) -> (Start, u8) {
        let SpanContext {
            id,
            parent,
            flags,
            trace_state,
            unsampled,
            raise,
            ..
        } = beginning.place;
        scratch.clear();
        let head = TaskHead::new(&id, flags, trace_state.as_deref().unwrap_or_default());
        TaskHead {
            parent_span_id: parent,
            ..head
        }
        .put(scratch);
        let context = scratch.len();
        scratch.extend_from_slice(beginning.context);
        let tail = scratch.len();
        let is_withheld = unsampled
            .as_ref()
            .is_some_and(|unsampled| unsampled.withholds());
        let (record, message) = match is_withheld {
            true => (beginning.record, beginning.message),
            false => {
                let record = beginning.record.get(beginning.message);
                let record = record.unwrap_or_default();
                (record, 0..record.len())
            }
        };
        scratch.extend_from_slice(record);
        let start = Start {
            id,
            producer: beginning.producer,
            site: beginning.site,
            level: beginning.level as u8,
            flags,
            context: context as u32,
            tail: tail as u32,
            message: ((tail + message.start) as u32, (tail + message.end) as u32),
            begin: beginning.time,
            trace_state,
            unsampled,
            raise: raise.map(Raise::open),
            parent: beginning.parent,
        };
        let state = match is_withheld {
            true => 0,
            false => withheld::state::BEGUN,
        };
        (start, state)
    }
}
