//! The record that tells of records that were dropped.
//!
//! The layer writes it into its ring; for a dead process whoever drains its spool appends it. Its callsite has the
//! number [`OWN`] in both.

use distlog_proto::wire::encode::{self, Key, Scalar};
use distlog_proto::wire::field::record;
use distlog_proto::wire::{self, put};
use distlog_proto::{BatchRef, Callsite, Severity, ValueRef};

use crate::layout::LEVELS;

/// The number of the callsite of what the layer says itself.
pub const OWN: u32 = 1;

/// Names of the fields with the counts by level, ERROR first.
const BY_LEVEL: [&str; LEVELS] = [
    "lost.error",
    "lost.warn",
    "lost.info",
    "lost.debug",
    "lost.trace",
];
/// The field with the number of records that this record tells of.
const TOTAL: &str = "lost.total";
/// The field with the number of all that were dropped since the producer began.
const SUM: &str = "lost.sum";

/// The callsite [`OWN`], as a field of a batch: level WARN, target `distlog_layer`.
pub fn own_callsite() -> Vec<u8> {
    let own = Callsite {
        severity: Severity::WARN,
        target: "distlog_layer".to_owned(),
        ..Callsite::default()
    };
    let mut out = Vec::new();
    encode::callsite(&mut out, OWN, &own, []);
    out
}

/// What a producer has dropped, and what of it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Records dropped since the producer began, by level, ERROR first.
    pub dropped: [u64; LEVELS],
    /// Those of them that earlier records told of.
    pub reported: [u64; LEVELS],
    /// Time of the first drop that was not told of, in nanoseconds since the Unix epoch; 0: as the last.
    pub first: u64,
    /// Time of the last one.
    pub last: u64,
}

impl Loss {
    /// How many were not told of.
    pub fn untold(&self) -> u64 {
        total(&self.since())
    }

    /// The same by level.
    fn since(&self) -> [u64; LEVELS] {
        let mut since = self.dropped;
        since
            .iter_mut()
            .zip(self.reported)
            .for_each(|(count, reported)| *count = count.saturating_sub(reported));
        since
    }

    /// Appends the record, without offset: how many were lost since the last such record, and between when. `now` is
    /// its time.
    ///
    /// `lost.sum` grows from record to record, so that one that arrives twice can be recognised.
    pub fn put(&self, out: &mut Vec<u8>, now: u64) {
        let untold = self.untold();
        put::varint(out, record::CALLSITE, OWN.into());
        put::fixed64(out, record::TIME, now);
        put::bytes(
            out,
            record::MESSAGE,
            format!("lost {untold} records").as_bytes(),
        );
        let mut field = |name, value| {
            encode::scalar(out, record::FIELDS, Key::Name(name), Scalar::U64(value));
        };
        field(TOTAL, untold);
        for (name, count) in BY_LEVEL.into_iter().zip(self.since()) {
            field(name, count);
        }
        // Not the sum of what was dropped: counts that are read while they grow can be behind what was reported.
        field(SUM, total(&self.reported).saturating_add(untold));
        let first = if self.first == 0 {
            self.last
        } else {
            self.first
        };
        field("lost.from", first);
        field("lost.to", self.last);
    }
}

/// What a loss record says.
struct Told {
    sum: u64,
    by_level: [u64; LEVELS],
}

impl Told {
    /// `None` if `record` is another one.
    fn read(record: &[u8]) -> Option<Told> {
        let mut batch = own_callsite();
        wire::put_record(&mut batch, 0, record);
        let batch = BatchRef::parse(&batch).ok()?;
        let record = batch.records().next()?.ok()?;
        let field = |name| match record.fields.get(name)? {
            ValueRef::I64(value) => u64::try_from(value).ok(),
            ValueRef::U64(value) => Some(value),
            _ => None,
        };
        let mut by_level = [0; LEVELS];
        for (count, name) in by_level.iter_mut().zip(BY_LEVEL) {
            *count = field(name)?;
        }
        Some(Told {
            sum: field(SUM)?,
            by_level,
        })
    }
}

/// Adds what `record`, found in a ring behind the acknowledged ones, tells of to what was reported before it.
///
/// Nothing happens if it is no loss record, or one that `reported` has in it already: a process can die after such a
/// record is in the ring and before it is noted that it is.
pub(crate) fn add_told(reported: &mut [u64; LEVELS], record: &[u8]) {
    let Some(told) = Told::read(record) else {
        return;
    };
    // It is noted level by level, and the process can die between two of them.
    for noted in 0..LEVELS {
        let rest = told.by_level.iter().skip(noted);
        let missing = rest.fold(0, |sum: u64, count| sum.saturating_add(*count));
        if missing > 0 && total(reported).checked_add(missing) == Some(told.sum) {
            reported
                .iter_mut()
                .zip(told.by_level)
                .skip(noted)
                .for_each(|(count, more)| *count = count.saturating_add(more));
            return;
        }
    }
}

fn total(counts: &[u64; LEVELS]) -> u64 {
    counts
        .iter()
        .fold(0, |sum: u64, count| sum.saturating_add(*count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(loss: &Loss, now: u64) -> Vec<u8> {
        let mut out = Vec::new();
        loss.put(&mut out, now);
        out
    }

    #[test]
    fn the_record_says_how_many_when_and_at_which_level() {
        let loss = Loss {
            dropped: [5, 0, 7, 0, 1],
            reported: [1, 0, 7, 0, 0],
            first: 100,
            last: 200,
        };
        let mut batch = own_callsite();
        wire::put_record(&mut batch, 48, &record(&loss, 300));
        let batch = BatchRef::parse(&batch).unwrap();
        let read = batch.records().next().unwrap().unwrap();
        assert_eq!(
            (read.offset, read.time, read.message, read.severity),
            (48, 300, "lost 5 records", Severity::WARN)
        );
        assert_eq!(read.callsite.target, "distlog_layer");
        let fields: Vec<_> = read
            .fields
            .iter()
            .map(|(name, value)| match value {
                ValueRef::I64(value) => (name, value),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            fields,
            [
                ("lost.total", 5),
                ("lost.error", 4),
                ("lost.warn", 0),
                ("lost.info", 0),
                ("lost.debug", 0),
                ("lost.trace", 1),
                ("lost.sum", 13),
                ("lost.from", 100),
                ("lost.to", 200),
            ]
        );
    }

    #[test]
    fn what_was_told_is_added_once() {
        let first = Loss {
            dropped: [1, 2, 0, 0, 0],
            ..Loss::default()
        };
        let second = Loss {
            dropped: [3, 2, 9, 0, 4],
            reported: first.dropped,
            ..Loss::default()
        };
        let mut reported = [0; LEVELS];
        for loss in [&first, &second, &first, &second] {
            add_told(&mut reported, &record(loss, 1));
        }
        assert_eq!(reported, second.dropped);
        // The file knew the first one already.
        let mut reported = first.dropped;
        for loss in [&first, &second] {
            add_told(&mut reported, &record(loss, 1));
        }
        assert_eq!(reported, second.dropped);
        // It knew what of the second one was noted before its process died.
        for noted in 0..=LEVELS {
            let mut reported = first.dropped;
            reported[..noted].copy_from_slice(&second.dropped[..noted]);
            for loss in [&first, &second] {
                add_told(&mut reported, &record(loss, 1));
            }
            assert_eq!(reported, second.dropped, "{noted}");
        }
        add_told(&mut reported, b"\x0a\x05hello");
        add_told(&mut reported, &[0xff; 40]);
        assert_eq!(reported, second.dropped);
    }
}
