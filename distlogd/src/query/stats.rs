//! Counts by groups, and how long tasks took in each.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use distlog_proto::wire::Parts;
use distlog_proto::{RecordRef, Severity};
use distlog_store::BlockSummary;
use hashbrown::HashMap;
use sketches_ddsketch::DDSketch;

use super::budget::{Budget, Held};
use super::grouping::Grouping;
use super::scan::{Collect, Counters, Place, Running};
use super::{Engine, Filter, QueryError};
use crate::tree::paint::utc;

/// A query has so many groups at most.
pub const MAX_GROUPS: usize = 10_000;
/// The groups that a thread found take so much at most, in bytes.
const MAX_HELD: usize = 16 << 20;
/// What a group takes beside its key, in bytes.
const GROUP: usize = 96;
/// A thread counts so many kinds of records before they go into groups.
const MAX_COUNTS: usize = 64;
/// What the durations of a group take, in bytes: at 1 % from the shortest to the longest about 100 bins for a factor
/// of ten.
const SKETCH: usize = 4 << 10;

impl Engine {
    /// Counts the records that pass by groups.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub fn stats(
        &self,
        filter: Filter,
        grouping: Grouping,
        timeout: Duration,
        counters: Arc<Counters>,
    ) -> Result<Running<Groups>, QueryError> {
        let grouping = Arc::new(grouping);
        self.scan(filter, timeout, counters, || {
            Groups::new(&grouping, &self.budget)
        })
    }
}

/// Groups of records.
pub struct Groups {
    grouping: Arc<Grouping>,
    groups: HashMap<Box<[u8]>, Group>,
    held: Held,
    /// Of those that were merged.
    others: Vec<Held>,
    records: u64,
    truncated: bool,
    key: Vec<u8>,
    counts: Counts,
}

/// What blocks counted, by service, severity and slot of time, before it goes into groups: neighbouring blocks mostly
/// have the same, in the same order.
#[derive(Default)]
struct Counts {
    list: Vec<Count>,
    /// The one that is probably next.
    next: usize,
}

struct Count {
    service: Box<str>,
    severity: Severity,
    begin: u64,
    records: u64,
}

impl Counts {
    /// Adds to what is known; false if it is not.
    fn add(&mut self, service: &str, severity: Severity, begin: u64, records: u64) -> bool {
        let is_one = |count: &Count| {
            count.severity == severity && count.begin == begin && *count.service == *service
        };
        let next = Some(self.next).filter(|next| self.list.get(*next).is_some_and(is_one));
        let Some(at) = next.or_else(|| self.list.iter().position(is_one)) else {
            return false;
        };
        self.list[at].records += records;
        self.next = (at + 1) % self.list.len();
        true
    }
}

#[derive(Default)]
struct Group {
    count: u64,
    durations: Option<Box<DDSketch>>,
    shortest: Option<u64>,
    longest: u64,
}

/// A list of groups, as JSON objects.
pub struct Rows {
    /// The groups: the largest first or, by time, the oldest.
    pub rows: Vec<Vec<u8>>,
    /// How many groups there are.
    pub groups: usize,
    /// How many records are in them.
    pub records: u64,
    /// There were too many groups: some are missing, others have less than they should.
    pub truncated: bool,
}

impl Groups {
    fn new(grouping: &Arc<Grouping>, budget: &Arc<Budget>) -> Groups {
        Groups {
            grouping: Arc::clone(grouping),
            groups: HashMap::new(),
            held: budget.hold(),
            others: Vec::new(),
            records: 0,
            truncated: false,
            key: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Brings what blocks counted into the groups.
    fn add_counts(&mut self) {
        let mut key = std::mem::take(&mut self.key);
        for count in std::mem::take(&mut self.counts).list {
            key.clear();
            let (service, severity) = (&count.service, count.severity);
            self.grouping
                .key_of_counts(service, severity, count.begin, &mut key);
            self.add(&key, count.records);
        }
        self.key = key;
    }

    /// At most `limit` groups: the largest or, by time, the newest.
    pub fn rows(mut self, limit: usize) -> Rows {
        self.add_counts();
        let all = self.groups.len();
        let mut groups: Vec<(Box<[u8]>, Group)> = self.groups.drain().collect();
        if self.grouping.every.is_some() {
            groups.sort_unstable_by(|(a, x), (b, y)| {
                (&a[..8], Reverse(x.count), &a[8..]).cmp(&(&b[..8], Reverse(y.count), &b[8..]))
            });
            let begin = |at: usize| groups.get(at).map(|(key, _)| &key[..8]);
            let cut = all.saturating_sub(limit);
            // The oldest slot is shown whole or not at all, the newest as far as there is room.
            let slot = groups.partition_point(|(key, _)| Some(&key[..8]) < begin(cut));
            let next = groups.partition_point(|(key, _)| Some(&key[..8]) <= begin(cut));
            let from = if slot == cut || next == all {
                slot
            } else {
                next
            };
            groups.drain(..from);
            groups.truncate(limit);
        } else {
            groups.sort_unstable_by(|(a, x), (b, y)| {
                (Reverse(x.count), a).cmp(&(Reverse(y.count), b))
            });
            groups.truncate(limit);
        }
        let by_time = self.grouping.every.is_some();
        Rows {
            rows: groups
                .iter()
                .map(|(key, group)| row(key, group, by_time))
                .collect(),
            groups: all,
            records: self.records,
            truncated: self.truncated,
        }
    }

    /// Adds records to a group, if there is room for it.
    fn add(&mut self, key: &[u8], count: u64) {
        if !self.groups.contains_key(key) && self.has_room(key.len() + GROUP) {
            self.groups.insert(key.into(), Group::default());
        }
        if let Some(group) = self.groups.get_mut(key) {
            group.count += count;
            self.records += count;
        }
    }

    fn has_room(&mut self, bytes: usize) -> bool {
        let room = self.groups.len() < MAX_GROUPS
            && self.held.bytes() + bytes <= MAX_HELD
            && self.held.grow(bytes);
        self.truncated |= !room;
        room
    }
}

/// A group as a JSON object.
fn row(key: &[u8], group: &Group, by_time: bool) -> Vec<u8> {
    let (begin, fields) = key.split_at(8);
    let mut out = vec![b'{'];
    if by_time {
        let begin = begin.try_into().map_or(0, u64::from_be_bytes);
        let begin = utc(begin).to_rfc3339_opts(SecondsFormat::AutoSi, true);
        out.extend_from_slice(format!("\"time\":\"{begin}\",").as_bytes());
    }
    out.extend_from_slice(fields);
    out.extend_from_slice(format!("\"count\":{}", group.count).as_bytes());
    if let Some(durations) = &group.durations {
        for (name, part) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let value = durations.quantile(part).ok().flatten().unwrap_or_default();
            // A bin may reach beyond the shortest and the longest.
            let value = (value.round() as u64).max(group.shortest.unwrap_or(0));
            let value = value.min(group.longest);
            out.extend_from_slice(format!(",\"{name}_ns\":{value}").as_bytes());
        }
        out.extend_from_slice(format!(",\"max_ns\":{}", group.longest).as_bytes());
    }
    out.push(b'}');
    out
}

impl Collect for Groups {
    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        self.grouping.key(record, place.time, &mut key);
        self.add(&key, 1);
        if let Some(took) = record.took()
            && let Some(group) = self.groups.get_mut(&*key)
        {
            group.shortest = Some(group.shortest.map_or(took, |known| known.min(took)));
            group.longest = group.longest.max(took);
            match &mut group.durations {
                Some(durations) => durations.add(took as f64),
                none => {
                    if self.held.bytes() + SKETCH <= MAX_HELD && self.held.grow(SKETCH) {
                        none.insert(Box::default()).add(took as f64);
                    } else {
                        self.truncated = true;
                    }
                }
            }
        }
        self.key = key;
    }

    fn parts(&self) -> Parts {
        self.grouping.parts()
    }

    fn take_counts(&mut self, block: &BlockSummary, filter: &Filter, numbers: &Range<u64>) -> bool {
        let bucket = |time: &u64| self.grouping.every.map_or(0, |every| time - time % every);
        let begin = bucket(block.times.start());
        // Of tasks that end it must be read how long they took.
        if block.ended() > 0 || bucket(block.times.end()) != begin || !self.grouping.is_counted() {
            return false;
        }
        let Some(counts) = filter.counts(block, numbers) else {
            return false;
        };
        for (service, severity, count) in counts {
            let records = u64::from(count);
            if self.counts.add(service, severity, begin, records) {
                continue;
            }
            if self.counts.list.len() == MAX_COUNTS {
                self.add_counts();
            }
            self.counts.list.push(Count {
                service: service.into(),
                severity,
                begin,
                records,
            });
        }
        true
    }

    fn field(&self) -> Option<&str> {
        self.grouping.field()
    }

    fn take_texts(&mut self, text: Option<&str>, count: u64) {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        self.grouping.key_of_text(text, &mut key);
        self.add(&key, count);
        self.key = key;
    }

    fn merge(&mut self, mut other: Groups) {
        self.add_counts();
        other.add_counts();
        self.truncated |= other.truncated;
        self.others.extend(other.others);
        self.others.push(other.held);
        for (key, group) in other.groups {
            if let Some(known) = self.groups.get_mut(&key) {
                known.add(group);
            } else if self.groups.len() < MAX_GROUPS {
                self.groups.insert(key, group);
            } else {
                self.truncated = true;
                continue;
            }
        }
        self.records = self.groups.values().map(|group| group.count).sum();
    }
}

impl Group {
    fn add(&mut self, other: Group) {
        self.count += other.count;
        self.shortest = [self.shortest, other.shortest].into_iter().flatten().min();
        self.longest = self.longest.max(other.longest);
        match (&mut self.durations, other.durations) {
            (Some(durations), Some(other)) => {
                // All have the same configuration.
                let _ = durations.merge(&other);
            }
            (none @ None, other) => *none = other,
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::BatchWriter;
    use distlog_proto::{BatchRef, Kind, Record};

    use super::*;

    const MINUTE: u64 = 60_000_000_000;
    /// At a full minute.
    const THEN: u64 = 28_333_333 * MINUTE;

    /// Counts ends of tasks of these names and durations, one a second.
    fn groups(
        by: &str,
        every: Option<Duration>,
        ends: &[(&str, u64)],
        budget: &Arc<Budget>,
    ) -> Groups {
        let grouping = Arc::new(Grouping::parse(by, every).unwrap());
        let mut writer = BatchWriter::new();
        for (name, duration) in ends {
            writer.push(&Record {
                kind: Kind::End,
                name: (*name).to_owned(),
                duration: *duration,
                ..Record::default()
            });
        }
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let mut groups = [
            Groups::new(&grouping, budget),
            Groups::new(&grouping, budget),
        ];
        for (number, record) in batch.records().enumerate() {
            let number = number as u64;
            let time = THEN + number * 1_000_000_000;
            groups[(number % 2) as usize].take(&record.unwrap(), Place { time, number });
        }
        let [mut all, other] = groups;
        all.merge(other);
        all
    }

    fn rows(groups: Groups, limit: usize) -> Vec<serde_json::Value> {
        let rows = groups.rows(limit).rows;
        rows.iter()
            .map(|row| serde_json::from_slice(row).unwrap())
            .collect()
    }

    #[test]
    fn percentiles_are_right_to_a_hundredth() {
        let ends: Vec<(&str, u64)> = (1..=1000).map(|n| ("pay", n * 1_000_000)).collect();
        let rows = rows(
            groups("task_name,fields.a", None, &ends, &Arc::default()),
            10,
        );
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["task_name"], "pay");
        assert!(rows[0]["fields.a"].is_null());
        assert_eq!(
            (&rows[0]["count"], &rows[0]["max_ns"]),
            (&1000.into(), &1_000_000_000.into())
        );
        for (name, expected) in [("p50_ns", 500e6), ("p90_ns", 900e6), ("p99_ns", 990e6)] {
            let value = rows[0][name].as_f64().unwrap();
            assert!((value / expected - 1.0).abs() < 0.012, "{name} {value}");
        }
    }

    #[test]
    fn groups_are_sorted_by_count_or_by_time() {
        let ends: Vec<(&str, u64)> = (0..150).map(|n| (["a", "b", "b"][n % 3], 5)).collect();
        let sizes = rows(groups("task_name", None, &ends, &Arc::default()), 1);
        assert_eq!(sizes.len(), 1);
        assert_eq!(
            (&sizes[0]["task_name"], &sizes[0]["count"]),
            (&"b".into(), &100.into())
        );
        let every = Some(Duration::from_secs(60));
        let times = rows(groups("", every, &ends, &Arc::default()), 2);
        let times: Vec<_> = times
            .iter()
            .map(|row| (&row["time"], &row["count"]))
            .collect();
        // Of three slots the newest two.
        let expected = [("2023-11-14T22:14:00Z", 60), ("2023-11-14T22:15:00Z", 30)];
        let expected: Vec<(serde_json::Value, serde_json::Value)> = expected
            .iter()
            .map(|(time, count)| ((*time).into(), (*count).into()))
            .collect();
        assert_eq!(
            times,
            expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_oldest_slot_of_time_is_whole() {
        let ends: Vec<(&str, u64)> = (0..150).map(|n| (["a", "b", "b"][n % 3], 5)).collect();
        let every = Some(Duration::from_secs(60));
        for (limit, expected) in [
            (6, &[40, 20, 40, 20, 20, 10][..]),
            (5, &[40, 20, 20, 10]),
            (3, &[20, 10]),
            (1, &[20]),
        ] {
            let rows = rows(groups("task_name", every, &ends, &Arc::default()), limit);
            let counts: Vec<&serde_json::Value> = rows.iter().map(|row| &row["count"]).collect();
            assert_eq!(counts, expected.iter().collect::<Vec<_>>(), "{limit}");
        }
    }

    #[test]
    fn a_percentile_is_no_shorter_than_the_shortest() {
        let ends = [("pay", 1_000_000); 100];
        let rows = rows(groups("", None, &ends, &Arc::default()), 1);
        for name in ["p50_ns", "p99_ns", "max_ns"] {
            assert_eq!(rows[0][name], 1_000_000, "{name}");
        }
    }

    #[test]
    fn too_many_groups_are_said() {
        let names: Vec<String> = (0..MAX_GROUPS + 5).map(|n| n.to_string()).collect();
        let ends: Vec<(&str, u64)> = names.iter().map(|name| (&**name, 1)).collect();
        let budget = Arc::default();
        let rows = groups("task_name", None, &ends, &budget).rows(MAX_GROUPS);
        assert!(rows.truncated);
        assert!(rows.groups <= MAX_GROUPS && rows.groups > 1000);
        assert_eq!(rows.records, rows.groups as u64);
        // All memory is given back.
        assert!(budget.hold().grow(super::super::budget::ALL));
    }
}
