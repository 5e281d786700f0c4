//! Trace look-ups over many segments, against a model.

use std::collections::HashMap;
use std::fs;

use crate::fixtures::*;
use distlog_store::{Options, Store};
use proptest::prelude::*;

/// Each trace's batches, in order.
type Model = HashMap<u64, Vec<Got>>;

fn check(store: &Store, model: &Model, traces: u64) -> Result<(), TestCaseError> {
    let reader = store.reader();
    for n in 0..traces + 20 {
        let expected = model.get(&n).cloned().unwrap_or_default();
        let in_blocks = read_trace_in_blocks(&reader, trace(n));
        prop_assert_eq!(&in_blocks, &expected, "trace {} in blocks", n);
        prop_assert_eq!(read_trace(&reader, trace(n)), expected, "trace {}", n);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn look_ups_find_every_batch_of_a_trace_and_no_other(
        batches in prop::collection::vec(
            (prop::collection::vec(0..60u64, 0..5), 0..400usize, any::<(bool, bool)>()),
            1..300,
        ),
        compress: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { compress, ..options(6_000) };
        let mut store = Store::open(dir.path(), options.clone()).unwrap();
        let mut model = Model::new();
        for (traces, len, (are_known, commit)) in batches {
            let ids: Vec<_> = traces.iter().map(|n| trace(*n)).collect();
            let known = are_known.then_some(&ids[..]);
            let got = append_of(&mut store, producer(0), 2, &body(&ids, &vec![1; len]), known);
            let mut traces = traces;
            traces.sort_unstable();
            traces.dedup();
            for n in traces {
                model.entry(n).or_default().push(got.clone());
            }
            if commit {
                store.commit().unwrap();
            }
        }
        store.commit().unwrap();
        check(&store, &model, 60)?;
        wait_sealed(&store);
        check(&store, &model, 60)?;
        drop(store);
        let store = Store::open(dir.path(), options).unwrap();
        check(&store, &model, 60)?;
    }
}

#[test]
fn many_traces_in_many_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(256 << 10)).unwrap();
    let mut model = Model::new();
    for n in 0..3_000u64 {
        let traces: Vec<u64> = (0..20).map(|k| n * 11 + k).collect();
        let ids: Vec<_> = traces.iter().map(|n| trace(*n)).collect();
        let got = append(&mut store, producer(0), 20, &body(&ids, &[n as u8; 700]));
        for n in traces {
            model.entry(n).or_default().push(got.clone());
        }
        if n % 7 == 0 {
            store.commit().unwrap();
        }
    }
    store.commit().unwrap();
    wait_sealed(&store);
    assert!(store.stats().segments > 8);
    let reader = store.reader();
    for n in (0..34_000u64).step_by(13) {
        let expected = model.remove(&n).unwrap_or_default();
        assert_eq!(read_trace(&reader, trace(n)), expected, "trace {n}");
    }
}

#[test]
fn segments_that_do_not_have_a_trace_are_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(8 << 10)).unwrap();
    for n in 0..100u64 {
        append(
            &mut store,
            producer(0),
            1,
            &body(&[trace(n)], &[n as u8; 500]),
        );
        store.commit().unwrap();
    }
    wait_sealed(&store);
    let reader = store.reader();
    assert!(!reader.blocks_of(&[trace(3)]).unwrap().is_empty());
    for entry in fs::read_dir(dir.path().join("segments")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "seal") {
            fs::remove_file(path).unwrap();
        }
    }
    // Their filters are in memory. Of each hundred that it does not have one says maybe.
    let absent = (100..200).filter(|n| match reader.blocks_of(&[trace(*n)]) {
        Ok(blocks) => blocks.is_empty() && read_trace(&reader, trace(*n)).is_empty(),
        Err(_) => false,
    });
    assert!(absent.count() > 50);
    assert!(reader.blocks_of(&[trace(3)]).is_err());
}

#[test]
fn a_lost_sealed_file_is_written_again_from_the_raw_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options(8 << 10)).unwrap();
    let mut all = Vec::new();
    for n in 0..60u64 {
        all.push(append(
            &mut store,
            producer(0),
            1,
            &body(&[trace(n)], &[n as u8; 500]),
        ));
        store.commit().unwrap();
    }
    // A crash at any moment may leave a raw segment beside its sealed one, or a half-written one.
    drop(store);
    let segments = dir.path().join("segments");
    for entry in fs::read_dir(&segments).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "log") {
            fs::write(path.with_extension("seal.tmp"), b"half").unwrap();
        }
    }
    let store = Store::open(dir.path(), options(8 << 10)).unwrap();
    assert_eq!(read_all(&store.reader()), all);
    wait_sealed(&store);
    assert_eq!(read_all(&store.reader()), all);
    for got in &all {
        let hits = read_trace(&store.reader(), trace(got.first - 1));
        assert_eq!(hits, std::slice::from_ref(got));
    }
    drop(store);
    let left = fs::read_dir(&segments).unwrap().map(|e| e.unwrap().path());
    assert!(
        left.into_iter()
            .all(|p| p.extension().is_some_and(|e| e != "tmp"))
    );
}
