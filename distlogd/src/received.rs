//! Where in the store the records of a time begin.

use distlog_store::{Batches, ReadError, Reader};

/// The number of the first record that was received at that time, in ns since the epoch, or later. Where the system's
/// clock was set back in between, of one of the places where that begins.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn first_since(reader: &Reader, time: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (reader.first(), reader.end());
    let mut batches = Batches::new();
    while low < high {
        let middle = low + (high - low) / 2;
        let mut cursor = reader.cursor(middle);
        // One block at a time, until there is a batch.
        loop {
            cursor.next_batches(&mut batches, 1)?;
            if !batches.is_empty() || cursor.position() >= high {
                break;
            }
        }
        match batches.iter().next() {
            Some((head, _)) if head.received < time => low = head.end().max(middle + 1),
            // Nothing that is shown lies between, or what does is late enough.
            Some((head, _)) => high = middle.min(head.first),
            None => high = middle,
        }
    }
    Ok(low.min(reader.end()))
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::BatchWriter;
    use distlog_proto::{ProducerId, Record};
    use distlog_store::{Append, Options, Store};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_first_record_of_a_time_is_found(
            batches in prop::collection::vec((1..5_u64, 0..3_u64), 0..30),
            times in prop::collection::vec(0..70_u64, 8),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let options = Options { reserve: 0, segment_size: 4096, ..Options::default() };
            let mut store = Store::open(folder.path(), options).unwrap();
            let producer = ProducerId::from_bytes([7; 16]);
            let (mut offset, mut received, mut all) = (0, 1, Vec::new());
            for (count, later) in batches {
                received += later;
                let mut writer = BatchWriter::new();
                for n in offset..offset + count {
                    let mut record = Record { offset: n, message: "x".repeat(300), ..Record::default() };
                    record.source.producer = producer;
                    writer.push(&record);
                    all.push(received);
                }
                let bytes = writer.finish();
                store.append(&Append {
                    producer,
                    from: offset,
                    to: offset + count,
                    count: count as u32,
                    received,
                    ordered: true,
                    bytes: &bytes,
                }).unwrap();
                store.commit().unwrap();
                offset += count;
            }
            let reader = store.reader();
            for time in times {
                let expected = all.partition_point(|received| *received < time) as u64 + 1;
                prop_assert_eq!(first_since(&reader, time).unwrap(), expected);
            }
        }
    }
}
