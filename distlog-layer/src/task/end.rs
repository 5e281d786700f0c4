//! The end of a task, written once: when its work is known to be done, else when its span closes.

use distlog_proto::Kind;
use fastant::Instant;

use crate::send::producer::Producer;
use crate::task::late;
use crate::task::local::Local;
use crate::task::span::{End, SpanData};

/// When a task's work was done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Now. Its span may live on.
    Now,
    /// When the span was left last, as the span is closed.
    WhenLeft,
}

/// Writes it, if it was not written yet.
pub(crate) fn write(producer: &Producer, local: &mut Local, task: &SpanData, done: Done) {
    // A task that this process was forked with belongs to the parent, and ends there.
    if !task.is_of(producer.instance()) {
        return;
    }
    if !task.has_begun() && !task.has_ended() {
        if task.has_failed() || !task.withholds() {
            late::ensure_begun(producer, task);
        } else {
            task.set_done(match done {
                Done::Now => Instant::now(),
                Done::WhenLeft => task.left_last(Instant::now),
            });
        }
    }
    match task.end() {
        End::Write => {}
        End::Withheld => return producer.unsampled().add(2),
        End::Written => return,
    }
    let now = Instant::now();
    let time = producer.clock().unix_nanos(now);
    local.begin(Kind::End, task.site(), time);
    task.put_end(
        &mut local.record,
        match done {
            Done::Now => now,
            Done::WhenLeft => task.left_last(|| now),
        },
    );
    task.put(&mut local.record);
    let behind = task.offsets().last();
    let offset = producer.submit(behind, task.site(), task.level(), time, &local.record);
    task.hold_back_parent(offset, producer);
}
