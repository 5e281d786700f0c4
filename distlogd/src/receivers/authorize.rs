//! Checks that a batch names only the sender's own producer and offsets.

use distlog_proto::ProducerId;
use distlog_proto::session::{BatchHeader, Refused, RefusedReason};
use distlog_proto::wire::DecodeError;

use crate::intake::Batch;
use crate::receiver::{LeftOut, Validated};

/// A batch that can be stored with the offsets that its header names.
#[derive(Debug)]
pub(super) struct Authorized {
    pub(super) batch: Batch,
    pub(super) left_out: Option<LeftOut>,
}

/// Checks a batch that was read. Malformed records are left out: their offsets become holes.
pub(super) fn authorize(
    header: BatchHeader,
    producer: ProducerId,
    validated: Result<Validated, DecodeError>,
) -> Result<Authorized, Refused<'static>> {
    let BatchHeader { from, to, .. } = header;
    let validated = validated.map_err(|error| {
        let detail = format!("the batch of offsets {from} to {to} cannot be read: {error}");
        Refused::new(RefusedReason::Malformed, detail)
    })?;
    if validated.producer != producer {
        return Err(Refused::new(
            RefusedReason::Forged,
            format!(
                "the batch names producer {}, and its session is that of {producer}",
                validated.producer
            ),
        ));
    }
    let batch = match validated.batch {
        Some(batch) if batch.from < from || batch.to > to => {
            return Err(Refused::new(
                RefusedReason::Forged,
                format!(
                    "the header names the offsets {from} to {to}, and the records have {} to {}",
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
            ordered: true,
            ..Batch::new(producer, from..to, 0, Vec::new())
        },
    };
    Ok(Authorized {
        batch,
        left_out: validated.left_out,
    })
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::{self, BatchWriter};
    use distlog_proto::{BatchRef, Record};

    use super::*;
    use crate::receiver::validate;

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

    fn authorized(body: Vec<u8>) -> Result<Authorized, RefusedReason> {
        let header = BatchHeader {
            session: 1,
            from: 100,
            to: 200,
        };
        authorize(header, PRODUCER, validate(body)).map_err(|refused| refused.reason)
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
        } = authorized(bytes.clone()).unwrap().batch;
        assert_eq!((from, to, count, ordered), (100, 200, 2, true));
        assert_eq!(kept, bytes);
    }

    #[test]
    fn what_is_not_the_sessions_to_say_is_refused() {
        for offsets in [[99, 150], [100, 200], [5, 6]] {
            let refused = authorized(body(PRODUCER, &offsets)).unwrap_err();
            assert_eq!(refused, RefusedReason::Forged, "{offsets:?}");
        }
        for producer in [ProducerId::from_bytes([8; 16]), ProducerId::UNKNOWN] {
            let refused = authorized(body(producer, &[100])).unwrap_err();
            assert_eq!(refused, RefusedReason::Forged);
        }
        assert_eq!(
            authorized(b"\xff\xff\xff".to_vec()).unwrap_err(),
            RefusedReason::Malformed
        );
    }

    #[test]
    fn a_bad_record_leaves_a_hole() {
        let mut bytes = body(PRODUCER, &[110]);
        wire::put_record(&mut bytes, 120, b"\x42\x02\xff\xff"); // A message that is not UTF-8.
        let Authorized { batch, left_out } = authorized(bytes).unwrap();
        assert_eq!((batch.from, batch.to, batch.count), (100, 200, 1));
        assert_eq!(left_out.unwrap().records, 1);
        assert_eq!(BatchRef::parse(&batch.bytes).unwrap().records().count(), 1);

        let mut bytes = Vec::new();
        let source = distlog_proto::Source {
            producer: PRODUCER,
            ..distlog_proto::Source::default()
        };
        wire::encode::source(&mut bytes, &source);
        wire::put_record(&mut bytes, 120, b"\x42\x02\xff\xff");
        let Authorized { batch, left_out } = authorized(bytes).unwrap();
        assert_eq!((batch.from, batch.to, batch.count), (100, 200, 0));
        assert_eq!(left_out.unwrap().records, 1);
    }
}
