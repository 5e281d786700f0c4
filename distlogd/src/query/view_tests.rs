//! The same records in a store and in a database: whatever is asked, both give the same answers.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use distlog_bridge::otlp::trace::v1::TracesData;
use distlog_proto::wire::BatchWriter;
use distlog_proto::*;
use distlog_store::{Append, AppendOutcome, Options, Rows, Store};
use fastrand::Rng;
use prost::Message as _;

use super::stored_tree::{each_record, stored_tree};
use super::tasks::TasksAsk;
use super::*;
use crate::access::Services;
use crate::storage::database::{Ask, Database, DatabaseError, time_of};
use crate::storage::{LocalStorage, Storage, View};
use crate::tree;
use crate::tree::paint::{Colour, Look};

const SECOND: u64 = 1_000_000_000;
const THEN: u64 = 1_700_000_000 * SECOND;
const WORDS: [&str; 6] = ["order", "card", "declined", "paid", "Größe", "17"];
const SERVICES: [&str; 4] = ["shop", "payment", "mail", ""];
const LONG: Duration = Duration::from_secs(60);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// A database in memory, which narrows only by some of what is asked.
#[derive(Debug)]
struct Memory {
    /// By time, producer and offset.
    records: Vec<Record>,
    seed: u64,
}

impl Database for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn times(&self) -> Result<Option<RangeInclusive<u64>>, DatabaseError> {
        let ends = self.records.first().zip(self.records.last());
        Ok(ends.map(|(first, last)| time_of(first)..=time_of(last)))
    }

    fn slices(&self, ask: &Ask<'_>, _: u64) -> Result<Vec<Range<u64>>, DatabaseError> {
        let mut rng = Rng::with_seed(self.seed ^ ask.times.start);
        let Range { start, end } = ask.times.clone();
        let times = self.records.iter().map(time_of);
        let mut cuts: Vec<u64> = times.filter(|time| start < *time && *time < end).collect();
        cuts.dedup();
        cuts.retain(|_| rng.u32(..20) == 0);
        let starts = [start].into_iter().chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([end]);
        Ok(starts.zip(ends).map(|(start, end)| start..end).collect())
    }

    fn records(
        &self,
        ask: &Ask<'_>,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<(), DatabaseError> {
        let mut rng = Rng::new();
        let (by_service, by_severity, by_rows) = (rng.bool(), rng.bool(), rng.bool());
        for record in &self.records {
            let time = time_of(record);
            let source = &record.source;
            let name = match source.service.as_str() {
                "" => &source.process_name,
                service => service,
            };
            let trace = record.task.as_ref().map(|task| task.trace_id);
            let of_rows = match ask.rows {
                Rows::All => true,
                Rows::Ended(outcomes) => {
                    record.kind == Kind::Begin
                        || (record.kind == Kind::End && outcomes.contains(&record.outcome))
                }
                Rows::OfTraces(traces) => trace.is_some_and(|trace| traces.contains(&trace)),
                Rows::TasksOf(traces) => {
                    trace.is_some_and(|trace| traces.contains(&trace))
                        && matches!(record.kind, Kind::Begin | Kind::End)
                }
            };
            let is_wanted = time >= ask.times.start
                && (time < ask.times.end || ask.times.end == u64::MAX)
                && (!by_service
                    || ask.services.is_empty()
                    || ask.services.iter().any(|service| service == name))
                && (!by_severity || record.severity >= ask.severity)
                && (of_rows || !by_rows);
            if is_wanted && !take(record.clone()) {
                break;
            }
        }
        Ok(())
    }
}

struct Both {
    rng: Rng,
    store: Arc<dyn Storage>,
    view: Arc<dyn Storage>,
    traces: Vec<TraceId>,
    _folder: tempfile::TempDir,
}

fn text(rng: &mut Rng) -> String {
    let words = (0..rng.usize(1..4)).map(|_| *rng.choice(&WORDS).unwrap());
    words.collect::<Vec<_>>().join(" ")
}

/// A record of a task; no two records have the same time.
fn record(rng: &mut Rng, kind: Kind, time: u64, task: Task) -> Record {
    let mut record = Record {
        kind,
        time,
        message: text(rng),
        severity: Severity::new(rng.u32(..25)),
        task: Some(task),
        ..Record::default()
    };
    record.callsite.template = text(rng);
    if rng.u32(..5) == 0 {
        record.error = Some(ErrorInfo {
            kind: "Declined".to_owned(),
            message: text(rng),
            ..ErrorInfo::default()
        });
    }
    record.fields = [("amount", Value::I64(rng.i64(-20..20)))]
        .into_iter()
        .collect();
    record
}

/// The records of a trace, in the order of their times.
fn trace(rng: &mut Rng, next: &mut u64, id: TraceId) -> Vec<Record> {
    let mut time = || {
        *next += 1 + (*next % 3) * SECOND / 7;
        THEN + *next
    };
    let root = TaskId::top(id);
    let mut records = Vec::new();
    let mut begun = Vec::new();
    for number in 0..rng.u64(1..6) {
        let mut task = Task::from(&root);
        if number > 0 {
            task.path = format!("{number}");
            task.parent_span_id = Some(task.span_id);
            task.span_id = SpanId::new(1000 + number).unwrap();
        }
        let began = time();
        let mut begin = record(rng, Kind::Begin, began, task.clone());
        begin.severity = Severity::INFO;
        records.push(begin);
        for _ in 0..rng.u64(..4) {
            let at = time();
            records.push(record(rng, Kind::Event, at, task.clone()));
        }
        begun.push((task, began));
    }
    for (task, began) in begun.into_iter().rev() {
        if rng.u32(..6) > 0 {
            let at = time();
            let mut end = record(rng, Kind::End, at, task);
            end.outcome = Outcome::from_number(rng.u64(1..6));
            end.duration = at - began;
            records.push(end);
        }
    }
    records
}

/// Each task is of one process.
fn service_of(record: &Record) -> usize {
    let task = record.task.as_ref().unwrap();
    let bytes = task.trace_id.to_bytes();
    (usize::from(bytes[0]) + task.path.len() + usize::from(task.path == "2")) % 4
}

impl Both {
    fn new(seed: u64, traces: usize) -> Both {
        let mut rng = Rng::with_seed(seed);
        let ids: Vec<TraceId> = (0..traces).map(|_| TraceId::random()).collect();
        let mut next = 0;
        let mut left: Vec<Vec<Record>> = ids
            .iter()
            .map(|id| trace(&mut rng, &mut next, *id))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            segment_size: 1 << 20,
            reserve: 0,
            index: distlog_proto::wire::trace_ids,
            ..Options::default()
        };
        let mut store = Store::open(folder.path(), options).unwrap();
        let mut all = Vec::new();
        let mut sent = [0; 4];
        // Each service is one process, whose records come in their order; those of the services come mixed.
        while !left.is_empty() {
            let at = rng.usize(..left.len());
            let service = service_of(&left[at][0]);
            let producer = ProducerId::from_bytes([service as u8 + 1; 16]);
            let mut batch = Vec::new();
            for _ in 0..rng.usize(1..20) {
                let of_it = |records: &Vec<Record>| service_of(&records[0]) == service;
                let Some(at) = left.iter().position(of_it) else {
                    break;
                };
                let mut record = left[at].remove(0);
                record.source.service = SERVICES[service].to_owned();
                record.source.process_name = "process".to_owned();
                record.source.producer = producer;
                record.offset = sent[service] + batch.len() as u64;
                batch.push(record);
                if left[at].is_empty() {
                    left.swap_remove(at);
                }
            }
            let mut writer = BatchWriter::new();
            batch.iter().for_each(|record| writer.push(record));
            let to = sent[service] + batch.len() as u64;
            let append = Append {
                producer,
                from: sent[service],
                to,
                count: batch.len() as u32,
                received: THEN,
                ordered: true,
                bytes: &writer.finish(),
            };
            let taken = store.append(&append).unwrap();
            assert!(matches!(taken, AppendOutcome::Taken { .. }));
            store.commit().unwrap();
            sent[service] = to;
            all.extend(batch);
        }
        all.sort_by_key(|record| (time_of(record), record.source.producer, record.offset));
        let database = Memory { records: all, seed };
        Both {
            rng,
            store: Arc::new(LocalStorage::new(store.reader())),
            view: Arc::new(View::new(Arc::new(database))),
            traces: ids,
            _folder: folder,
        }
    }

    /// What is asked of both.
    fn same<T: PartialEq + std::fmt::Debug>(&self, ask: impl Fn(&Arc<dyn Storage>) -> T) -> T {
        let expected = ask(&self.store);
        assert_eq!(ask(&self.view), expected);
        expected
    }

    fn filter(&mut self) -> Filter {
        let rng = &mut self.rng;
        let mut filter = Filter {
            severity: Severity::new(rng.u32(..3) * 8),
            ..Filter::default()
        };
        if rng.bool() {
            filter.from = THEN + rng.u64(..20) * SECOND;
            filter.to = THEN + rng.u64(20..60) * SECOND;
        }
        if rng.u32(..3) == 0 {
            filter.service = Some(rng.choice(["shop", "process", "none"]).unwrap().to_owned());
        }
        if rng.u32(..3) == 0 {
            filter.phrases = Phrase::parse(rng.choice(&WORDS).unwrap()).unwrap();
        }
        filter
    }
}

/// All pages, as JSON lines.
fn found(storage: &Arc<dyn Storage>, filter: &Filter, limit: usize) -> Vec<String> {
    let engine = Engine::new(Arc::clone(storage));
    let (mut all, mut cursor): (_, Option<Cursor>) = (Vec::new(), None);
    loop {
        let mut records = engine
            .newest(
                filter.clone(),
                cursor,
                limit,
                LONG,
                Arc::default(),
                Arc::new(distlog_python::json::encode),
            )
            .unwrap();
        let outcome = block_on(records.running().outcome()).unwrap();
        let mut page = records.page(outcome);
        while let Some(bytes) = page.next().unwrap() {
            all.push(String::from_utf8(bytes).unwrap());
        }
        let next = page.cursor();
        cursor = next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            return all;
        }
    }
}

#[test]
fn the_same_records_are_found_page_by_page() {
    for seed in 0..6 {
        let mut both = Both::new(seed, 60);
        for _ in 0..6 {
            let (filter, limit) = (both.filter(), both.rng.usize(1..200));
            both.same(|storage| found(storage, &filter, limit));
        }
    }
}

#[test]
fn the_same_tasks_are_listed() {
    for seed in 0..6 {
        let mut both = Both::new(seed, 60);
        for state in [None, Some("failed"), Some("running"), Some("ok")] {
            let ask = TasksAsk {
                to: u64::MAX,
                states: state.into_iter().collect(),
                service: both.rng.bool().then(|| "shop".to_owned()),
                phrases: match both.rng.bool() {
                    true => Phrase::parse("declined").unwrap(),
                    false => Vec::new(),
                },
                ..TasksAsk::default()
            };
            let limit = both.rng.usize(1..30);
            both.same(|storage| {
                let engine = Engine::new(Arc::clone(storage));
                let counters = Arc::default();
                let (mut all, mut cursor) = (Vec::new(), None);
                loop {
                    let page = engine.tasks(ask.clone(), cursor, limit, LONG, &counters);
                    let page = block_on(page).unwrap();
                    all.extend(page.items);
                    cursor = page.next;
                    if cursor.is_none() {
                        return all;
                    }
                }
            });
        }
    }
}

#[test]
fn the_same_problems_and_counts_are_told() {
    for seed in 0..6 {
        let mut both = Both::new(seed, 60);
        for _ in 0..3 {
            let filter = both.filter();
            both.same(|storage| {
                let engine = Engine::new(Arc::clone(storage));
                let counters = Arc::default();
                let page = engine.problems(filter.clone(), None, 1000, LONG, &counters);
                block_on(page).unwrap().items
            });
            both.same(|storage| {
                let grouping = Grouping::parse("service,severity,outcome", None).unwrap();
                let engine = Engine::new(Arc::clone(storage));
                let mut running = engine
                    .stats(filter.clone(), grouping, LONG, Arc::default())
                    .unwrap();
                let rows = block_on(running.outcome()).unwrap().found.rows(1000);
                let mut rows = rows.rows;
                rows.sort_unstable();
                rows
            });
        }
    }
}

/// A tree as people see it.
fn drawn(storage: &dyn Storage, id: &TaskId) -> String {
    let end = storage.positions().unwrap().end;
    let mut found = stored_tree(storage, id, 0, end).unwrap();
    assert_eq!(found.goes_on, None);
    let tasks = found.tree.asked();
    let part = tree::Part {
        depth: 100,
        skip: 0,
        limit: u64::MAX,
    };
    let mut out = Vec::new();
    let look = Look::new(Colour::Off, true);
    let drawn = tree::draw(
        &found.tree,
        &tasks,
        part,
        look,
        &mut found.batches,
        &mut |piece| {
            out.extend_from_slice(&piece);
            true
        },
    );
    assert!(drawn.is_ok());
    String::from_utf8(out).unwrap()
}

#[test]
fn the_same_trees_are_drawn() {
    for seed in 0..6 {
        let both = Both::new(seed, 30);
        for trace in &both.traces {
            let id = TaskId::top(*trace);
            let tree = both.same(|storage| drawn(&**storage, &id));
            assert!(!tree.is_empty());
            both.same(|storage| {
                let mut spans = Vec::new();
                trace_spans(&**storage, *trace, |data| {
                    let data = TracesData::decode(&data[..]).unwrap();
                    let scopes = data.resource_spans.into_iter().flat_map(|r| r.scope_spans);
                    spans.extend(scopes.flat_map(|scope| scope.spans));
                    true
                })
                .unwrap();
                for span in &mut spans {
                    span.events.sort_by_key(|event| event.time_unix_nano);
                }
                spans.sort_by_key(|span| span.start_time_unix_nano);
                spans
            });
            both.same(|storage| {
                let mut records = Vec::new();
                each_record(&**storage, &id, |record| {
                    records.push((record.source.producer, record.offset));
                    true
                })
                .unwrap();
                records.sort_unstable();
                records
            });
        }
    }
}

#[test]
fn who_reads_some_services_sees_no_others() {
    for seed in 0..6 {
        let mut both = Both::new(seed, 60);
        let services = Services::new(vec!["mail".to_owned(), "process".to_owned()]);
        both.store = both.store.showing(&services);
        both.view = both.view.showing(&services);
        let found = both.same(|storage| found(storage, &Filter::default(), 100));
        assert!(!found.is_empty());
        for trace in &both.traces {
            both.same(|storage| drawn(&**storage, &TaskId::top(*trace)));
        }
    }
}

/// Reads batches of a trace again that were read before.
#[test]
fn batches_are_read_again_as_they_were() {
    let both = Both::new(7, 3);
    for trace in &both.traces {
        let mut reader = both.view.trace_reader(*trace);
        let mut first = Vec::new();
        reader
            .each_batch(0..u64::MAX, &mut |batch| {
                first.push((batch.first, batch.bytes.to_vec()));
                true
            })
            .unwrap();
        assert!(!first.is_empty());
        let mut again = Vec::new();
        for (number, _) in &first {
            reader
                .again(*number, &mut |number, bytes| {
                    again.push((number, bytes.to_vec()));
                })
                .unwrap();
            assert!(again.iter().any(|(found, _)| found == number));
        }
        again.dedup();
        again.truncate(first.len());
        assert_eq!(again, first);
    }
}
