//! Segments that were sealed as rows are written in columns when there is time.

use std::path::Path;

use distlog_store::Store;
use distlog_testkit::eventually;

use crate::earlier_version::{FIXTURE, copy};
use crate::fixtures::*;

#[test]
fn those_of_an_earlier_version_are_written_anew_once() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    let names = || {
        let names = std::fs::read_dir(dir.path().join("segments")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".seal")).collect();
        names.sort();
        names
    };
    let store = Store::open(dir.path(), options(8_000)).unwrap();
    let reader = store.reader();
    let all = read_all(&reader);
    eventually("all are written anew", || match names() {
        names if names.iter().all(|name| name.ends_with(".1.seal")) => Ok(()),
        names => Err(names),
    });
    assert_eq!(store.stats().rewritten, names().len() as u64);
    assert_eq!(read_all(&reader), all);
    assert_eq!(read_trace(&reader, trace(3)).len(), 11);
    store.close().unwrap();

    // Their batches cannot be taken apart. That is not tried for ever.
    let store = Store::open(dir.path(), options(8_000)).unwrap();
    assert_eq!(read_all(&store.reader()), all);
    store.close().unwrap();
    assert!(names().iter().all(|name| name.ends_with(".1.seal")));
}
