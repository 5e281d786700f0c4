//! Looks at a batch with the eyes of who brought it: it may only say what is his to say.

use distlog_proto::ProducerId;
use distlog_proto::session::{BatchHeader, Refused, RefusedReason};
use distlog_proto::wire::DecodeError;

use super::check::check;
use crate::intake::Batch;

/// A batch that can be stored as the offsets that its header names.
#[derive(Debug)]
pub(crate) struct Fitting {
    pub(crate) batch: Batch,
    /// Records that were left out, and why the first of them was.
    pub(crate) bad: Option<(u64, DecodeError)>,
}

/// Checks a batch. Records that are malformed are left out: their offsets become holes.
pub(crate) fn fit(
    header: BatchHeader,
    producer: ProducerId,
    body: Vec<u8>,
) -> Result<Fitting, Refused<'static>> {
    let BatchHeader { from, to, .. } = header;
    let checked = check(body).map_err(|error| {
        let detail = format!("the batch of the offsets {from} to {to} cannot be read: {error}");
        Refused::new(RefusedReason::Malformed, detail)
    })?;
    if checked.producer != producer {
        return Err(Refused::new(
            RefusedReason::Forged,
            format!(
                "the batch says that it is of producer {}, and was brought as one of {producer}",
                checked.producer
            ),
        ));
    }
    let batch = match checked.batch {
        Some(batch) if batch.from < from || batch.to > to => {
            return Err(Refused::new(
                RefusedReason::Forged,
                format!(
                    "the batch was brought as the offsets {from} to {to}, and has records from {} to {}",
                    batch.from, batch.to
                ),
            ));
        }
        Some(batch) => Batch {
            from,
            to,
            ordered: true,
            ..batch
        },
        None => Batch {
            producer,
            from,
            to,
            count: 0,
            ordered: true,
            bytes: Vec::new(),
            done: None,
        },
    };
    Ok(Fitting {
        batch,
        bad: checked.bad,
    })
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::{self, BatchWriter};
    use distlog_proto::{BatchRef, Record};

    use super::*;

    const PRODUCER: ProducerId = ProducerId::from_bytes([7; 16]);

    fn body(producer: ProducerId, offsets: &[u64]) -> Vec<u8> {
        let mut writer = BatchWriter::new();
        for offset in offsets {
            let mut record = Record {
                offset: *offset,
                message: "m".into(),
                ..Record::default()
            };
            record.source.producer = producer;
            writer.push(&record);
        }
        writer.finish()
    }

    fn fits(body: Vec<u8>) -> Result<Fitting, RefusedReason> {
        let header = BatchHeader {
            session: 1,
            from: 100,
            to: 200,
        };
        fit(header, PRODUCER, body).map_err(|refused| refused.reason)
    }

    #[test]
    fn a_batch_covers_what_its_header_says() {
        let bytes = body(PRODUCER, &[100, 199]);
        let Batch {
            from,
            to,
            count,
            ordered,
            bytes: kept,
            ..
        } = fits(bytes.clone()).unwrap().batch;
        assert_eq!((from, to, count, ordered), (100, 200, 2, true));
        assert_eq!(kept, bytes);
    }

    #[test]
    fn what_is_not_the_sessions_to_say_is_refused() {
        for offsets in [[99, 150], [100, 200], [5, 6]] {
            let refused = fits(body(PRODUCER, &offsets)).unwrap_err();
            assert_eq!(refused, RefusedReason::Forged, "{offsets:?}");
        }
        for producer in [ProducerId::from_bytes([8; 16]), ProducerId::UNKNOWN] {
            let refused = fits(body(producer, &[100])).unwrap_err();
            assert_eq!(refused, RefusedReason::Forged);
        }
        assert_eq!(
            fits(b"\xff\xff\xff".to_vec()).unwrap_err(),
            RefusedReason::Malformed
        );
    }

    #[test]
    fn a_bad_record_leaves_a_hole() {
        let mut bytes = body(PRODUCER, &[110]);
        wire::put_record(&mut bytes, 120, b"\x42\x02\xff\xff"); // A message that is not UTF-8.
        let Fitting { batch, bad } = fits(bytes).unwrap();
        assert_eq!((batch.from, batch.to, batch.count), (100, 200, 1));
        assert_eq!(bad.unwrap().0, 1);
        assert_eq!(BatchRef::parse(&batch.bytes).unwrap().records().count(), 1);

        let mut bytes = Vec::new();
        let source = distlog_proto::Source {
            producer: PRODUCER,
            ..distlog_proto::Source::default()
        };
        wire::encode::source(&mut bytes, &source);
        wire::put_record(&mut bytes, 120, b"\x42\x02\xff\xff");
        let Fitting { batch, bad } = fits(bytes).unwrap();
        assert_eq!((batch.from, batch.to, batch.count), (100, 200, 0));
        assert_eq!(bad.unwrap().0, 1);
    }
}
