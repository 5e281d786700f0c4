//! A model: random records in a real store, random queries, compared with a plain look at all records.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use distlog_proto::wire::BatchWriter;
use distlog_proto::*;
use distlog_rules::Condition;
use distlog_store::{Append, AppendOutcome, Options, Reader, Store};
use fastrand::Rng;

use super::budget::ALL;
use super::scan::Place;
use super::*;
use crate::deletions::{Deletions, Which};
use crate::storage::LocalStorage;

const THEN: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const WORDS: [&str; 12] = [
    "order",
    "Order",
    "refused",
    "paid",
    "card",
    "17",
    "Größe",
    "user_id",
    "日本",
    "x",
    "orders",
    "\u{212a}elvin",
];
const SERVICES: [&str; 4] = ["shop", "payment", "Ärger", ""];

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Answers queries over a store.
pub(super) fn engine(store: &Store) -> Engine {
    Engine::new(Arc::new(LocalStorage::new(store.reader())))
}

/// A store that is filled at random, and what it was told.
struct Model {
    rng: Rng,
    store: Store,
    engine: Engine,
    records: Vec<(Place, Record)>,
    sent: u64,
    folder: tempfile::TempDir,
}

impl Model {
    fn new(seed: u64, keep_size: Option<u64>) -> Model {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            segment_size: 1 << 20,
            reserve: 0,
            keep_size,
            compress: keep_size.is_none(),
            ..Options::default()
        };
        let store = Store::open(folder.path(), options).unwrap();
        Model {
            rng: Rng::with_seed(seed),
            engine: engine(&store),
            store,
            records: Vec::new(),
            sent: 0,
            folder,
        }
    }

    fn reader(&self) -> Reader {
        self.store.reader()
    }

    fn text(&mut self) -> String {
        let words = (0..self.rng.usize(1..6)).map(|_| *self.rng.choice(&WORDS).unwrap());
        words
            .collect::<Vec<_>>()
            .join([" ", ", ", "=", "\n"][self.rng.usize(..4)])
    }

    fn record(&mut self, service: &str) -> Record {
        let mut record = Record {
            severity: Severity::new(self.rng.u32(..25)),
            message: self.text(),
            time: match self.rng.u32(..40) {
                0 | 1 => 0,
                2 => u64::MAX,
                3 | 4 => THEN + self.rng.u64(..3600) * SECOND,
                _ => THEN + self.records.len() as u64 * SECOND / 50 + self.rng.u64(..SECOND),
            },
            ..Record::default()
        };
        record.source.service = service.to_owned();
        record.source.process_name = "process".to_owned();
        match self.rng.u32(..6) {
            0 => {
                record.fields = [("amount", Value::I64(self.rng.i64(-20..20)))]
                    .into_iter()
                    .collect()
            }
            1 => {
                let inner: Map = [("deep", Value::Text(self.text()))].into_iter().collect();
                let list = Value::List(vec![Value::Map(inner), Value::from(self.text())]);
                record.fields = [("list", list)].into_iter().collect();
            }
            2 => {
                let mut task = Task::from(&TaskId::random());
                task.context = [("user", self.text())].into_iter().collect();
                record.task = Some(task);
                if self.rng.bool() {
                    record.kind = Kind::End;
                    record.outcome = Outcome::from_number(self.rng.u64(..6));
                }
            }
            3 => {
                record.error = Some(ErrorInfo {
                    message: self.text(),
                    chain: vec![self.text()],
                    ..ErrorInfo::default()
                });
            }
            // Larger than a block of the store together.
            4 => {
                let filler = vec![7; self.rng.usize(..9000)];
                record.fields.insert("filler", Value::Bytes(filler));
            }
            _ => record.callsite.template = self.text(),
        }
        record
    }

    /// Stores some batches.
    fn fill(&mut self, batches: usize) {
        let producer = ProducerId::from_bytes([3; 16]);
        for _ in 0..batches {
            let service = SERVICES[self.rng.usize(..4)];
            let count = self.rng.u64(1..30);
            let records: Vec<Record> = (0..count).map(|_| self.record(service)).collect();
            let mut writer = BatchWriter::new();
            records.iter().for_each(|record| writer.push(record));
            let bytes = writer.finish();
            let received = THEN + self.records.len() as u64 * SECOND / 50;
            let batch = Append {
                producer,
                from: self.sent,
                to: self.sent + count,
                count: u32::try_from(count).unwrap(),
                received,
                ordered: true,
                bytes: &bytes,
            };
            self.sent += count;
            let AppendOutcome::Taken { first } = self.store.append(&batch).unwrap() else {
                panic!("not taken");
            };
            for (number, record) in (first..).zip(records) {
                let time = if record.time == 0 {
                    received
                } else {
                    record.time
                };
                self.records.push((Place { time, number }, record));
            }
            if self.rng.bool() {
                self.store.commit().unwrap();
            }
        }
        self.store.commit().unwrap();
    }

    fn ask(&mut self) -> Ask {
        let mut q = String::new();
        for _ in 0..self.rng.usize(..3) {
            let text = self.text().to_uppercase().replace('\n', " ");
            let words = text
                .split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ");
            q += &format!("\"{words}\" ");
        }
        if self.rng.u32(..4) == 0 {
            q += "ord* 1*";
        }
        let conditions = [
            "fields.amount > 3",
            "message.contains('card') || severity > 20",
            "severity < 20 && kind == 'end'",
        ];
        Ask {
            q,
            from: THEN + self.rng.u64(..30) * SECOND,
            to: if self.rng.bool() {
                u64::MAX
            } else {
                THEN + self.rng.u64(30..90) * SECOND
            },
            service: (self.rng.u32(..3) == 0)
                .then(|| ["shop", "Ärger", "process", "none"][self.rng.usize(..4)].to_owned()),
            severity: self.rng.u32(..3) * 8,
            condition: (self.rng.u32(..3) == 0).then(|| conditions[self.rng.usize(..3)]),
        }
    }

    /// What a plain look at all records finds, newest first.
    fn plain(&self, ask: &Ask) -> Vec<u64> {
        let mut found: Vec<Place> = self
            .records
            .iter()
            .filter(|(place, record)| {
                place.number >= self.reader().first() && ask.meets(*place, record)
            })
            .map(|(place, _)| *place)
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.iter().map(|place| place.number).collect()
    }

    fn page(&self, ask: &Ask, cursor: Option<Cursor>, limit: usize, timeout: Duration) -> Answer {
        let encode: Encode = Arc::new(|record, out| {
            out.extend_from_slice(&record.store_number.to_le_bytes());
        });
        let mut records = self
            .engine
            .newest(ask.filter(), cursor, limit, timeout, Arc::default(), encode)
            .unwrap();
        let outcome = block_on(records.running().outcome()).unwrap();
        let mut page = records.page(outcome);
        let mut numbers = Vec::new();
        while let Some(bytes) = page.next().unwrap() {
            numbers.push(u64::from_le_bytes(bytes.try_into().unwrap()));
        }
        assert!(numbers.len() <= limit);
        let next = page
            .cursor()
            .map(|cursor| cursor.to_string().parse().unwrap());
        Answer {
            numbers,
            next,
            complete: page.complete(),
        }
    }

    fn wait_sealed(&self) {
        distlog_testkit::eventually("sealed", || match self.store.stats().unsealed {
            0 => Ok(()),
            left => Err(left),
        });
    }

    /// One that blocks may answer by their counts.
    fn ask_for_counts(&mut self) -> Ask {
        let mut ask = self.ask();
        if self.rng.u32(..3) > 0 {
            (ask.q, ask.condition, ask.from, ask.to) = (String::new(), None, 0, u64::MAX);
        }
        ask
    }

    /// Records by service and severity, and by time in seconds, as JSON.
    fn counts(&self, ask: &Ask, every: Option<u64>) -> Vec<String> {
        let grouping = Grouping::parse("service,severity", every.map(Duration::from_secs));
        let mut running = self
            .engine
            .stats(ask.filter(), grouping.unwrap(), LONG, Arc::default())
            .unwrap();
        let rows = block_on(running.outcome()).unwrap().found.rows(ALL_ROWS);
        assert!(!rows.truncated);
        let mut rows: Vec<String> = rows
            .rows
            .into_iter()
            .map(|row| String::from_utf8(row).unwrap())
            .collect();
        rows.sort_unstable();
        rows
    }

    fn plain_counts(&self, ask: &Ask, every: Option<u64>) -> Vec<String> {
        let mut counts = std::collections::BTreeMap::<_, u64>::new();
        for (place, record) in self
            .records
            .iter()
            .filter(|(place, record)| ask.meets(*place, record))
        {
            let begin = every.map(|every| place.time - place.time % (every * SECOND));
            let key = (
                begin,
                record.source.service.clone(),
                record.severity.to_string(),
            );
            *counts.entry(key).or_default() += 1;
        }
        let row = |((begin, service, severity), count): ((Option<u64>, String, String), u64)| {
            let time = begin.map_or(String::new(), |begin| {
                let time = crate::tree::paint::utc(begin);
                let time = time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
                format!("\"time\":\"{time}\",")
            });
            format!(
                "{{{time}\"service\":\"{service}\",\"severity\":\"{severity}\",\"count\":{count}}}"
            )
        };
        let mut rows: Vec<String> = counts.into_iter().map(row).collect();
        rows.sort_unstable();
        rows
    }

    /// All pages.
    fn all(&self, ask: &Ask, limit: usize, timeout: Duration) -> Vec<u64> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let answer = self.page(ask, cursor, limit, timeout);
            all.extend(answer.numbers);
            cursor = answer.next;
            if cursor.is_none() {
                return all;
            }
        }
    }
}

struct Answer {
    numbers: Vec<u64>,
    next: Option<Cursor>,
    complete: bool,
}

#[derive(Debug)]
struct Ask {
    q: String,
    from: u64,
    to: u64,
    service: Option<String>,
    severity: u32,
    condition: Option<&'static str>,
}

impl Ask {
    fn filter(&self) -> Filter {
        Filter {
            from: self.from,
            to: self.to,
            service: self.service.clone(),
            severity: Severity::new(self.severity),
            phrases: Phrase::parse(&self.q).unwrap(),
            condition: self.condition.map(|text| Condition::compile(text).unwrap()),
            ..Filter::default()
        }
    }

    fn meets(&self, place: Place, record: &Record) -> bool {
        let service = match &*record.source.service {
            "" => "process",
            service => service,
        };
        let amount = match record.fields.get("amount") {
            Some(Value::I64(amount)) => *amount,
            _ => 0,
        };
        let severity = u32::from(record.severity.number());
        let condition = match self.condition {
            None => true,
            Some(text) if text.starts_with("fields") => amount > 3,
            Some(text) if text.contains("kind") => record.kind == Kind::End && severity < 20,
            Some(_) => record.message.contains("card") || severity > 20,
        };
        condition
            && self.from <= place.time
            && (place.time < self.to || self.to == u64::MAX)
            && self
                .service
                .as_deref()
                .is_none_or(|wanted| wanted == service)
            && severity >= self.severity
            && self.phrases().iter().all(|phrase| has(record, phrase))
    }

    /// Words in lowercase, and whether the last one is a prefix.
    fn phrases(&self) -> Vec<(Vec<String>, bool)> {
        let mut phrases = Vec::new();
        for (at, part) in self.q.split('"').enumerate() {
            if at % 2 == 1 {
                phrases.push((split(part), false));
            } else {
                let words = part.split_whitespace();
                phrases.extend(words.map(|word| (split(word), word.ends_with('*'))));
            }
        }
        phrases
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('\u{212a}', "k").to_lowercase())
        .collect()
}

fn has(record: &Record, (words, prefix): &(Vec<String>, bool)) -> bool {
    let mut texts = vec![record.message.clone(), record.callsite.template.clone()];
    texts.extend(
        record
            .error
            .iter()
            .flat_map(|e| e.chain.iter().cloned().chain([e.message.clone()])),
    );
    let values = |map: &Map| {
        map.iter()
            .map(|(_, value)| value.clone())
            .collect::<Vec<_>>()
    };
    let mut left = values(&record.fields);
    left.extend(record.task.iter().flat_map(|task| values(&task.context)));
    while let Some(value) = left.pop() {
        match value {
            Value::Str(text) | Value::Text(text) => texts.push(text),
            Value::I64(number) => texts.push(number.to_string()),
            Value::List(list) => left.extend(list),
            Value::Map(map) => left.extend(values(&map)),
            _ => {}
        }
    }
    texts.iter().any(|text| {
        split(text).windows(words.len()).any(|window| {
            let last = words.len() - 1;
            window[..last] == words[..last]
                && (window[last] == words[last]
                    || (*prefix && window[last].starts_with(&*words[last])))
        })
    })
}

const ALL_ROWS: usize = 10_000;
const LONG: Duration = Duration::from_secs(60);

#[test]
fn queries_find_what_a_plain_look_finds() {
    for seed in 0..3 {
        let mut model = Model::new(seed, None);
        let mut found = 0;
        for round in 0..20 {
            model.fill(12);
            if round > 5 {
                model.wait_sealed();
            }
            let ask = model.ask();
            let expected = model.plain(&ask);
            found += expected.len();
            let limit = model.rng.usize(1..200);
            assert_eq!(
                model.all(&ask, limit, LONG),
                expected,
                "{seed} {round} {ask:?}"
            );
            let one = model.page(&ask, None, 10_000, LONG);
            assert_eq!((one.numbers, one.complete), (expected, true));
            assert_eq!(one.next, None);
            let ask = model.ask_for_counts();
            let every = [None, Some(1 << 20), Some(10)][model.rng.usize(..3)];
            assert_eq!(
                model.counts(&ask, every),
                model.plain_counts(&ask, every),
                "{ask:?} {every:?}"
            );
        }
        let blocks = model.reader().blocks().unwrap();
        assert!(blocks.iter().any(|block| block.summary().is_some()));
        assert!(found > 100, "{found}");
        assert!(model.reader().stats().segments > 1);
    }
}

#[test]
fn pages_cut_short_by_time_give_each_record_once() {
    let mut model = Model::new(7, None);
    model.fill(300);
    for _ in 0..6 {
        let ask = model.ask();
        let mut expected = model.plain(&ask);
        let limit = model.rng.usize(20..200);
        let first = model.page(&ask, None, limit, Duration::ZERO);
        assert!(!first.complete);
        let mut all = model.all(&ask, limit, Duration::ZERO);
        all.sort_unstable();
        expected.sort_unstable();
        assert_eq!(all, expected, "{ask:?}");
    }
}

#[test]
fn pages_stay_right_while_records_come_and_segments_go() {
    let mut model = Model::new(11, Some(3 << 20));
    model.fill(500);
    let ask = Ask {
        q: String::new(),
        from: 0,
        to: u64::MAX,
        service: None,
        severity: 0,
        condition: None,
    };
    let before = model.plain(&ask);
    let (mut all, mut cursor, mut gone) = (Vec::new(), None, 0);
    loop {
        let answer = model.page(&ask, cursor, 500, LONG);
        all.extend(answer.numbers);
        cursor = answer.next;
        if cursor.is_none() {
            break;
        }
        model.fill(40);
        gone += model.store.maintain(THEN).unwrap().records;
    }
    assert!(gone > 0);
    assert!(all.len() < before.len());
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), all.len(), "a record came twice");
    assert!(all.iter().all(|number| before.contains(number)));
    let first = model.reader().first();
    let kept: Vec<u64> = before
        .into_iter()
        .filter(|number| *number >= first)
        .collect();
    let still: Vec<u64> = all.into_iter().filter(|number| *number >= first).collect();
    assert_eq!(still, kept, "what is still there was given, in order");
}

#[test]
fn what_there_is_no_memory_for_is_read_again() {
    let mut model = Model::new(13, None);
    model.fill(100);
    let ask = model.ask();
    let mut held = model.engine.budget.hold();
    assert!(held.grow(ALL));
    assert_eq!(model.all(&ask, 70, LONG), model.plain(&ask));
}

/// Holds up its thread at the first record: until all are there, and until they may go on.
struct Waits(Arc<[Barrier; 2]>, bool);

impl Collect for Waits {
    fn take(&mut self, _: &RecordRef<'_>, _: Place) {
        if !std::mem::replace(&mut self.1, true) {
            self.0.iter().for_each(|barrier| _ = barrier.wait());
        }
    }

    fn merge(&mut self, _: Waits) {}
}

#[test]
fn a_cancelled_query_ends_and_the_next_one_runs() {
    let mut model = Model::new(17, None);
    model.fill(300);
    let all = model.engine.pool.threads() + 1;
    let barriers = Arc::new([Barrier::new(all), Barrier::new(all)]);
    let new = || Waits(Arc::clone(&barriers), false);
    let counters = Arc::<Counters>::default();
    let running = model
        .engine
        .scan(Filter::default(), LONG, Arc::clone(&counters), new)
        .unwrap();
    barriers[0].wait();
    assert_eq!(counters.progress().blocks, 0);
    drop(running);
    barriers[1].wait();
    let ask = model.ask();
    assert_eq!(model.all(&ask, 50, LONG), model.plain(&ask));
}

/// What a plain look counts, by service and band of severity.
fn counts(model: &Model, ask: &Ask) -> Vec<(u64, String)> {
    let mut counts = std::collections::BTreeMap::new();
    for number in model.plain(ask) {
        let at = usize::try_from(number).unwrap() - 1;
        let (place, record) = &model.records[at];
        assert_eq!(place.number, number);
        let group = format!(
            "\"service\":{:?},\"severity\":{:?},",
            record.source.service,
            record.severity.to_string()
        );
        *counts.entry(group).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .map(|(group, count)| (count, group))
        .collect()
}

#[test]
fn groups_are_what_a_plain_look_counts() {
    let mut model = Model::new(19, None);
    model.fill(200);
    for _ in 0..10 {
        let ask = model.ask();
        let grouping = Grouping::parse("service, severity", None).unwrap();
        let mut running = model
            .engine
            .stats(ask.filter(), grouping, LONG, Arc::default())
            .unwrap();
        let groups = block_on(running.outcome()).unwrap().found;
        let rows = groups.rows(10_000);
        let expected = counts(&model, &ask);
        let all: u64 = expected.iter().map(|(count, _)| count).sum();
        assert_eq!(
            (rows.groups, rows.records, rows.truncated),
            (expected.len(), all, false)
        );
        let mut found: Vec<String> = rows
            .rows
            .iter()
            .map(|row| String::from_utf8(row.clone()).unwrap())
            .collect();
        let mut expected: Vec<String> = expected
            .into_iter()
            .map(|(count, group)| format!("{{{group}\"count\":{count}}}"))
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

impl Model {
    /// Deletes what the condition holds for, in the store and of what is known to be there.
    fn delete(&mut self, deletions: &Arc<Deletions>, ask: &Ask) {
        let which = Which::Matching {
            filter: ask.condition.unwrap().to_owned(),
            from: ask.from,
            to: ask.to,
        };
        let deletion = deletions.delete(which, (1, false)).unwrap();
        assert_eq!(deletion.before, self.reader().end());
        self.records
            .retain(|(place, record)| !ask.meets(*place, record));
    }

    /// Ends the process, as it were, and starts another one.
    fn restart(&mut self) -> Arc<Deletions> {
        let other = tempfile::tempdir().unwrap();
        let options = |segment_size| Options {
            segment_size,
            reserve: 0,
            ..Options::default()
        };
        let other = Store::open(other.path(), options(1 << 16)).unwrap();
        drop(std::mem::replace(&mut self.store, other));
        self.store = Store::open(self.folder.path(), options(1 << 20)).unwrap();
        let deletions = Deletions::open(self.store.reader(), self.store.eraser()).unwrap();
        self.engine = engine(&self.store);
        deletions
    }
}

#[test]
fn what_is_deleted_is_found_no_more() {
    for seed in 0..3 {
        let mut model = Model::new(seed, None);
        let mut deletions = model.restart();
        let (mut found, mut deleted) = (0, 0);
        for round in 0..24 {
            model.fill(12);
            if round % 3 == 0 {
                let before = model.records.len();
                let mut ask = model.ask();
                (ask.q, ask.service, ask.severity) = (String::new(), None, 0);
                ask.condition = ask.condition.or(Some("fields.amount > 3"));
                model.delete(&deletions, &ask);
                deleted += before - model.records.len();
            }
            if round % 5 == 1 {
                deletions = model.restart();
            }
            if round % 4 == 2 {
                // Segments are closed where the store is looked after.
                distlog_testkit::eventually("the end of deletions", || {
                    model.store.maintain(THEN).unwrap();
                    match deletions.pending() {
                        none if none.is_empty() => Ok(()),
                        pending => Err(pending),
                    }
                });
            }
            let ask = model.ask();
            let expected = model.plain(&ask);
            found += expected.len();
            let limit = model.rng.usize(1..200);
            assert_eq!(
                model.all(&ask, limit, LONG),
                expected,
                "{seed} {round} {ask:?}"
            );
            let ask = model.ask_for_counts();
            let every = [None, Some(1 << 20), Some(10)][model.rng.usize(..3)];
            assert_eq!(
                model.counts(&ask, every),
                model.plain_counts(&ask, every),
                "{seed} {round} {ask:?} {every:?}"
            );
        }
        assert!(found > 100 && deleted > 100, "{found} {deleted}");
        assert!(model.store.stats().rewritten > 0);
        assert_eq!(model.store.stats().damaged, 0);
    }
}
