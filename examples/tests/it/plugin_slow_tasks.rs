//! The plugin in Rust, run by distlogd's processor `exec`.

use std::time::Duration;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Kind, Outcome, Record, RecordRef, Source};
use distlogd::processor::Processor;
use distlogd::processors::exec::{Config, Plugin};

#[test]
fn slow_tasks_are_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("slow.txt");
    let config = Config {
        command: vec![
            env!("CARGO_BIN_EXE_plugin_slow_tasks").to_owned(),
            "200".to_owned(),
            path.to_str().unwrap().to_owned(),
        ],
        env: Default::default(),
        dir: None,
        in_flight: 100,
        timeout: Duration::from_secs(20),
    };
    let mut plugin = Plugin::start("slow", &config).unwrap();
    let mut batch = BatchWriter::new();
    for (message, millis) in [("quick", 20), ("slow", 350), ("slower", 1200)] {
        batch.push(&Record {
            source: Source {
                service: "orders".into(),
                ..Source::default()
            },
            kind: Kind::End,
            outcome: Outcome::Ok,
            message: message.into(),
            duration: millis * 1_000_000,
            ..Record::default()
        });
    }
    let bytes = batch.finish();
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut records: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();
    records
        .iter_mut()
        .zip(1..)
        .for_each(|(record, number)| record.store_number = number);
    plugin.process(&records).unwrap();
    plugin.flush().unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "   350 ms  orders  slow  ok\n  1200 ms  orders  slower  ok\n"
    );
}
