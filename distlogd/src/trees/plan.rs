//! How records that pass are read: those of many trees in one pass over the store, those of a few by its index.

use super::frame::{Entry, Part};

/// What it costs to look a trace up and to read one of its places, in records that are read in the same time.
const LOOK_UP: u64 = 2048;
const PLACE: u64 = 4096;

/// What it costs to read a part by the index, in records that are read in the same time.
fn look_up_cost(part: &Part) -> u64 {
    let places = u64::from(part.records).min((part.to - part.from) / PLACE + 1);
    LOOK_UP + places * PLACE
}

/// Whether an entry is read by the index.
pub(super) fn is_looked_up(entry: &Entry) -> bool {
    let one = entry.loose.0 == entry.loose.1 && entry.parts.len() == 1;
    one && look_up_cost(&entry.parts[0]) < entry.to - entry.from
}

/// Puts parts into entries so that they cost little to read: the newest in one pass, with the records outside of
/// traces, older ones each by itself.
pub(super) fn entries(mut parts: Vec<Part>, loose: (u64, u64)) -> Vec<Entry> {
    // The newest first.
    parts.sort_by_key(|part| std::cmp::Reverse((part.from, part.trace)));
    let mut range = (loose.0 < loose.1).then_some(loose);
    let alone: u64 = parts.iter().map(look_up_cost).sum();
    let width = |range: Option<(u64, u64)>| range.map_or(0, |(from, to)| to - from);
    let (mut best, mut scanned) = (width(range).saturating_add(alone), 0);
    let mut rest = alone;
    for (n, part) in (1..).zip(&parts) {
        let (from, to) = range.unwrap_or((part.from, part.to));
        range = Some((from.min(part.from), to.max(part.to)));
        rest -= look_up_cost(part);
        let cost = width(range).saturating_add(rest);
        if cost <= best {
            (best, scanned) = (cost, n);
        }
    }
    let alone = parts.split_off(scanned);
    let ends = parts.iter().map(|part| (part.from, part.to));
    let ends = ends.chain((loose.0 < loose.1).then_some(loose));
    let range = ends.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    parts.sort_by_key(|part| part.trace);
    let together = range.map(|(from, to)| Entry {
        from,
        to,
        loose,
        parts,
    });
    let alone = alone.into_iter().rev().map(|part| Entry {
        from: part.from,
        to: part.to,
        loose: (0, 0),
        parts: vec![part],
    });
    alone.chain(together).collect()
}

#[cfg(test)]
mod tests {
    use distlog_proto::TraceId;

    use super::*;

    fn part(n: u8, from: u64, to: u64, records: u32) -> Part {
        Part {
            trace: TraceId::from_bytes([n; 16]).unwrap(),
            from,
            to,
            records,
        }
    }

    #[test]
    fn many_of_one_time_are_read_together_and_a_long_one_alone() {
        let mut parts: Vec<Part> = (1..200)
            .map(|n| part(n, 1_000_000 + u64::from(n) * 10, 1_002_500, 20))
            .collect();
        parts.push(part(200, 1000, 1_001_000, 20));
        let planned = entries(parts, (1_002_000, 1_002_100));
        assert_eq!(planned.len(), 2);
        assert!(is_looked_up(&planned[0]));
        assert_eq!((planned[0].from, planned[0].to), (1000, 1_001_000));
        assert!(!is_looked_up(&planned[1]));
        assert_eq!((planned[1].from, planned[1].to), (1_000_010, 1_002_500));
        assert_eq!(
            (planned[1].parts.len(), planned[1].loose),
            (199, (1_002_000, 1_002_100))
        );
        assert!(planned[1].parts.is_sorted_by_key(|part| part.trace));
    }

    #[test]
    fn a_few_far_apart_are_each_looked_up() {
        let parts = (1..6).map(|n| {
            part(
                n,
                u64::from(n) * 1_000_000,
                u64::from(n) * 1_000_000 + 400_000,
                12,
            )
        });
        let planned = entries(parts.collect(), (0, 0));
        assert_eq!(planned.len(), 5);
        assert!(planned.iter().all(is_looked_up));
        assert!(planned.is_sorted_by_key(|entry| entry.from));
    }

    #[test]
    fn nothing_is_no_entry_and_records_outside_of_traces_are_one() {
        assert_eq!(entries(Vec::new(), (0, 0)), []);
        let planned = entries(Vec::new(), (7, 9));
        assert_eq!((planned.len(), planned[0].from, planned[0].to), (1, 7, 9));
    }
}
