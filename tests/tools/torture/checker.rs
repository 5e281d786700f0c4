//! Compares what was logged with what is in the store and what the processors got.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use distlog_proto::BatchRef;
use distlog_proto::wire::{RecordRef, ValueRef};
use distlog_store::{Batches, Options, Store};
use serde::Deserialize;

use super::call_journal::Calls;
use super::seen_set::{Identity, SeenSet};
use super::sink::GOT;

/// So many violations are listed.
const MAX_VIOLATIONS: usize = 20;
/// Of what came twice, so many are.
const EXAMPLES: usize = 3;
/// Read from the store at once, in bytes.
const READ: usize = 4 << 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Calls that returned.
    pub logged: u64,
    /// Numbered records in the store.
    pub stored: u64,
    /// Records that should be somewhere and are not, beyond what was counted as dropped.
    pub lost: u64,
    /// Records that the store has more than once.
    pub duplicated: u64,
    /// What the stream says was dropped.
    pub dropped: u64,
    /// Records that the file has more than once.
    pub file_twice: u64,
    /// Records that the sink got more than once.
    pub sink_twice: u64,
    /// Records that one hub has more than once.
    pub hubs_twice: u64,
    /// Name and records of each database.
    pub databases: Vec<(String, u64)>,
    /// What is wrong, in words.
    pub violations: Vec<String>,
    /// How many there are beyond those.
    pub more: u64,
}

impl Findings {
    /// Notes what is wrong.
    pub fn violation(&mut self, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(what);
        } else {
            self.more += 1;
        }
    }

    /// Whether everything is as promised.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && self.lost + self.duplicated + self.file_twice == 0
    }
}

/// What the store holds.
#[derive(Debug, Default)]
pub struct Stored {
    /// Every record, by producer and offset.
    pub records: SeenSet<[u8; 16]>,
    /// The numbered ones, by run and thread.
    pub numbers: SeenSet<(u64, u64)>,
    /// What each producer said was dropped, in all.
    pub dropped: HashMap<[u8; 16], u64>,
}

impl Stored {
    /// Reads a store that no daemon has open. What cannot be read is a violation.
    ///
    /// # Errors
    /// If it cannot be opened or read.
    pub fn read(path: &Path, findings: &mut Findings) -> io::Result<Stored> {
        let options = Options {
            reserve: 0,
            ..Options::default()
        };
        let store = Store::open(path, options).map_err(io::Error::other)?;
        let reader = store.reader();
        let mut cursor = reader.cursor(reader.first());
        let mut batches = Batches::new();
        let mut stored = Stored::default();
        loop {
            let progress = cursor
                .next_batches(&mut batches, READ)
                .map_err(io::Error::other)?;
            if progress.skipped() > 0 {
                findings.violation(format!("the store cannot be read whole: {progress:?}"));
            }
            if batches.is_empty() {
                break;
            }
            for (_, bytes) in batches.iter() {
                match BatchRef::parse(bytes) {
                    Ok(batch) => batch.records().for_each(|record| match record {
                        Ok(record) => stored.add(&record),
                        Err(error) => findings.violation(format!("a stored record: {error}")),
                    }),
                    Err(error) => findings.violation(format!("a stored batch: {error}")),
                }
            }
        }
        store.close().map_err(io::Error::other)?;
        Ok(stored)
    }

    fn add(&mut self, record: &RecordRef<'_>) {
        let producer = record.source.producer.to_bytes();
        self.records.add(producer, record.offset);
        let field = |name| match record.fields.get(name) {
            Some(ValueRef::I64(value)) => u64::try_from(value).ok(),
            Some(ValueRef::U64(value)) => Some(value),
            _ => None,
        };
        if let Some(sum) = field("lost.sum") {
            let known = self.dropped.entry(producer).or_default();
            *known = sum.max(*known);
        } else if let (Some(run), Some(thread), Some(number)) =
            (field("run"), field("thread"), field("number"))
        {
            self.numbers.add((run, thread), number);
        }
    }

    /// Adds what another store has.
    pub fn absorb(&mut self, other: &Stored) {
        self.records.absorb(&other.records);
        self.numbers.absorb(&other.numbers);
        for (producer, sum) in &other.dropped {
            let known = self.dropped.entry(*producer).or_default();
            *known = (*sum).max(*known);
        }
    }
}

/// Judges the store of a daemon that clients log to: it has each record once.
pub fn judge_store(name: &str, stored: &Stored, findings: &mut Findings) {
    for (producer, offset) in stored.records.repeated.iter().take(EXAMPLES) {
        findings.violation(format!(
            "{name} has stored twice: offset {offset} of producer {producer:02x?}"
        ));
    }
    for ((run, thread), number) in stored.numbers.repeated.iter().take(EXAMPLES) {
        findings.violation(format!(
            "{name} has stored twice: number {number} of run {run}, thread {thread}"
        ));
    }
}

/// Judges the store of a hub: what only one daemon has published is there once. What a program has sent to two daemons,
/// as it got no answer from the first one, both publish.
pub fn judge_hub(name: &str, stored: &Stored, daemons: &[Stored], findings: &mut Findings) {
    findings.hubs_twice += stored.records.twice();
    let repeated = stored.records.repeated.iter();
    let published = |producer, offset| {
        let have = daemons
            .iter()
            .filter(|own| own.records.has(producer, offset));
        have.count()
    };
    let wrong: Vec<_> = repeated
        .filter(|(producer, offset)| published(*producer, *offset) < 2)
        .collect();
    if let Some((producer, offset)) = wrong.first() {
        findings.violation(format!(
            "{name} has stored {} records twice that one daemon published, as offset {offset} of producer {producer:02x?}",
            wrong.len()
        ));
    }
}

/// Compares what is stored with the calls that were made.
pub fn check(journals: &[Calls], stored: &Stored, findings: &mut Findings) {
    findings.stored = stored.numbers.count();
    // A number that came twice may or may not be a record that came twice.
    findings.duplicated = stored.records.twice().max(stored.numbers.twice());
    let mut runs: BTreeMap<u64, Vec<&Calls>> = BTreeMap::new();
    for calls in journals {
        runs.entry(calls.run).or_default().push(calls);
    }
    for (run, threads) in &runs {
        check_run(*run, threads, stored, findings);
    }
    for (run, thread) in stored.numbers.keys() {
        let known = runs
            .get(&run)
            .is_some_and(|threads| threads.iter().any(|known| known.thread == thread));
        if !known {
            findings.violation(format!(
                "nobody logged what is stored of run {run}, thread {thread}"
            ));
        }
    }
}

fn check_run(run: u64, threads: &[&Calls], stored: &Stored, findings: &mut Findings) {
    let mut missing: Vec<(u64, u64)> = Vec::new();
    let mut in_flight = 0;
    for calls in threads {
        let Calls {
            thread,
            entered,
            returned,
            ..
        } = **calls;
        let numbers = stored.numbers.of((run, thread));
        let absent = |number: &u64| numbers.is_none_or(|numbers| !numbers.has(*number));
        missing.extend((1..=returned).filter(absent).map(|number| (thread, number)));
        in_flight += (returned + 1..=entered).filter(absent).count() as u64;
        if let Some(last) = numbers.and_then(|numbers| numbers.last())
            && last > entered
        {
            findings.violation(format!(
                "run {run}, thread {thread}: {last} is stored, but only {entered} were logged"
            ));
        }
        findings.logged += returned;
    }
    let Some(Calls {
        producer,
        waits,
        dropped,
        ..
    }) = threads.first().copied()
    else {
        return;
    };
    let count = missing.len() as u64;
    let reported = stored.dropped.get(producer).copied().unwrap_or_default();
    findings.dropped += reported;
    if count > reported {
        findings.lost += count - reported;
        let end = if dropped.is_some() {
            "ended in order"
        } else {
            "was killed"
        };
        findings.violation(format!(
            "run {run}, which {end}, lacks {count} records and reported {reported} as dropped; thread and number: {}",
            ranges(&missing)
        ));
    }
    if reported > count + in_flight {
        findings.violation(format!(
            "run {run} reported {reported} as dropped, but lacks only {count}, and {in_flight} in flight"
        ));
    }
    if *waits && reported > 0 {
        findings.violation(format!("run {run} waits for room, but dropped {reported}"));
    }
    if let Some(counted) = dropped
        && *counted != reported
    {
        findings.violation(format!(
            "the guard of run {run} counted {counted} as dropped, the stream says {reported}"
        ));
    }
}

/// `0: 5-17 19, 1: 3`, and not more than fits into a line.
fn ranges(numbers: &[(u64, u64)]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    let mut thread = None;
    while let [(of, first), ..] = rest {
        let run = rest
            .iter()
            .zip(0..)
            .take_while(|((one, number), nth)| one == of && *number == first + nth)
            .count();
        rest = &rest[run..];
        if thread.replace(*of) != Some(*of) {
            text += &format!("{}{of}:", if text.is_empty() { "" } else { ", " });
        }
        text += &match run {
            1 => format!(" {first}"),
            run => format!(" {first}-{}", first + run as u64 - 1),
        };
        if text.len() > 300 {
            return text + " …";
        }
    }
    text
}

/// Compares what a processor got with what is stored; gives how many came more than once.
pub fn judge_processor(
    name: &str,
    got: &SeenSet<[u8; 16]>,
    stored: &Stored,
    findings: &mut Findings,
) -> u64 {
    let missing: Vec<_> = stored.records.without(got).collect();
    if let Some((producer, offset)) = missing.first() {
        findings.lost += missing.len() as u64;
        findings.violation(format!(
            "processor {name} did not get {} stored records, as offset {offset} of producer {producer:02x?}",
            missing.len()
        ));
    }
    let strange = got.without(&stored.records).count();
    if strange > 0 {
        findings.violation(format!(
            "processor {name} got {strange} records that are not stored"
        ));
    }
    got.twice()
}

/// Compares what a database has with what is stored: each record is there once.
pub fn judge_database(
    name: &str,
    rows: &SeenSet<[u8; 16]>,
    stored: &Stored,
    findings: &mut Findings,
) {
    let twice = judge_processor(name, rows, stored, findings);
    if twice > 0 {
        findings.duplicated += twice;
        findings.violation(format!("{name} has {twice} records twice"));
    }
    findings.databases.push((name.to_owned(), rows.count()));
}

/// Reads a file of JSON lines.
///
/// # Errors
/// If it cannot be read, or a line is none.
pub fn read_lines(path: &Path) -> io::Result<SeenSet<[u8; 16]>> {
    #[derive(Deserialize)]
    struct Line {
        distlog: Identity,
    }
    let mut got = SeenSet::default();
    for line in BufReader::with_capacity(1 << 20, std::fs::File::open(path)?).lines() {
        let line: Line = serde_json::from_str(&line?)?;
        got.add(line.distlog.producer, line.distlog.offset);
    }
    Ok(got)
}

/// Reads what the sinks wrote down.
///
/// # Errors
/// If it cannot be read.
pub fn read_sinks(folder: &Path) -> io::Result<SeenSet<[u8; 16]>> {
    let mut got = SeenSet::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(GOT) {
            continue;
        }
        let mut bytes = Vec::new();
        std::fs::File::open(entry.path())?.read_to_end(&mut bytes)?;
        for bytes in bytes.as_chunks::<{ Identity::BYTES }>().0 {
            let Identity { producer, offset } = Identity::from_bytes(bytes);
            got.add(producer, offset);
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(waits: bool) -> Calls {
        Calls {
            run: 1,
            thread: 0,
            entered: 11,
            returned: 10,
            producer: [1; 16],
            waits,
            dropped: None,
        }
    }

    /// What is stored, what was reported as dropped; lost, twice, violations.
    fn findings(stored: &[u64], reported: u64, waits: bool) -> (u64, u64, usize) {
        let mut all = Stored::default();
        for (number, offset) in stored.iter().zip(0..) {
            all.records.add([1; 16], offset);
            all.numbers.add((1, 0), *number);
        }
        all.dropped.insert([1; 16], reported);
        let mut findings = Findings::default();
        judge_store("daemon", &all, &mut findings);
        check(&[calls(waits)], &all, &mut findings);
        assert_eq!(findings.logged, 10);
        (
            findings.lost,
            findings.duplicated,
            findings.violations.len(),
        )
    }

    #[test]
    fn each_way_to_be_wrong_is_seen() {
        let whole: Vec<u64> = (1..=10).collect();
        assert_eq!(findings(&whole, 0, true), (0, 0, 0));
        let in_flight: Vec<u64> = (1..=11).collect();
        assert_eq!(findings(&in_flight, 0, true), (0, 0, 0));
        assert_eq!(findings(&whole[..7], 0, true), (3, 0, 1), "lost");
        assert_eq!(
            findings(&whole[..7], 3, false),
            (0, 0, 0),
            "dropped and said so"
        );
        assert_eq!(
            findings(&whole[..7], 4, false),
            (0, 0, 0),
            "the one in flight, too"
        );
        assert_eq!(findings(&whole[..7], 5, false), (0, 0, 1), "said too many");
        assert_eq!(findings(&whole[..7], 2, false), (1, 0, 1), "said too few");
        assert_eq!(findings(&whole[..7], 3, true), (0, 0, 1), "waits and drops");
        let twice: Vec<u64> = (1..=10).chain([4]).collect();
        assert_eq!(findings(&twice, 0, true), (0, 1, 1), "twice");
        let never: Vec<u64> = (1..=12).collect();
        assert_eq!(findings(&never, 0, true), (0, 0, 1), "never logged");
    }

    #[test]
    fn a_database_that_lacks_a_record_or_has_one_twice_is_seen() {
        let mut stored = Stored::default();
        let mut rows = SeenSet::default();
        for offset in 0..5 {
            stored.records.add([1; 16], offset);
            rows.add([1; 16], offset);
        }
        let judge = |rows: &SeenSet<[u8; 16]>| {
            let mut findings = Findings::default();
            judge_database("sqlite", rows, &stored, &mut findings);
            (findings.lost, findings.duplicated, findings.is_good())
        };
        assert_eq!(judge(&rows), (0, 0, true));
        rows.add([1; 16], 4);
        assert_eq!(judge(&rows), (0, 1, false));
        assert_eq!(judge(&SeenSet::default()), (5, 0, false));
        rows.add([2; 16], 0);
        assert_eq!(judge(&rows), (0, 1, false));
    }

    #[test]
    fn what_a_hub_has_twice_is_wrong_unless_two_daemons_published_it() {
        let store = |offsets: &[u64]| {
            let mut stored = Stored::default();
            for offset in offsets {
                stored.records.add([1; 16], *offset);
            }
            stored
        };
        let daemons = [store(&[1, 2, 3]), store(&[3])];
        let judge = |hub: &Stored| {
            let mut findings = Findings::default();
            judge_hub("hub", hub, &daemons, &mut findings);
            (findings.hubs_twice, findings.is_good())
        };
        assert_eq!(judge(&store(&[1, 2, 3])), (0, true));
        assert_eq!(judge(&store(&[1, 3, 3])), (1, true));
        assert_eq!(judge(&store(&[1, 2, 2, 3, 3])), (2, false));
        let mut all = store(&[1, 1]);
        all.absorb(&daemons[0]);
        assert_eq!((all.records.count(), all.records.twice()), (3, 1));
    }

    #[test]
    fn numbers_are_shown_as_ranges() {
        let numbers = [(0, 5), (0, 6), (0, 7), (0, 9), (1, 10), (1, 12)];
        assert_eq!(ranges(&numbers), "0: 5-7 9, 1: 10 12");
        let many: Vec<_> = (0..500).map(|n| (0, n * 2)).collect();
        assert!(ranges(&many).len() < 320 && ranges(&many).ends_with('…'));
    }
}
