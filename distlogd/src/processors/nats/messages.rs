//! From records to messages: batches of encoding B, one producer and one partition each.
//!
//! A message is of one stored batch, and where that is cut depends on its records alone. So what is published again is
//! cut as it was, has the same id, and is recognised by the stream.

use distlog_proto::wire::BatchPart;
use distlog_proto::{ProducerId, RecordRef, TraceId};

/// A message takes no more records from this size on, in bytes.
const FULL: usize = 128 << 10;

/// A message to be published.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) partition: u16,
    /// Recognises it when it is published again.
    pub(super) id: String,
    /// A `distlog.v1.RecordBatch`.
    pub(super) body: Vec<u8>,
}

/// A record does not fit into a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// Its number in the store.
    pub(super) number: u64,
    /// Its size alone in a message, in bytes.
    pub(super) bytes: usize,
}

/// Divides records over partitions.
pub(super) struct Messages {
    /// The message under construction of each partition.
    open: Vec<Open>,
    /// The partitions whose messages have records.
    begun: Vec<u16>,
    limit: usize,
}

#[derive(Default)]
struct Open {
    part: BatchPart,
    producer: ProducerId,
    /// Offsets of its first and its last record.
    offsets: (u64, u64),
}

impl Messages {
    /// For a stream of so many partitions that takes messages of up to `limit` bytes.
    pub(super) fn new(partitions: u16, limit: usize) -> Messages {
        Messages {
            open: (0..partitions).map(|_| Open::default()).collect(),
            begun: Vec::new(),
            limit,
        }
    }

    /// Makes messages of records, which are whole batches or parts that are cut where they always are. Gives those
    /// that fit into none.
    ///
    /// # Errors
    /// The first that `publish` returns.
    pub(super) fn make<E>(
        &mut self,
        records: &[RecordRef<'_>],
        mut publish: impl FnMut(Message) -> Result<(), E>,
    ) -> Result<Vec<TooLarge>, E> {
        // What an attempt before this one left.
        self.open
            .iter_mut()
            .for_each(|open| drop(open.part.finish()));
        self.begun.clear();
        let mut too_large = Vec::new();
        for same in records.chunk_by(RecordRef::is_beside) {
            for record in same {
                let number = partition(record, self.open.len());
                let open = &mut self.open[usize::from(number)];
                if open.part.push(record, self.limit).is_err() {
                    // It begins the next one.
                    if !open.part.is_empty() {
                        publish(open.finish(number))?;
                    }
                    if let Err(bytes) = open.part.push(record, self.limit) {
                        let number = record.store_number;
                        too_large.push(TooLarge { number, bytes });
                        continue;
                    }
                }
                if open.part.count() == 1 {
                    open.producer = record.source.producer;
                    open.offsets.0 = record.offset;
                    self.begun.push(number);
                }
                open.offsets.1 = record.offset;
                if open.part.len() >= FULL {
                    publish(open.finish(number))?;
                }
            }
            for number in self.begun.drain(..) {
                let open = &mut self.open[usize::from(number)];
                if !open.part.is_empty() {
                    publish(open.finish(number))?;
                }
            }
        }
        Ok(too_large)
    }
}

impl Open {
    fn finish(&mut self, partition: u16) -> Message {
        let body = self.part.finish();
        let (producer, (first, last)) = (self.producer, self.offsets);
        // Two that cover the same offsets are different where a rule or a deletion has changed what is in them.
        let id = format!("{producer}.{first}-{last}.{:08x}", crc32c::crc32c(&body));
        Message {
            partition,
            id,
            body,
        }
    }
}

/// The partition of a record: by the trace, so that a tree stays together, else by the producer.
fn partition(record: &RecordRef<'_>, partitions: usize) -> u16 {
    partition_of(record.trace_id(), record.source.producer, partitions)
}

/// It is part of what programs of different versions agree on: CRC32C of the 16 bytes, modulo the partitions.
fn partition_of(trace: Option<TraceId>, producer: ProducerId, partitions: usize) -> u16 {
    let bytes = trace.map_or(producer.to_bytes(), |trace| trace.to_bytes());
    let partition = crc32c::crc32c(&bytes) as usize % partitions.max(1);
    u16::try_from(partition).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::BatchWriter;
    use distlog_proto::{BatchRef, Record};

    use super::*;

    fn batch(offsets: std::ops::Range<u64>, long: usize) -> Vec<u8> {
        let mut writer = BatchWriter::new();
        for offset in offsets {
            let mut record = Record {
                offset,
                message: format!("{offset} {}", "x".repeat(long)),
                ..Record::default()
            };
            record.source.producer = ProducerId::from_bytes([7; 16]);
            if offset % 10 > 0 {
                // As random as those that are given: a checksum of regular ones is regular.
                let mixed =
                    u128::from(offset % 10).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
                let trace = TraceId::from_bytes(mixed.to_be_bytes()).unwrap();
                record.task = Some((&distlog_proto::TaskId::top(trace)).into());
            }
            writer.push(&record);
        }
        writer.finish()
    }

    fn messages(messages: &mut Messages, batches: &[Vec<u8>]) -> (Vec<Message>, Vec<TooLarge>) {
        let parsed: Vec<_> = batches
            .iter()
            .map(|b| BatchRef::parse(b).unwrap())
            .collect();
        let records = parsed.iter().flat_map(|batch| batch.records());
        let records: Vec<_> = records
            .map(|record| {
                let mut record = record.unwrap();
                record.store_number = record.offset + 1;
                record
            })
            .collect();
        let mut made = Vec::new();
        let too_large = messages.make(&records, |message| {
            made.push(message);
            Ok::<_, ()>(())
        });
        (made, too_large.unwrap())
    }

    fn offsets(message: &Message) -> Vec<u64> {
        let batch = BatchRef::parse(&message.body).unwrap();
        batch
            .records()
            .map(|record| record.unwrap().offset)
            .collect()
    }

    #[test]
    fn each_record_is_in_one_message_and_a_trace_in_one_partition() {
        let mut divided = Messages::new(4, 1 << 20);
        let (made, too_large) = messages(&mut divided, &[batch(0..500, 10), batch(500..900, 10)]);
        assert!(too_large.is_empty());
        let mut all: Vec<u64> = made.iter().flat_map(offsets).collect();
        all.sort_unstable();
        assert_eq!(all, (0..900).collect::<Vec<_>>());
        let mut of_trace = std::collections::HashMap::new();
        for message in &made {
            for offset in offsets(message) {
                let known = of_trace.entry(offset % 10).or_insert(message.partition);
                assert_eq!(*known, message.partition);
            }
        }
        // Of each batch one for each partition.
        assert!(made.len() <= 8 && made.len() > 4, "{}", made.len());
    }

    #[test]
    fn what_is_made_again_is_the_same_however_it_is_presented() {
        let batches = [
            batch(0..3000, 100),
            batch(3000..3001, 100),
            batch(4000..9000, 100),
        ];
        let mut divided = Messages::new(3, 1 << 20);
        let (together, _) = messages(&mut divided, &batches);
        let apart = batches
            .iter()
            .flat_map(|one| messages(&mut divided, std::slice::from_ref(one)).0);
        assert_eq!(apart.collect::<Vec<_>>(), together);
        let ids: std::collections::HashSet<&str> = together.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(ids.len(), together.len());
        assert!(
            together
                .iter()
                .all(|message| message.body.len() < FULL + 1000)
        );
    }

    #[test]
    fn no_message_is_beyond_the_limit_and_a_record_that_is_is_told() {
        let mut divided = Messages::new(1, 50_000);
        let (made, too_large) = messages(&mut divided, &[batch(0..10, 20_000)]);
        assert!(too_large.is_empty());
        assert_eq!(
            made.iter().map(|m| offsets(m).len()).collect::<Vec<_>>(),
            [2; 5]
        );
        assert!(made.iter().all(|message| message.body.len() <= 50_000));

        let (made, too_large) = messages(
            &mut divided,
            &[batch(0..2, 10), batch(2..3, 60_000), batch(3..5, 10)],
        );
        assert_eq!(
            made.iter().map(offsets).collect::<Vec<_>>(),
            [[0, 1], [3, 4]]
        );
        assert_eq!((too_large.len(), too_large[0].number), (1, 3));
        assert!(too_large[0].bytes > 60_000);
    }

    /// Hubs and agents of different versions share a stream.
    #[test]
    fn the_partition_of_a_trace_never_changes() {
        let trace = TraceId::from_bytes([7; 16]);
        let producer = ProducerId::from_bytes([8; 16]);
        assert_eq!(
            partition_of(trace, producer, 16),
            u16::try_from(crc32c::crc32c(&[7; 16]) % 16).unwrap()
        );
        assert_eq!(
            partition_of(None, producer, 16),
            u16::try_from(crc32c::crc32c(&[8; 16]) % 16).unwrap()
        );
        assert_eq!(partition_of(trace, producer, 1), 0);
    }
}
