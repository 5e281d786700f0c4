//! Finds the records of a task in the store.

use distlog_proto::{RecordRef, SpanId, TraceId};
use distlog_store::{ReadError, Reader};

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;

/// Hands over the records of one task, in the order in which they were stored.
///
/// # Errors
/// If the store cannot be read.
pub fn task(
    reader: &Reader,
    trace_id: TraceId,
    span_id: SpanId,
    take: &mut dyn FnMut(&RecordRef<'_>),
) -> Result<(), ReadError> {
    reader
        .trace(trace_id)
        .for_each(READ_BYTES, |head, _, batch| {
            let of_task = |record: &RecordRef<'_>| {
                record
                    .task
                    .is_some_and(|task| task.trace_id == trace_id && task.span_id == span_id)
            };
            head.records(batch)
                .filter(of_task)
                .for_each(|record| take(&record));
            true
        })
}
