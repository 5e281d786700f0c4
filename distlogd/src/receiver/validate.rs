//! Checks a batch of encoding B before it is stored, so that later readers find only valid records.

use std::fmt;

use distlog_proto::wire::{BatchWriter, DecodeError};
use distlog_proto::{BatchRef, ProducerId, TraceId};

use crate::intake::{Batch, note_trace};
use distlog_store::MAX_BATCH;

/// A batch that is rewritten takes no more records from this size on, in bytes.
const MAX_REWRITTEN: usize = MAX_BATCH - (2 << 20);

/// A batch that can be stored, and what was left out of it.
#[derive(Debug)]
pub(crate) struct Validated {
    /// `None`: there is no valid record in it.
    pub(crate) batch: Option<Batch>,
    /// Who sent it; unknown if the batch does not say.
    pub(crate) producer: ProducerId,
    pub(crate) left_out: Option<LeftOut>,
}

/// Malformed records that were left out of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub records: u64,
    /// Why the first of them was.
    pub reason: DecodeError,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftOut { records, reason } = self;
        write!(f, "{records} records of a batch were left out: {reason}")
    }
}

/// What was found in a batch.
#[derive(Debug)]
pub(crate) struct Checked {
    producer: ProducerId,
    from: u64,
    to: u64,
    count: u32,
    traces: Vec<TraceId>,
    left_out: Option<LeftOut>,
}

/// Reads every record of a batch, and keeps nothing of it.
///
/// # Errors
/// If not even the source can be read.
pub(crate) fn check(bytes: &[u8]) -> Result<Checked, DecodeError> {
    let batch = BatchRef::parse(bytes)?;
    let producer = batch.source().producer;
    let (mut from, mut to, mut count) = (u64::MAX, 0, 0);
    let mut left_out: Option<LeftOut> = None;
    let mut traces = Vec::new();
    for record in batch.records() {
        match record {
            Ok(record) => {
                from = from.min(record.offset);
                to = to.max(record.offset.saturating_add(1));
                count += 1;
                if let Some(trace) = record.trace_id() {
                    note_trace(&mut traces, trace);
                }
            }
            Err(reason) => {
                let left_out = left_out.get_or_insert(LeftOut { records: 0, reason });
                left_out.records += 1;
            }
        }
    }
    Ok(Checked {
        producer,
        from,
        to,
        count,
        traces,
        left_out,
    })
}

impl Checked {
    /// The batch with these bytes, which were checked. What is malformed is left out, all else is kept.
    ///
    /// # Errors
    /// As [`check`].
    pub(crate) fn into_validated(self, bytes: Vec<u8>) -> Result<Validated, DecodeError> {
        let Checked {
            producer,
            from,
            to,
            count,
            traces,
            mut left_out,
        } = self;
        // Fewer offsets than records cannot be; nor can the last offset, which has none after it.
        let sane = count > 0 && to < u64::MAX && u64::from(count) <= to - from;
        if count == 0 || (sane && left_out.is_none() && producer.is_known()) {
            let batch = (count > 0).then(|| Batch {
                traces: Some(traces),
                ..Batch::new(producer, from..to, count, bytes)
            });
            return Ok(Validated {
                batch,
                producer,
                left_out,
            });
        }
        let (batch, too_many) = rewrite(&BatchRef::parse(&bytes)?, producer);
        if too_many > 0 {
            let reason = DecodeError::LongNames(MAX_BATCH);
            let left_out = left_out.get_or_insert(LeftOut { records: 0, reason });
            left_out.records += too_many;
        }
        Ok(Validated {
            batch: Some(batch),
            producer,
            left_out,
        })
    }
}

/// Reads every record. A malformed one is left out, all others are kept.
///
/// # Errors
/// If not even the source can be read.
pub(crate) fn validate(bytes: Vec<u8>) -> Result<Validated, DecodeError> {
    check(&bytes)?.into_validated(bytes)
}

/// Rewrites a batch with its valid records only, with a new producer id if it has none. It can grow, since names of
/// fields are written out then: records that do not fit are left out and counted.
fn rewrite(batch: &BatchRef<'_>, producer: ProducerId) -> (Batch, u64) {
    let renamed = !producer.is_known();
    let producer = if renamed {
        ProducerId::random()
    } else {
        producer
    };
    let mut writer = BatchWriter::new();
    let (mut from, mut to) = (u64::MAX, 0);
    let mut previous = None;
    let mut too_many = 0;
    // Copied once, not for each record: it may be large.
    let mut source = batch.source().to_source();
    source.producer = producer;
    for record in batch.records().flatten() {
        if writer.len() >= MAX_REWRITTEN {
            too_many += 1;
            continue;
        }
        let mut record = record.to_record_of(source);
        // Numbers that do not rise would make two records one.
        if renamed
            || previous.is_some_and(|previous| record.offset <= previous)
            || record.offset == u64::MAX
        {
            record.offset = previous.map_or(0, |previous: u64| previous.saturating_add(1));
        }
        previous = Some(record.offset);
        from = from.min(record.offset);
        to = to.max(record.offset.saturating_add(1));
        writer.push(&record);
        source = record.source;
    }
    let count = writer.count();
    let batch = Batch::new(producer, from..to, count, writer.finish());
    (batch, too_many)
}

#[cfg(test)]
mod tests {
    use distlog_proto::{Otlp, Record, Task, TaskId, wire};

    use super::*;

    fn record(message: &str, offset: u64) -> Record {
        let mut record = Record {
            message: message.into(),
            offset,
            ..Record::default()
        };
        record.source.producer = ProducerId::from_bytes([7; 16]);
        record
    }

    fn batch(records: &[Record]) -> Vec<u8> {
        let mut writer = BatchWriter::new();
        records.iter().for_each(|record| writer.push(record));
        writer.finish()
    }

    fn messages(batch: &Batch) -> Vec<String> {
        BatchRef::parse(&batch.bytes)
            .unwrap()
            .records()
            .map(|r| r.unwrap().message.to_owned())
            .collect()
    }

    #[test]
    fn a_good_batch_is_stored_as_it_is() {
        let bytes = batch(&[record("a", 10), record("b", 17)]);
        let validated = validate(bytes.clone()).unwrap();
        let stored = validated.batch.unwrap();
        assert_eq!(
            (stored.from, stored.to, stored.count, &stored.bytes),
            (10, 18, 2, &bytes)
        );
        assert_eq!(validated.left_out, None);
    }

    #[test]
    fn the_traces_are_read_on_the_way() {
        let [one, two] = [1, 2].map(|n| TraceId::from_bytes([n; 16]));
        let of = |offset, trace: Option<TraceId>| Record {
            task: trace.map(|trace_id| Task {
                trace_id,
                ..Task::from(&TaskId::random())
            }),
            ..record("of a task", offset)
        };
        // A log record of OTLP may name a trace without a span.
        let otlp = Record {
            otlp: Some(Box::new(Otlp {
                trace_id: two,
                ..Otlp::default()
            })),
            ..record("of no task", 5)
        };
        let records = [
            of(1, one),
            of(2, one),
            of(3, None),
            of(4, two),
            otlp,
            of(6, one),
        ];
        let validated = validate(batch(&records)).unwrap();
        let mut stored = validated.batch.unwrap();
        let read = stored.traces.take();
        assert_eq!(read, Some([one, two, one].map(Option::unwrap).to_vec()));
        stored.find_traces();
        assert_eq!(stored.traces, read);
    }

    #[test]
    fn a_bad_record_does_not_spoil_the_others() {
        let mut bytes = batch(&[record("a", 1)]);
        wire::put_record(&mut bytes, 2, b"\x42\x02\xff\xff"); // A message that is not UTF-8.
        wire::put_record(&mut bytes, 3, b"\x18\x63"); // A callsite that is not there.
        wire::put_record(&mut bytes, 4, b"\x42\x01b");
        let validated = validate(bytes).unwrap();
        assert_eq!(
            validated
                .left_out
                .map(|left| (left.records, left.reason.to_string())),
            Some((2, "field 8 of Record is not UTF-8".into()))
        );
        let stored = validated.batch.unwrap();
        assert_eq!(messages(&stored), ["a", "b"]);
        assert_eq!((stored.from, stored.to), (1, 5));
    }

    #[test]
    fn a_batch_without_producer_gets_one() {
        let stored = validate(batch(&[Record::default(), Record::default()]))
            .unwrap()
            .batch
            .unwrap();
        assert!(stored.producer.is_known());
        assert_eq!((stored.from, stored.to, stored.count), (0, 2, 2));
        assert_eq!(
            BatchRef::parse(&stored.bytes).unwrap().source().producer,
            stored.producer
        );
    }

    #[test]
    fn offsets_that_cannot_be_are_put_right() {
        let stored = validate(batch(&[
            record("a", 5),
            record("b", 5),
            record("c", u64::MAX),
        ]))
        .unwrap()
        .batch
        .unwrap();
        assert_eq!((stored.from, stored.to, stored.count), (5, 8, 3));
        assert_eq!(messages(&stored), ["a", "b", "c"]);
    }

    /// A batch with many names of fields that few bytes refer to.
    #[test]
    fn a_batch_does_not_explode_when_it_is_written_anew() {
        let callsite = distlog_proto::Callsite {
            target: "t".into(),
            ..distlog_proto::Callsite::default()
        };
        let name = "n".repeat(100_000);
        let mut bytes = Vec::new();
        wire::encode::callsite(&mut bytes, 1, &callsite, [name.as_str()]);
        let record = |fields: usize| {
            let mut record = Vec::new();
            wire::put::varint(&mut record, wire::field::record::CALLSITE, 1);
            for _ in 0..fields {
                let (number, key) = (wire::field::record::FIELDS, wire::encode::Key::Index(0));
                wire::encode::scalar(&mut record, number, key, wire::encode::Scalar::Null);
            }
            record
        };
        let (small, large) = (record(1), record(11));
        wire::put_record(&mut bytes, 0, &large);
        (1..=1000).for_each(|n| wire::put_record(&mut bytes, n, &small));
        let validated = validate(bytes).unwrap();
        let stored = validated.batch.unwrap();
        assert!(stored.bytes.len() <= MAX_BATCH);
        let LeftOut { records, reason } = validated.left_out.unwrap();
        assert_eq!(records + u64::from(stored.count), 1001);
        assert!(matches!(reason, DecodeError::LongNames(_)), "{reason}");
    }

    #[test]
    fn a_sign_of_life_stores_nothing() {
        let mut bytes = Vec::new();
        wire::encode::source(&mut bytes, &record("", 0).source);
        let validated = validate(bytes).unwrap();
        assert!(
            validated.batch.is_none()
                && validated.producer.is_known()
                && validated.left_out.is_none()
        );
    }
}
