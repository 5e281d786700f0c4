//! The list of tasks, compared with a plain look at all records.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, Outcome, ProducerId, Record, SpanId, Task, TaskId, TraceId};
use distlog_store::{Append, AppendOutcome, Options, Store};
use fastrand::Rng;

use super::scan::Place;
use super::tasks::{TaskItem, TasksAsk};
use super::tests::engine;
use super::{Cursor, Engine, Phrase};

const SECOND: u64 = 1_000_000_000;
const THEN: u64 = 1_700_000_000 * SECOND;
const NAMES: [&str; 4] = ["Handle order", "handle Payment 7", "größe", ""];
const EVENTS: [&str; 4] = ["card declined", "declined card", "", "retry"];
const SERVICES: [&str; 3] = ["shop", "payment", "mail"];
const STATES: [&str; 5] = ["running", "failed", "lost", "cancelled", "ok"];
const LONG: Duration = Duration::from_secs(60);

struct Model {
    rng: Rng,
    store: Store,
    engine: Engine,
    records: Vec<(Place, Record)>,
    _folder: tempfile::TempDir,
}

impl Model {
    fn new(seed: u64) -> Model {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            segment_size: 1 << 20,
            reserve: 0,
            index: distlog_proto::wire::trace_ids,
            ..Options::default()
        };
        let store = Store::open(folder.path(), options).unwrap();
        Model {
            rng: Rng::with_seed(seed),
            engine: engine(&store),
            store,
            records: Vec::new(),
            _folder: folder,
        }
    }

    /// The records of a trace, in the order of their times: some have no root, some no begin, some no end.
    fn trace(&mut self) -> Vec<Record> {
        let rng = &mut self.rng;
        let root = TaskId::random();
        let imported = rng.u32(..6) == 0;
        let shape = rng.u32(..10);
        let mut time = THEN + rng.u64(..3600) * SECOND;
        let mut records = Vec::new();
        for number in 0..rng.u64(1..5) {
            let span = SpanId::new(rng.u64(1..)).unwrap();
            let parent = match number {
                0 if imported => Some(SpanId::new(77).unwrap()),
                0 => None,
                _ => SpanId::new(99),
            };
            let path = match number {
                0 if imported => "~000000000000004d/1".to_owned(),
                0 => String::new(),
                _ => format!("{number}/{number}"),
            };
            let record = |kind: Kind, time: u64| {
                let mut record = Record {
                    kind,
                    time,
                    task: Some(Task {
                        span_id: span,
                        parent_span_id: parent,
                        path: path.clone(),
                        ..Task::from(&root)
                    }),
                    ..Record::default()
                };
                record.source.service = SERVICES[(time % 3) as usize].to_owned();
                record
            };
            // Without its root, or with logs only.
            let begun = time;
            let is_told = !((number == 0 && shape == 0) || shape == 1);
            if is_told {
                let mut begin = record(Kind::Begin, time);
                begin.message = rng.choice(NAMES).unwrap().to_owned();
                records.push(begin);
            }
            for _ in 0..rng.u64(..3) {
                time += rng.u64(..SECOND);
                let mut event = record(Kind::Event, time);
                event.message = rng.choice(EVENTS).unwrap().to_owned();
                records.push(event);
            }
            if is_told && shape != 2 {
                let ended = time + rng.u64(..3 * SECOND);
                let took = ended - begun;
                let outcomes = [
                    Outcome::Ok,
                    Outcome::Failed,
                    Outcome::Cancelled,
                    Outcome::Lost,
                    Outcome::Unset,
                ];
                let mut end = record(Kind::End, ended);
                end.outcome = *rng.choice(&outcomes).unwrap();
                end.duration = took;
                // The daemon had given it up before.
                if rng.u32(..8) == 0 {
                    let mut lost = end.clone();
                    lost.outcome = Outcome::Lost;
                    records.push(lost);
                }
                records.push(end);
            }
            time += rng.u64(..SECOND);
        }
        records
    }

    /// Stores traces whose records come mixed.
    fn fill(&mut self, traces: usize) {
        let mut all: Vec<Vec<Record>> = (0..traces).map(|_| self.trace()).collect();
        all.retain(|records| !records.is_empty());
        while !all.is_empty() {
            let mut batch = Vec::new();
            let service = self.rng.choice(SERVICES).unwrap();
            for _ in 0..self.rng.usize(1..20) {
                if all.is_empty() {
                    break;
                }
                let at = self.rng.usize(..all.len());
                let mut record = all[at].remove(0);
                record.source.service = service.to_owned();
                // So that there are several blocks.
                record
                    .fields
                    .insert("filler", distlog_proto::Value::Bytes(vec![7; 500]));
                batch.push(record);
                if all[at].is_empty() {
                    all.swap_remove(at);
                }
            }
            self.append(&batch);
        }
    }

    fn append(&mut self, batch: &[Record]) {
        let mut writer = BatchWriter::new();
        batch.iter().for_each(|record| writer.push(record));
        let bytes = writer.finish();
        let from = self.records.len() as u64;
        let batch_at = Append {
            producer: ProducerId::from_bytes([3; 16]),
            from,
            to: from + batch.len() as u64,
            count: batch.len() as u32,
            received: THEN,
            ordered: true,
            bytes: &bytes,
        };
        let AppendOutcome::Taken { first } = self.store.append(&batch_at).unwrap() else {
            panic!("not taken");
        };
        for (number, record) in (first..).zip(batch) {
            let time = record.time;
            self.records.push((Place { time, number }, record.clone()));
        }
        self.store.commit().unwrap();
    }

    /// All that are wanted, newest first.
    fn plain(&self, ask: &TasksAsk) -> Vec<TaskItem> {
        let mut traces: HashMap<TraceId, Vec<&(Place, Record)>> = HashMap::new();
        for record in &self.records {
            let task = record.1.task.as_ref().unwrap();
            traces.entry(task.trace_id).or_default().push(record);
        }
        let mut found = Vec::new();
        for (trace_id, records) in traces {
            let rank = |record: &Record| {
                let task = record.task.as_ref().unwrap();
                match (record.kind, task.parent_span_id) {
                    (Kind::Begin, None) => 3,
                    (Kind::Begin, _) if task.path.starts_with('~') => 2,
                    (Kind::Begin, _) => 1,
                    _ => 0,
                }
            };
            let best = records
                .iter()
                .map(|(_, record)| rank(record))
                .max()
                .unwrap();
            let tops = records.iter().filter(|(_, record)| rank(record) == best);
            let (place, top) = tops.min_by_key(|(place, _)| *place).unwrap();
            let mut ends: BTreeMap<SpanId, (Outcome, u64)> = BTreeMap::new();
            for (_, record) in records
                .iter()
                .filter(|(_, record)| record.kind == Kind::End)
            {
                let end = (record.outcome, record.duration);
                let known = ends
                    .entry(record.task.as_ref().unwrap().span_id)
                    .or_insert(end);
                if matches!(known.0, Outcome::Lost | Outcome::Unset) {
                    *known = end;
                }
            }
            let task = top.task.as_ref().unwrap();
            let end = ends.get(&task.span_id).filter(|_| best > 0);
            let outcome = match end {
                _ if best == 0 => "unknown",
                None => "running",
                Some((Outcome::Unset, _)) => "ended",
                Some((outcome, _)) => outcome.name(),
            };
            let duration_ns = end.map(|end| end.1);
            let took = match outcome {
                "running" => Some(ask.now - top.time),
                _ => duration_ns,
            };
            let is_wanted = (ask.from..ask.to).contains(&top.time)
                && (ask.states.is_empty() || ask.states.contains(&outcome))
                && (ask.min_duration == 0 || took >= Some(ask.min_duration))
                && ask
                    .service
                    .as_ref()
                    .is_none_or(|service| *service == top.source.service)
                && (ask.phrases.is_empty()
                    || records
                        .iter()
                        .any(|(_, record)| record.message == "card declined"))
                && ask
                    .name
                    .as_ref()
                    .is_none_or(|name| top.message.to_lowercase().contains(name));
            let id = match best {
                2 => format!("{trace_id}/{}", task.path),
                _ => trace_id.to_string(),
            };
            let item = TaskItem {
                id,
                name: if best > 0 {
                    top.message.clone()
                } else {
                    String::new()
                },
                service: top.source.service.clone(),
                begin_ns: Some(top.time),
                outcome: outcome.to_owned(),
                duration_ns,
                failed: ends.values().filter(|end| end.0.is_failure()).count() as u64,
                root: best > 1,
            };
            if is_wanted {
                found.push((*place, item));
            }
        }
        found.sort_by_key(|(place, _)| Reverse(*place));
        found.into_iter().map(|(_, item)| item).collect()
    }

    fn ask(&mut self) -> TasksAsk {
        let rng = &mut self.rng;
        let from = THEN + rng.u64(..3600) * SECOND;
        let states = STATES.into_iter().filter(|_| rng.u32(..3) == 0).collect();
        TasksAsk {
            from: if rng.bool() { 0 } else { from },
            to: if rng.bool() {
                u64::MAX
            } else {
                from + rng.u64(..1800) * SECOND
            },
            states: if rng.bool() { Vec::new() } else { states },
            service: rng
                .bool()
                .then(|| (*rng.choice(&SERVICES).unwrap()).to_owned()),
            name: (rng.u32(..3) == 0).then(|| "handle".to_owned()),
            phrases: match rng.u32(..3) {
                0 => Phrase::parse("\"card declined\"").unwrap(),
                _ => Vec::new(),
            },
            min_duration: if rng.u32(..3) == 0 { SECOND } else { 0 },
            now: THEN + 10_000 * SECOND,
        }
    }

    /// All pages, and how many.
    fn all(&self, ask: &TasksAsk, limit: usize, timeout: Duration) -> (Vec<TaskItem>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (mut all, mut cursor, mut pages) = (Vec::new(), None::<Cursor>, 0);
        loop {
            let counters = Arc::default();
            let asked = self
                .engine
                .tasks(ask.clone(), cursor, limit, timeout, &counters);
            let page = runtime.block_on(asked).unwrap();
            assert!(page.items.len() <= limit);
            all.extend(page.items);
            pages += 1;
            match page.next {
                Some(next) => cursor = Some(next.to_string().parse().unwrap()),
                None => return (all, pages),
            }
        }
    }
}

#[test]
fn the_list_is_what_a_plain_look_finds() {
    for seed in 0..3 {
        let mut model = Model::new(seed);
        let (mut found, mut pages) = (0, 0);
        for round in 0..8 {
            model.fill(60);
            for _ in 0..4 {
                let ask = model.ask();
                let mut expected = model.plain(&ask);
                let limit = model.rng.usize(1..40);
                let (mut all, parts) = model.all(&ask, limit, LONG);
                assert!(all.is_sorted_by_key(|item| Reverse(item.begin_ns)));
                // Those that began at once may come in any order.
                for items in [&mut all, &mut expected] {
                    items.sort_by_key(|item| (Reverse(item.begin_ns), item.id.clone()));
                }
                assert_eq!(all, expected, "{seed} {round} {ask:?}");
                (found, pages) = (found + all.len(), pages + parts);
            }
        }
        assert!(found > 200 && pages > 20, "{found} {pages}");
    }
}

#[test]
fn more_traces_than_candidates_are_all_listed() {
    let mut model = Model::new(9);
    model.fill(2600);
    let ask = TasksAsk {
        to: u64::MAX,
        now: THEN + 10_000 * SECOND,
        ..TasksAsk::default()
    };
    let (all, pages) = model.all(&ask, 400, LONG);
    assert_eq!(all, model.plain(&ask));
    assert!(pages > 5);
}

#[test]
fn without_time_each_page_gets_on_and_nothing_is_left_out() {
    let mut pages = 0;
    for seed in 20..23 {
        let mut model = Model::new(seed);
        for _ in 0..3 {
            model.fill(80);
            for _ in 0..4 {
                let ask = model.ask();
                let limit = model.rng.usize(1..20);
                let timeout = Duration::from_micros(model.rng.u64(..500));
                let (mut all, parts) = model.all(&ask, limit, timeout);
                pages += parts;
                let mut expected = model.plain(&ask);
                // Each page has its own order: it has looked at a part of the store.
                all.sort_by(|a, b| a.id.cmp(&b.id));
                expected.sort_by(|a, b| a.id.cmp(&b.id));
                assert_eq!(all, expected, "{seed} {ask:?}");
            }
        }
    }
    assert!(pages > 100, "{pages}");
}
