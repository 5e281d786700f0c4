//! The worker: what it does with what processors answer, and what it counts. `tests/converted.rs`: the same where
//! several threads convert records; `tests/files.rs`: what they write.

mod converted;
mod files;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::intake::{self, Intake};
use crate::processor::{Error, Processor, Token};
use crate::self_telemetry::{OwnRecords, Progress};
use crate::shutdown::{Phase, Shutdown};
use crate::supervisor::Supervisor;
use crate::thread_pool::ThreadPool;
use crate::worker::{Batch, Control, Factory, Retry, Update, Worker};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, ProducerId, Record, RecordRef};
use distlog_rules::Outgoing;
use distlog_store::{Append, Batches, Options, Reader, Store};
use distlog_testkit::eventually;

/// What a destination took, and what was flushed of it.
#[derive(Default)]
struct Destination {
    taken: Vec<String>,
    flushed: Vec<String>,
    calls: u32,
}

type Shared = Arc<Mutex<Destination>>;

/// Answers each call as `answer` says; forgets what is not flushed when it answers with an error.
struct Double<A>(Shared, A);

/// Which call it is.
enum Call<'a> {
    Process(&'a [String]),
    Flush,
}

impl<A: FnMut(u32, Call<'_>) -> Result<(), Error> + Send> Processor for Double<A> {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let messages: Vec<String> = records.iter().map(|r| r.message.to_owned()).collect();
        shared.calls += 1;
        match (self.1)(shared.calls, Call::Process(&messages)) {
            Ok(()) => shared.taken.extend(messages),
            Err(error) => {
                shared.taken.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Token, Error> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.calls += 1;
        let answer = (self.1)(shared.calls, Call::Flush);
        let taken = std::mem::take(&mut shared.taken);
        answer?;
        shared.flushed.extend(taken);
        Ok(Token(vec![1]))
    }
}

fn batch(messages: impl Iterator<Item = String>, from: u64) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    for (offset, message) in (from..).zip(messages) {
        let mut record = Record {
            message,
            offset,
            ..Record::default()
        };
        record.source.producer = ProducerId::from_bytes([7; 16]);
        writer.push(&record);
    }
    writer.finish()
}

/// Stores batches of `each` records, numbered on.
fn fill(store: &mut Store, batches: u64, each: u64, pad: &str) {
    for n in 0..batches {
        let (from, to) = (n * each, (n + 1) * each);
        let bytes = batch((from..to).map(|n| format!("{n}{pad}")), from);
        store
            .append(&Append {
                producer: ProducerId::from_bytes([7; 16]),
                from,
                to,
                count: each as u32,
                received: intake::now(),
                ordered: false,
                bytes: &bytes,
            })
            .unwrap();
        store.commit().unwrap();
    }
}

struct Running {
    progress: Arc<Progress>,
    reader: Reader,
    shutdown: Shutdown,
    control: Control,
    writer: intake::Writer,
    thread: std::thread::JoinHandle<()>,
    _intake: Intake,
}

impl Running {
    fn start(
        store: Store,
        from: u64,
        shared: &Shared,
        answer: impl FnMut(u32, Call<'_>) -> Result<(), Error> + Send + Clone + 'static,
    ) -> Running {
        Running::with_batch(store, from, Batch::default(), shared, answer)
    }

    fn with_batch(
        store: Store,
        from: u64,
        batch: Batch,
        shared: &Shared,
        answer: impl FnMut(u32, Call<'_>) -> Result<(), Error> + Send + Clone + 'static,
    ) -> Running {
        let shared = Arc::clone(shared);
        let factory: Factory = Box::new(move |_| {
            // One made anew knows nothing of what was not flushed.
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .taken
                .clear();
            Ok(Box::new(Double(Arc::clone(&shared), answer.clone())))
        });
        Running::of(store, factory, |worker| {
            (worker.from, worker.batch) = (from, batch);
        })
    }

    /// The worker of a processor; `change` it.
    fn of(store: Store, factory: Factory, change: impl FnOnce(&mut Worker)) -> Running {
        let reader = store.reader();
        let (intake, writer) =
            intake::start(store, intake::SyncPolicy::Always, &Supervisor::default()).unwrap();
        let (progress, shutdown) = (Arc::new(Progress::default()), Shutdown::default());
        let control = Control::default();
        let mut worker = Worker {
            name: "double".into(),
            factory,
            batch: Batch::default(),
            retry: Retry::default(),
            // Not what the daemon itself says.
            route: Box::new(|record| record.source.service != "distlogd"),
            outgoing: Outgoing::default(),
            consumer: reader.consumer("double").unwrap(),
            reader: reader.clone(),
            trees: None,
            from: reader.first(),
            successor_of: None,
            threads: Arc::new(ThreadPool::new("test", 0)),
            own_records: Arc::new(OwnRecords::new(intake.clone(), "host".into())),
            progress: Arc::clone(&progress),
            shutdown: shutdown.clone(),
            control: control.clone(),
        };
        change(&mut worker);
        let thread = std::thread::spawn(move || worker.run());
        Running {
            progress,
            reader,
            shutdown,
            control,
            writer,
            thread,
            _intake: intake,
        }
    }

    /// As the daemon stops: the worker takes what the store holds and ends.
    fn stop(self) -> (Arc<Progress>, Reader) {
        self.writer.close();
        self.shutdown.advance(Phase::Workers);
        eventually("the worker has ended", || {
            self.thread.is_finished().then_some(()).ok_or(())
        });
        (self.progress, self.reader)
    }
}

/// A destination that is away forever holds up nobody who wants the worker to stop.
#[test]
fn a_worker_that_is_told_to_stop_flushes_or_leaves_what_is_not_flushed() {
    for away in [false, true] {
        let mut store = Store::open_on(
            Arc::new(distlog_testkit::store_double::Double::new(1)),
            "/store",
            Options::default(),
        )
        .unwrap();
        fill(&mut store, 1, 10, "");
        let shared = Shared::default();
        let first = store.reader().first();
        // It flushes when it is told to, not before.
        let batch = Batch {
            idle: Duration::from_secs(3600),
            wait: Duration::from_secs(3600),
            ..Batch::default()
        };
        let running = Running::with_batch(store, first, batch, &shared, move |call, _| {
            match away && call > 1 {
                true => Err(Error::retry("away")),
                false => Ok(()),
            }
        });
        eventually("an attempt", || {
            let calls = shared.lock().unwrap().calls;
            (calls >= 2).then_some(()).ok_or(calls)
        });
        running.control.stop();
        eventually("the end", || {
            running.thread.is_finished().then_some(()).ok_or(())
        });
        let flushed = shared.lock().unwrap().flushed.len();
        assert_eq!(flushed, if away { 0 } else { 10 });
        let saved = running.reader.consumer("double").unwrap().saved().unwrap();
        assert_eq!(saved.unwrap().next, first + flushed as u64);
        running.shutdown.advance(Phase::Abort);
    }
}

/// New rules hold from the next record on; who is made anew gets again what was not flushed.
#[test]
fn a_running_worker_takes_other_rules() {
    let mut store = Store::open_on(
        Arc::new(distlog_testkit::store_double::Double::new(1)),
        "/store",
        Options::default(),
    )
    .unwrap();
    fill(&mut store, 1, 10, "");
    let shared = Shared::default();
    let first = store.reader().first();
    let running = Running::start(store, first, &shared, |_, _| Ok(()));
    eventually("all of it", || {
        let flushed = shared.lock().unwrap().flushed.len();
        (flushed == 10).then_some(()).ok_or(flushed)
    });
    running.control.update(Update {
        route: Box::new(|record| record.message.ends_with('7')),
        outgoing: Outgoing::default(),
        factory: None,
    });
    let bytes = batch((10..20).map(|n| n.to_string()), 10);
    let batch = intake::Batch::new(ProducerId::from_bytes([7; 16]), 10..20, 10, bytes);
    running._intake.submit(batch).unwrap();
    eventually("the one that matches", || {
        let flushed = shared.lock().unwrap().flushed.clone();
        match flushed.get(10..) {
            Some([one]) if one == "17" => Ok(()),
            _ => Err(flushed),
        }
    });
    running.stop();
}

fn get(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn options() -> Options {
    Options {
        reserve: 0,
        segment_size: 4096,
        ..Options::default()
    }
}

#[test]
fn a_processor_that_panics_is_made_anew_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), options()).unwrap();
    fill(&mut store, 4, 50, "");
    let shared = Shared::default();
    let panics = |call, _: Call<'_>| {
        assert!(call != 2 && call != 4, "an expected panic");
        Ok(())
    };
    let running = Running::start(store, 1, &shared, panics);
    let (progress, _) = running.stop();
    let expected: Vec<String> = (0..200).map(|n: u32| n.to_string()).collect();
    let destination = shared.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(destination.flushed, expected);
    assert_eq!((progress.sent.get(), progress.retries.get()), (200, 2));
}

#[test]
fn a_refused_record_is_found_and_all_others_arrive_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), options()).unwrap();
    fill(&mut store, 20, 50, "");
    let shared = Shared::default();
    let refuse = |_, call: Call<'_>| match call {
        Call::Process(messages) if messages.iter().any(|m| m == "317" || m == "999") => {
            Err(Error::Refused {
                reason: "no".into(),
            })
        }
        _ => Ok(()),
    };
    let running = Running::start(store, 1, &shared, refuse);
    let (progress, reader) = running.stop();
    let expected: Vec<String> = (0..1000)
        .filter(|n| ![317, 999].contains(n))
        .map(|n: u32| n.to_string())
        .collect();
    assert_eq!(shared.lock().unwrap().flushed, expected);
    assert_eq!((progress.sent.get(), progress.rejected.get()), (998, 2));
    assert_eq!(
        get(&progress.done),
        reader.end(),
        "also when the last one is refused"
    );
}

#[test]
fn what_is_tried_again_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), options()).unwrap();
    fill(&mut store, 4, 50, "");
    let shared = Shared::default();
    let mut flushes = 0;
    let answer = move |_, call: Call<'_>| match call {
        // The numbers are those of the store, from 1.
        Call::Process(messages) if messages.iter().any(|m| m == "20") => Err(Error::Reject {
            numbers: vec![21],
            reason: "no".into(),
        }),
        Call::Process(_) => Ok(()),
        Call::Flush => {
            flushes += 1;
            if (2..5).contains(&flushes) {
                return Err(Error::Retry {
                    reason: "not now".into(),
                    after: Some(Duration::from_millis(1)),
                });
            }
            Ok(())
        }
    };
    let (progress, reader) = Running::start(store, 1, &shared, answer).stop();
    assert_eq!(progress.retries.get(), 3);
    assert_eq!((progress.sent.get(), progress.rejected.get()), (199, 1));
    assert_eq!(get(&progress.done), reader.end());
}

#[test]
fn what_retention_took_is_counted_and_said_once_however_often_it_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let keep = Options {
        keep_size: Some(16 << 10),
        ..options()
    };
    let mut store = Store::open(folder.path(), keep).unwrap();
    fill(&mut store, 100, 10, &"x".repeat(100));
    let reader = store.reader();
    eventually("retention", || {
        store.maintain(intake::now()).unwrap();
        let first = reader.first();
        if first > 1 { Ok(()) } else { Err(first) }
    });
    let expired = reader.first() - 1;
    let shared = Shared::default();
    let mut flushes = 0;
    let answer = move |_, call: Call<'_>| {
        flushes += u32::from(matches!(call, Call::Flush));
        if (2..6).contains(&flushes) && matches!(call, Call::Flush) {
            return Err(Error::Retry {
                reason: "not now".into(),
                after: Some(Duration::from_millis(1)),
            });
        }
        Ok(())
    };
    let running = Running::start(store, 1, &shared, answer);
    eventually("a flush", || {
        let skipped = running.progress.skipped.get();
        if skipped > 0 { Ok(()) } else { Err(skipped) }
    });
    let (progress, reader) = running.stop();
    assert_eq!(progress.retries.get(), 4);
    assert_eq!(progress.skipped.get(), expired);
    assert_eq!(progress.sent.get(), 1000 - expired);
    let mut said = Vec::new();
    let (mut cursor, mut batches) = (reader.cursor(1001), Batches::new());
    cursor.next_batches(&mut batches, 1 << 20).unwrap();
    for (_, bytes) in batches.iter() {
        let batch = BatchRef::parse(bytes).unwrap();
        said.extend(batch.records().map(|r| r.unwrap().message.to_owned()));
    }
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with(&format!("{expired} records were removed by retention")));
}

#[test]
fn a_batch_of_many_tiny_records_is_presented_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), options()).unwrap();
    fill(&mut store, 1, 10_000, "");
    let shared = Shared::default();
    let answer = |_, call: Call<'_>| {
        if let Call::Process(messages) = call {
            assert!(messages.len() <= 4096);
        }
        Ok(())
    };
    Running::start(store, 1, &shared, answer).stop();
    assert_eq!(shared.lock().unwrap().flushed.len(), 10_000);
}

#[test]
fn a_cursor_that_cannot_be_written_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), options()).unwrap();
    fill(&mut store, 4, 50, "");
    // In the way of the file that the cursor is written to aside.
    let cursors = folder.path().join("cursors");
    let moved = folder.path().join("moved");
    std::fs::rename(&cursors, &moved).unwrap();
    let shared = Shared::default();
    let running = Running::start(store, 1, &shared, |_, _: Call<'_>| Ok(()));
    eventually("all is taken", || {
        let taken = running.progress.sent.get();
        if taken == 200 { Ok(()) } else { Err(taken) }
    });
    std::fs::rename(&moved, &cursors).unwrap();
    let (_, reader) = running.stop();
    assert_eq!(shared.lock().unwrap().flushed.len(), 200);
    let saved = reader
        .cursor_file("double")
        .unwrap()
        .load()
        .unwrap()
        .unwrap();
    assert_eq!(
        saved.next,
        reader.end(),
        "it is written when that can be done again"
    );
}

#[test]
fn a_cursor_of_another_store_does_not_hide_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), options()).unwrap();
    let reader = store.reader();
    let cursor = reader.cursor_file("double").unwrap();
    cursor.save(1_000_000, &[1]).unwrap();
    fill(&mut store, 1, 10, "");
    let shared = Shared::default();
    let running = Running::start(store, 1, &shared, |_, _: Call<'_>| Ok(()));
    eventually("the worker stands at the end", || {
        let done = get(&running.progress.done);
        if done == 11 { Ok(()) } else { Err(done) }
    });
    running
        ._intake
        .submit(intake::Batch::new(
            ProducerId::from_bytes([7; 16]),
            10..11,
            1,
            batch(["new".to_owned()].into_iter(), 10),
        ))
        .unwrap();
    running.stop();
    assert_eq!(shared.lock().unwrap().flushed, ["new"]);
}

#[test]
fn a_batch_has_at_most_as_many_records_as_are_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), options()).unwrap();
    fill(&mut store, 4, 50, "");
    let shared = Shared::default();
    let mut taken = 0;
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let answer = move |_, call: Call<'_>| {
        match call {
            Call::Process(messages) => taken += messages.len(),
            Call::Flush => seen.lock().unwrap().push(std::mem::take(&mut taken)),
        }
        Ok(())
    };
    let most = Batch {
        records: Some(30),
        ..Batch::default()
    };
    let running = Running::with_batch(store, 1, most, &shared, answer);
    let (progress, _) = running.stop();
    let expected: Vec<String> = (0..200).map(|n: u32| n.to_string()).collect();
    assert_eq!(shared.lock().unwrap().flushed, expected);
    assert_eq!(progress.sent.get(), 200);
    let sizes = sizes.lock().unwrap();
    assert!(sizes.iter().all(|size| *size <= 30), "{sizes:?}");
}
