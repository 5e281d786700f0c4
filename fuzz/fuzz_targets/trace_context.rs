//! Trace-context headers: the lines before the first empty one are `traceparent`, the others `tracestate`.
#![no_main]

use distlog_proto::trace_context::{Incoming, Outgoing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let divide = lines
        .iter()
        .position(|line| line.is_empty())
        .unwrap_or(lines.len());
    let (parents, states) = lines.split_at(divide);
    let states = states.get(1..).unwrap_or_default();
    let Some(incoming) = Incoming::parse(parents.iter().copied(), states.iter().copied()) else {
        return;
    };
    assert_eq!(incoming.caller().trace_id(), incoming.trace_id);
    assert_eq!(incoming.caller().span_id(), incoming.parent_id);
    let task = incoming.import();
    assert_eq!(task.trace_id(), incoming.trace_id);
    assert_eq!(task.to_string().parse(), Ok(task.clone()));

    let reserved = task.random_child();
    let headers = Outgoing::raised(&reserved, incoming.flags, &incoming.trace_state, incoming.level);
    let state = headers.tracestate.as_deref().map(str::as_bytes);
    let next = Incoming::parse([headers.traceparent.as_bytes()], state)
        .expect("headers as they were written");
    assert_eq!(next.trace_id, incoming.trace_id);
    assert_eq!(next.parent_id, task.span_id());
});
