//! The tracker while the disk is full.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::intake::{self, Batch, Intake};
use crate::liveness::Liveness;
use crate::self_telemetry::{Metrics, OwnRecords};
use crate::shutdown::{Phase, Shutdown};
use crate::supervisor::Supervisor;
use crate::tracker::{LostAfter, Needs, Tracker};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Kind, Outcome, ProducerId, Record, Source, Task, TaskId};
use distlog_store::{Batches, Options, Reader, Store};
use distlog_testkit::eventually;
use distlog_testkit::store_double::Double;

const PRODUCER: ProducerId = ProducerId::from_bytes([7; 16]);
const LOST_AFTER: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(60);

/// Stores a record as a session does. The answer comes when it is durable.
fn send(intake: &Intake, id: &TaskId, offset: u64, kind: Kind, message: &str) -> Answer {
    let mut writer = BatchWriter::new();
    writer.push(&Record {
        kind,
        offset,
        outcome: if kind == Kind::End {
            Outcome::Ok
        } else {
            Outcome::Unset
        },
        message: message.into(),
        task: Some(Task::from(id)),
        source: Source {
            producer: PRODUCER,
            ..Source::default()
        },
        ..Record::default()
    });
    let (sender, stored) = channel();
    let batch = Batch {
        ordered: true,
        done: Some(Box::new(move |stored| _ = sender.send(stored))),
        ..Batch::new(PRODUCER, offset..offset + 1, 1, writer.finish())
    };
    intake.submit_credited(batch).unwrap();
    stored
}

type Answer = std::sync::mpsc::Receiver<intake::Stored>;

fn outcomes(reader: &Reader) -> Vec<Outcome> {
    let mut all = Vec::new();
    let (mut cursor, mut batches) = (reader.cursor(1), Batches::new());
    loop {
        cursor.next_batches(&mut batches, 1 << 20).unwrap();
        if batches.is_empty() {
            return all;
        }
        for (_, bytes) in batches.iter() {
            let batch = BatchRef::parse(bytes).unwrap();
            let ends = batch.records().map(Result::unwrap);
            let ends = ends.filter(|record| record.kind == Kind::End);
            all.extend(ends.map(|record| record.outcome));
        }
    }
}

/// The end of a task came in time, but waits for room on the disk, longer than a silent producer is waited for.
#[test]
fn an_end_that_waits_to_be_stored_keeps_its_task_from_being_lost() {
    let disk = Double::new(1);
    let options = Options {
        reserve: 1000,
        ..Options::default()
    };
    let store = Store::open_on(Arc::new(disk.clone()), "/store", options).unwrap();
    let reader = store.reader();
    let supervisor = Supervisor::default();
    let (intake, writer) = intake::start(store, intake::SyncPolicy::Adaptive, &supervisor).unwrap();
    let (liveness, shutdown) = (Arc::new(Liveness::default()), Shutdown::default());
    let needs = Needs {
        reader: reader.clone(),
        liveness: Arc::clone(&liveness),
        own_records: Arc::new(OwnRecords::new(intake.clone(), "here".into())),
        lost_after: LostAfter::new(LOST_AFTER),
        producers: Arc::default(),
        metrics: Metrics::default(),
        shutdown: shutdown.clone(),
    };
    let tracker = Tracker::start(needs, &supervisor).unwrap();

    let [ended, open] = [(); 2].map(|()| TaskId::random());
    liveness.note_seen(PRODUCER);
    let begun =
        [&ended, &open].map(|id| send(&intake, id, u64::from(*id == open), Kind::Begin, ""));
    for stored in begun {
        stored.recv_timeout(TIMEOUT).unwrap();
    }
    disk.set_free(Some(0));
    // So large that room is asked for.
    let end = send(&intake, &ended, 2, Kind::End, &"m".repeat(2 << 20));
    liveness.note_seen(PRODUCER);
    eventually("the disk is full", || match reader.stats().no_space {
        0 => Err("it is not"),
        _ => Ok(()),
    });
    let full = Instant::now();
    eventually("the producer is silent for long", || {
        let time = full.elapsed();
        if time > 10 * LOST_AFTER {
            Ok(())
        } else {
            Err(time)
        }
    });
    disk.set_free(None);
    end.recv_timeout(TIMEOUT).unwrap();
    // The other one is lost.
    eventually("its end is written", || {
        let seen = outcomes(&reader);
        if seen.contains(&Outcome::Lost) {
            Ok(())
        } else {
            Err(seen)
        }
    });
    shutdown.advance(Phase::Workers);
    tracker.join().unwrap();
    writer.close();
    assert_eq!(outcomes(&reader), [Outcome::Ok, Outcome::Lost]);
}
