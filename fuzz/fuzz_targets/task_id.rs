//! Task ids: what is read is written so that it is read again.
#![no_main]

use distlog_proto::{SpanId, TaskId, TraceId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<TaskId>() {
        let again: TaskId = id.to_string().parse().expect("an id as it was written");
        assert_eq!(again, id);
        assert_eq!(again.span_id(), id.span_id());
        assert_eq!(again.parent_span_id(), id.parent_span_id());
        assert_eq!(
            id.parent().map(|parent| parent.span_id()),
            id.parent_span_id()
        );
        let child = id.random_child();
        assert_eq!(child.parent_span_id(), Some(id.span_id()));
        assert_eq!(child.to_string().parse(), Ok(child));
        let imported = id.import();
        assert_eq!(imported.trace_id(), id.trace_id());
        assert_eq!(imported.to_string().parse(), Ok(imported));
    }
    if let Ok(id) = text.parse::<TraceId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(id) = text.parse::<SpanId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
});
