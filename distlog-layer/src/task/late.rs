//! Tasks of a trace that is not sampled, of which something must be recorded all the same: begins are written late.
//!
//! Nothing is written of such a task until an ERROR event in it, its own failure, or a field or call that forces its
//! trace. Then its begin is written, after those of the tasks above it in this process, each with the time that it had;
//! and its end, when it comes.

use std::ops::Range;
use std::sync::PoisonError;

use distlog_proto::Kind;
use distlog_proto::wire::field::record;
use distlog_proto::wire::put;
use fastant::Instant;

use crate::send::producer::Producer;
use crate::task::offsets::BEHIND_ALL;
use crate::task::span::SpanData;

/// Writes the begins of a task and of those above it, unless they are written.
#[inline]
pub(crate) fn ensure_begun(producer: &Producer, task: &SpanData) {
    if !task.has_begun() {
        begin(producer, task);
    }
}

/// Writes the begins of the tasks above one whose own is written.
#[inline]
pub(crate) fn begin_above(producer: &Producer, task: &SpanData) {
    if let Some(parent) = task.parent() {
        ensure_begun(producer, parent);
    }
}

/// From now on the trace of a task is recorded.
pub(crate) fn force(producer: &Producer, task: &SpanData) {
    if let Some(unsampled) = task.unsampled() {
        unsampled.force();
        ensure_begun(producer, task);
    }
}

/// Submits a record that adds something to a task. `record`: all but the task; `added`: what in it is neither of every
/// record nor context. A task whose begin is withheld keeps it for that.
pub(crate) fn add(
    producer: &Producer,
    task: &SpanData,
    record: &mut Vec<u8>,
    added: Range<usize>,
    context: &[u8],
) {
    if !task.has_begun() {
        if task.withholds() {
            task.set_context(context, producer.limit());
            task.withhold(record.get(added).unwrap_or_default(), producer.limit());
            return producer.unsampled().add(1);
        }
        ensure_begun(producer, task);
    }
    task.set_context(context, producer.limit());
    task.put(record);
    let time = producer.clock().unix_nanos(Instant::now());
    let behind = task.offsets().begin();
    let offset = producer.submit(behind, task.site(), task.level(), time, record);
    task.offsets().wrote(offset, producer);
}

#[cold]
fn begin(producer: &Producer, task: &SpanData) {
    // A task that this process was forked with belongs to the parent, and the lock with it.
    let Some(unsampled) = task.unsampled().filter(|_| task.is_of(producer.instance())) else {
        return;
    };
    let _alone = unsampled
        .late
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let mut missing = Vec::new();
    let mut next = Some(task);
    while let Some(task) = next.filter(|task| task.is_of(producer.instance()) && !task.has_begun())
    {
        missing.push(task);
        next = task.parent();
    }
    let mut out = Vec::new();
    for task in missing.into_iter().rev() {
        out.clear();
        task.put_withheld_begin(&mut out);
        task.put(&mut out);
        let time = producer.clock().unix_nanos(task.begun_at());
        let offset = producer.submit(BEHIND_ALL, task.site(), task.level(), time, &out);
        task.offsets().begun(offset);
        if task.begin() {
            end(producer, task, &mut out);
        }
    }
}

/// Writes an end that was withheld.
fn end(producer: &Producer, task: &SpanData, out: &mut Vec<u8>) {
    out.clear();
    let time = producer.clock().unix_nanos(task.done());
    put::varint(out, record::KIND, Kind::End.number());
    put::varint(out, record::CALLSITE, task.site().into());
    put::fixed64(out, record::TIME, time);
    task.put_end(out, task.done());
    task.put(out);
    producer.submit(BEHIND_ALL, task.site(), task.level(), time, out);
    // It was counted as withheld, as was its begin.
    producer.unsampled().take_back(2);
}
