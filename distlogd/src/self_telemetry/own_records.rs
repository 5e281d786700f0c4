//! Records of the daemon itself in its store: skipped records, lost tasks.

use std::sync::Mutex;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{Callsite, Kind, ProducerId, Record, Severity, Source};

use crate::intake::{Batch, Intake, now};

/// A batch is closed at this size, in bytes.
const BATCH_BYTES: usize = 64 << 10;

/// Writes records into the store as a producer of its own, service `distlogd`.
#[derive(Debug)]
pub struct OwnRecords {
    intake: Intake,
    source: Source,
    next: Mutex<u64>,
}

impl OwnRecords {
    /// A new producer.
    pub fn new(intake: Intake, host: String) -> OwnRecords {
        let source = Source {
            producer: ProducerId::random(),
            host,
            process_id: std::process::id().into(),
            process_name: "distlogd".into(),
            service: "distlogd".into(),
            ..Source::default()
        };
        OwnRecords {
            intake,
            source,
            next: Mutex::new(0),
        }
    }

    /// An event outside any task.
    pub fn event(&self, severity: Severity, message: String) -> Record {
        let callsite = Callsite {
            severity,
            target: "distlogd".into(),
            ..Callsite::default()
        };
        Record {
            kind: Kind::Event,
            callsite,
            time: now(),
            message,
            ..Record::default()
        }
    }

    /// Stores records. While the daemon shuts down nothing more is taken; what is dropped then is logged.
    pub fn store(&self, records: Vec<Record>) {
        // Held until the batch is submitted: batches of one producer must reach the store in the order of their
        // offsets.
        let mut next = self
            .next
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut writer = BatchWriter::new();
        let from = *next;
        for mut record in records {
            record.offset = *next;
            *next += 1;
            // What is said of a task is its service's: who may read of that reads it, and nobody else.
            record.source = Source {
                producer: self.source.producer,
                host: self.source.host.clone(),
                process_id: self.source.process_id,
                ..match record.task {
                    Some(_) => record.source,
                    None => self.source.clone(),
                }
            };
            if !writer.takes(&record.source) || writer.len() >= BATCH_BYTES {
                self.submit(&mut writer, from, record.offset);
            }
            writer.push(&record);
        }
        self.submit(&mut writer, from, *next);
    }

    /// `then` is called once everything submitted before, by whomever, is durable; never, if the daemon shuts down
    /// first.
    pub fn after(&self, then: Box<dyn FnOnce() + Send>) {
        // Nobody waits for it: those who look at what it leaves behind look again.
        let _ = self.intake.after(then);
    }

    fn submit(&self, writer: &mut BatchWriter, from: u64, to: u64) {
        let count = writer.count();
        if count == 0 {
            return;
        }
        let from = from.max(to - u64::from(count));
        let batch = Batch::new(self.source.producer, from..to, count, writer.finish());
        if self.intake.submit(batch).is_err() {
            tracing::warn!(
                "{count} records of the daemon itself were not stored, since it shuts down"
            );
        }
    }
}
