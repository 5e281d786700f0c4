//! Processor `http` against receivers in the same process: what is sent, and what each answer leads to.

mod answers;
mod config;
mod receiver;
mod tls;

use super::{Config, Http};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, ProducerId, Record, RecordRef};
use tokio::runtime::Runtime;

/// The tokio runtime that processors are given.
fn runtime() -> &'static Runtime {
    static RUNTIME: std::sync::LazyLock<Runtime> =
        std::sync::LazyLock::new(|| Runtime::new().unwrap());
    &RUNTIME
}

fn open(config: &Config) -> Http {
    Http::new("test", config, runtime().handle()).unwrap()
}

/// Hands over the records with these numbers as they come from the store; the message of each is its number.
fn records<R>(numbers: std::ops::Range<u64>, then: impl FnOnce(&[RecordRef<'_>]) -> R) -> R {
    let mut writer = BatchWriter::new();
    for number in numbers.clone() {
        let mut record = Record {
            message: number.to_string(),
            offset: number + 100,
            time: 1_763_871_098_000_000_000 + number,
            ..Record::default()
        };
        record.source.producer = ProducerId::from_bytes([0xab; 16]);
        writer.push(&record);
    }
    let bytes = writer.finish();
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut refs: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();
    for (record, number) in refs.iter_mut().zip(numbers) {
        record.store_number = number;
    }
    then(&refs)
}
