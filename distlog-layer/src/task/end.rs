//! The end of a task, written once: when its work is known to be done, else when its span closes.

use distlog_proto::Kind;
use fastant::Instant;

use crate::send::producer::Producer;
use crate::task::local::Local;
use crate::task::span::SpanData;

/// Writes it, if it was not written yet. `done`: when the work was done, told the time it is now.
pub(crate) fn write(
    producer: &Producer,
    local: &mut Local,
    task: &SpanData,
    done: impl FnOnce(Instant) -> Instant,
) {
    // A task that this process was forked with belongs to the parent, and ends there.
    if !task.is_of(producer.instance()) || !task.end() {
        return;
    }
    let now = Instant::now();
    let time = producer.clock().unix_nanos(now);
    local.begin(Kind::End, task.site(), time);
    task.put_end(&mut local.record, done(now));
    task.put(&mut local.record);
    producer.submit(task.site(), task.level(), time, &local.record);
}
