//! Trace-context headers: what the recommendation says, case by case.

use distlog_proto::TaskId;
use distlog_proto::levels::Level;
use distlog_proto::sampling::{Randomness, Threshold};
use distlog_proto::trace_context::{Incoming, NEW_TRACE, Outgoing, SAMPLED, with_threshold};
use proptest::prelude::*;

const PARENT: &str = "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01";
const T: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";

fn parse(parents: &[&str], states: &[&str]) -> Option<Incoming> {
    Incoming::parse(
        parents.iter().map(|s| s.as_bytes()),
        states.iter().map(|s| s.as_bytes()),
    )
}

#[test]
fn a_valid_traceparent_is_read() {
    let later = format!("{}-and-more", PARENT.replacen("00", "cc", 1));
    for text in [
        PARENT,
        &format!(" \t{PARENT} "),
        &PARENT.replacen("00", "cc", 1),
        &later,
    ] {
        let caller = parse(&[text], &[]).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(caller.trace_id.to_string(), T);
        assert_eq!(caller.parent_id.to_string(), "99134579e8496ab7");
        assert_eq!(caller.flags, SAMPLED);
    }
    let flags = |hex: &str| {
        parse(&[&format!("{}{hex}", &PARENT[..53])], &[])
            .unwrap()
            .flags
    };
    assert_eq!(
        (flags("00"), flags("02"), flags("ff")),
        (0, 2, NEW_TRACE),
        "unknown bits are not passed on"
    );
}

#[test]
fn an_invalid_traceparent_begins_a_new_trace() {
    let upper = PARENT.to_uppercase();
    let cases = [
        "",
        "00",
        "ff-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01",
        "00-00000000000000000000000000000000-99134579e8496ab7-01",
        "00-e252a11fd33d483dba08bc8f642b2f10-0000000000000000-01",
        "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01-more",
        "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-0",
        "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-0G",
        "00_e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01",
        "cc-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01more",
        "0ä-252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01",
        &upper,
    ];
    for text in cases {
        assert_eq!(parse(&[text], &["distlog=1/3"]), None, "{text}");
    }
    assert_eq!(parse(&[PARENT, PARENT], &[]), None, "two headers");
    assert_eq!(parse(&[], &["distlog=1/3"]), None);
}

#[test]
fn our_member_gives_the_place_in_the_tree_if_it_fits_the_parent() {
    let taken = |state: &str| parse(&[PARENT], &[state]).unwrap().import().to_string();
    for state in [
        "distlog=1/3",
        "a=b, distlog=1/3 ,c=d",
        "distlog=1/3;later:thing",
        "distlog=1/3,distlog=1/9",
    ] {
        assert!(
            taken(state).starts_with(&format!("{T}/1/3.")),
            "{state}: {}",
            taken(state)
        );
    }
    let below = format!("{T}/~99134579e8496ab7/");
    for state in [
        "",
        "distlog=2/3",
        "distlog=",
        "distlog=nonsense",
        "distlog=1/3,bad",
        "a=b",
    ] {
        assert!(
            taken(state).starts_with(&below),
            "{state}: {}",
            taken(state)
        );
    }
    // An id that somebody has taken already is not there to be taken again.
    assert!(taken("distlog=1/3.9f2c01ab").starts_with(&below));
    let caller = parse(&[PARENT], &["distlog=1/3"]).unwrap();
    assert_eq!(caller.import().parent_span_id(), Some(caller.parent_id));
    assert_ne!(caller.import(), caller.import());
}

#[test]
fn members_of_others_are_kept_in_order_and_malformed_lists_discarded() {
    let kept = |states: &[&str]| parse(&[PARENT], states).unwrap().trace_state;
    assert_eq!(kept(&["a=1,distlog=1/3", " ,b@v=2\t,,a=3"]), "a=1,b@v=2");
    assert_eq!(kept(&["0key=!\"~ x"]), "0key=!\"~ x");
    for bad in [
        "a",
        "=1",
        "A=1",
        "a=",
        "a=b=c",
        "a=\u{e4}",
        &format!("{}=1", "k".repeat(257)),
        &format!("a={}", "v".repeat(257)),
    ] {
        assert_eq!(kept(&["x=1", bad]), "", "{bad}");
    }
    let many = |n: usize| {
        (0..n)
            .map(|i| format!("k{i}=v"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(kept(&[&many(32)]), many(32));
    assert_eq!(kept(&[&many(33)]), "");
}

#[test]
fn what_leaves_has_our_member_first_and_at_most_32() {
    let reserved: TaskId = format!("{T}/1/3").parse().unwrap();
    let state = |others: &str| Outgoing::new(&reserved, 0xff, others).tracestate.unwrap();
    assert_eq!(
        Outgoing::new(&reserved, 0xff, "").traceparent,
        PARENT.replace("-01", "-03")
    );
    assert_eq!(state("a=1,distlog=7,b=2"), "distlog=1/3,a=1,b=2");
    let full = (0..32)
        .map(|i| format!("k{i}=v"))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(state(&full).split(',').count(), 32);
    assert!(state(&full).ends_with("k30=v"), "the right-most goes");
    let long: TaskId = format!("{T}/{}1", "1/".repeat(64)).parse().unwrap();
    assert_eq!(Outgoing::new(&long, 0, "").tracestate, None);
    assert_eq!(
        Outgoing::new(&long, 0, "a=1").tracestate.as_deref(),
        Some("a=1")
    );
}

#[test]
fn a_span_that_reserved_nothing_sends_no_member_of_ours() {
    let caller = parse(&[PARENT], &["distlog=1/3,a=1"]).unwrap();
    assert_eq!(
        caller.reserved().map(ToString::to_string),
        Some(format!("{T}/1/3"))
    );
    let sent = Outgoing::from_span(caller.trace_id, caller.parent_id, 1, "distlog=1/3,a=1");
    assert_eq!(sent.traceparent, PARENT);
    assert_eq!(sent.tracestate.as_deref(), Some("a=1"));
}

#[test]
fn the_level_of_a_task_travels_with_its_member() {
    let reserved: TaskId = format!("{T}/1/3").parse().unwrap();
    let sent = |level| {
        Outgoing::raised(&reserved, 1, "a=1", level)
            .tracestate
            .unwrap()
    };
    assert_eq!(sent(Some(Level::Debug)), "distlog=1/3;l:debug,a=1");
    assert_eq!(sent(Some(Level::Off)), "distlog=1/3,a=1");
    assert_eq!(sent(None), "distlog=1/3,a=1");
    let read = |state: &str| parse(&[PARENT], &[state]).unwrap();
    let caller = read("distlog=1/3;l:debug,a=1");
    assert_eq!(caller.level, Some(Level::Debug));
    assert_eq!(caller.trace_state, "a=1");
    assert!(
        caller
            .import()
            .to_string()
            .starts_with(&format!("{T}/1/3."))
    );
    for (state, level) in [
        ("distlog=1/3;x:y;l:trace;l:warn", Some(Level::Trace)),
        // Another service stands in between, or the path is too long.
        ("distlog=2/9;l:error", Some(Level::Error)),
        ("distlog=;l:info", Some(Level::Info)),
        ("distlog=1/3;l:off", None),
        ("distlog=1/3;l:all", None),
        ("distlog=1/3;l:", None),
        ("distlog=l:debug", None),
        ("other=1/3;l:debug", None),
        ("distlog=1/3;l:debug,bad", None),
    ] {
        assert_eq!(read(state).level, level, "{state}");
    }
    // The place in the tree is worth more than the level, where both do not fit.
    let deep = |steps: usize| -> TaskId { format!("{T}/{}1", "1/".repeat(steps)).parse().unwrap() };
    let sent = |id: &TaskId| Outgoing::raised(id, 1, "", Some(Level::Debug)).tracestate;
    assert_eq!(
        sent(&deep(60)),
        Some(format!("distlog={}", deep(60).path()))
    );
    assert_eq!(sent(&deep(64)).as_deref(), Some("distlog=;l:debug"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(parent in prop::collection::vec(any::<u8>(), 0..80),
        state in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Incoming::parse([&parent[..]], [&state[..]]);
        let _ = Incoming::parse([PARENT.as_bytes()], [&state[..]]);
    }

    #[test]
    fn a_threshold_is_set_and_taken_back_and_other_members_stay(
        state in prop::collection::vec("(a=b|ot=(th:[0-9a-f]{1,14}|rv:[0-9a-f]{14}|x:y)(;p:8)?|c=d|=,)", 0..5),
        ratio in 0.001..=1.0
    ) {
        let state = state.join(",");
        let others = |state: &str| {
            let members = state.split(',').filter(|member| !member.is_empty() && !member.starts_with("ot="));
            members.map(str::to_owned).collect::<Vec<_>>()
        };
        let carried = parse(&[PARENT], &[&state]).unwrap().trace_state;
        let threshold = Threshold::from_ratio(ratio).unwrap();
        let set = with_threshold(&state, Some(threshold));
        prop_assert!(set.starts_with(&format!("ot=th:{threshold}")), "{}", set);
        prop_assert_eq!(&parse(&[PARENT], &[&set]).unwrap().trace_state, &set, "well-formed");
        prop_assert_eq!(others(&set), others(&carried));
        let back = with_threshold(&set, None);
        prop_assert!(!back.contains("th:"), "{}", back);
        prop_assert_eq!(others(&back), others(&carried));
        let trace = parse(&[PARENT], &[]).unwrap().trace_id;
        let randomness = Randomness::of_trace(trace, &carried);
        for state in [&set, &back] {
            prop_assert_eq!(Randomness::of_trace(trace, state), randomness);
        }
    }

    #[test]
    fn what_we_send_comes_back(n in 1u64.., m in 1u64.., flags in 0u8..4) {
        let reserved: TaskId = format!("{T}/{n}/{m}").parse().unwrap();
        let sent = Outgoing::new(&reserved, flags, "v=1");
        let caller = parse(&[&sent.traceparent], &[&sent.tracestate.unwrap()]).unwrap();
        prop_assert_eq!(caller.import().parent(), reserved.parent());
        prop_assert_eq!(caller.flags, flags);
        prop_assert_eq!(caller.trace_state, "v=1");
    }
}
