//! Task ids: the published vectors, and what is read and refused.

use std::num::{NonZeroU32, NonZeroU64};

use distlog_proto::{ParseIdError, SpanId, TaskId, TraceId};
use proptest::prelude::*;

const T: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";

fn id(text: &str) -> TaskId {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn nz(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

#[test]
fn span_ids_are_the_published_ones() {
    for (path, span) in [
        ("", "8ab33c93ffe29262"),
        ("/1", "99134579e8496ab7"),
        ("/1/3", "14cc9aa201652fe0"),
        ("/~00f067aa0ba902b7", "00f067aa0ba902b7"),
    ] {
        assert_eq!(
            id(&format!("{T}{path}")).span_id().to_string(),
            span,
            "{path}"
        );
    }
}

#[test]
fn a_child_is_the_same_read_or_made() {
    let child = id(T).child(nz(1)).child(nz(3));
    assert_eq!(child, id(&format!("{T}/1/3")));
    assert_eq!(child.parent(), Some(id(&format!("{T}/1"))));
    assert_eq!(
        child.parent_span_id(),
        Some(id(&format!("{T}/1")).span_id())
    );
    let taken = child.take(NonZeroU32::new(0x9f2c_01ab).unwrap()).unwrap();
    assert_eq!(taken, id(&format!("{T}/1/3.9F2C01AB")));
    assert_eq!(taken.to_string(), format!("{T}/1/3.9f2c01ab"));
    assert_eq!(
        taken.parent(),
        child.parent(),
        "the salt is a part of the step"
    );
    assert_ne!(taken.span_id(), child.span_id());
}

#[test]
fn an_import_takes_what_was_reserved_and_opens_a_child_of_everything_else() {
    let reserved = id(&format!("{T}/1/3"));
    let (a, b) = (reserved.import(), reserved.import());
    assert_ne!(a, b, "a retry is another task");
    assert!(a.to_string().starts_with(&format!("{T}/1/3.")));
    assert_eq!(a.parent_span_id(), reserved.parent_span_id());
    for other in [
        T.to_owned(),
        format!("{T}/~00f067aa0ba902b7"),
        a.to_string(),
    ] {
        let imported = id(&other).import();
        assert_eq!(imported.parent(), Some(id(&other)), "{other}");
        assert_eq!(
            imported.parent_span_id(),
            Some(id(&other).span_id()),
            "{other}"
        );
    }
}

#[test]
fn a_path_that_grows_too_long_goes_on_at_an_anchor_with_the_same_span_ids() {
    let (mut task, mut span) = (id(T), id(T).span_id());
    for n in 0..2000 {
        let child = task.child(nz(u64::MAX - n));
        assert!(child.to_string().len() <= 1024);
        assert_eq!(child.parent_span_id(), Some(span));
        assert_eq!(id(&child.to_string()), child);
        // Another process that takes it stands at the same place, too.
        let taken = child.import();
        assert!(taken.to_string().len() <= 1024);
        assert_eq!(taken.parent_span_id(), Some(span));
        assert_eq!(id(&taken.to_string()), taken);
        (span, task) = (child.span_id(), child);
    }
}

#[test]
fn what_is_no_id_is_refused_with_its_reason() {
    use ParseIdError::*;
    type Expected = fn(&ParseIdError) -> bool;
    let cases: &[(&str, Expected)] = &[
        ("", |e| matches!(e, NoTraceId(_))),
        ("None/1", |e| matches!(e, NoTraceId(_))),
        ("<built-in function id>", |e| matches!(e, NoTraceId(_))),
        ("e252a11fd-33d-483d-ba08-bc8f642b2f10", |e| {
            matches!(e, NoTraceId(_))
        }),
        ("00000000-0000-0000-0000-000000000000", |e| {
            matches!(e, NilTraceId)
        }),
        (concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/"), |e| {
            matches!(e, BadStep(_))
        }),
        (concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/0"), |e| {
            matches!(e, BadStep(_))
        }),
        (
            concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/01"),
            |e| matches!(e, BadStep(_)),
        ),
        (
            concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/+1"),
            |e| matches!(e, BadStep(_)),
        ),
        (
            concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/1//2"),
            |e| matches!(e, BadStep(_)),
        ),
        (
            concat!(
                "e252a11f-d33d-483d-ba08-bc8f642b2f10",
                "/18446744073709551616"
            ),
            |e| matches!(e, BadStep(_)),
        ),
        (
            concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/1.00000000"),
            |e| matches!(e, BadStep(_)),
        ),
        (
            concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/1.9f2c01a"),
            |e| matches!(e, BadStep(_)),
        ),
        (
            concat!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "/~0000000000000000"),
            |e| matches!(e, BadStep(_)),
        ),
        (
            concat!(
                "e252a11f-d33d-483d-ba08-bc8f642b2f10",
                "/1/~00f067aa0ba902b7"
            ),
            |e| matches!(e, BadStep(_)),
        ),
    ];
    for (text, expected) in cases {
        let error = text.parse::<TaskId>().unwrap_err();
        assert!(expected(&error), "{text}: {error}");
    }
    assert!(matches!(
        format!("{T}/{}", "1/".repeat(600)).parse::<TaskId>(),
        Err(TooLong(_))
    ));
}

#[test]
fn trace_ids_are_read_in_both_forms() {
    assert_eq!(
        id("E252A11FD33D483DBA08BC8F642B2F10/1"),
        id(&format!("{T}/1"))
    );
    assert_ne!(TraceId::random(), TraceId::random());
}

fn arb_id() -> impl Strategy<Value = TaskId> {
    let step = (1u64.., prop::option::of(1u32..));
    (
        any::<[u8; 16]>(),
        prop::option::of(1u64..),
        prop::collection::vec(step, 0..6),
    )
        .prop_filter_map("nil", |(trace, anchor, steps)| {
            let trace = TraceId::from_bytes(trace)?;
            let top = anchor
                .and_then(SpanId::new)
                .map_or(TaskId::top(trace), |span| TaskId::anchor(trace, span));
            Some(steps.into_iter().fold(top, |id, (number, salt)| {
                let child = id.child(nz(number));
                salt.and_then(NonZeroU32::new)
                    .and_then(|salt| child.take(salt))
                    .unwrap_or(child)
            }))
        })
}

proptest! {
    #[test]
    fn text_and_id_are_the_same(id in arb_id()) {
        let text = id.to_string();
        prop_assert_eq!(&text.parse::<TaskId>().unwrap(), &id);
        prop_assert_eq!(&text.to_uppercase().parse::<TaskId>().unwrap(), &id);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        if let Ok(id) = text.parse::<TaskId>() {
            prop_assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        }
    }
}
