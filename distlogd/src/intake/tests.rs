//! The way into the store: what is said to be durable, when, and what holds however the disk fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::intake::{self, Batch, Intake, Stored, SyncPolicy, Writer};
use crate::supervisor::Supervisor;
use distlog_proto::ProducerId;
use distlog_store::{Batches, Options, Reader, Store};
use distlog_testkit::eventually;
use distlog_testkit::store_double::{Double, Fault};

/// Longer than any test: only what is asked for is committed.
const NEVER: SyncPolicy = SyncPolicy::Every(Duration::from_secs(3600));
const TIMEOUT: Duration = Duration::from_secs(60);

fn id(n: u8) -> ProducerId {
    ProducerId::from_bytes([n; 16])
}

fn batch(producer: u8, from: u64, to: u64) -> Batch {
    let count = u32::try_from(to - from).unwrap();
    let bytes = vec![producer; 100];
    Batch {
        ordered: true,
        ..Batch::new(id(producer), from..to, count, bytes)
    }
}

fn with_done(batch: Batch) -> (Batch, Receiver<Stored>) {
    let (sender, receiver) = channel();
    let done: intake::Done = Box::new(move |stored| sender.send(stored).unwrap());
    let batch = Batch {
        done: Some(done),
        ..batch
    };
    (batch, receiver)
}

fn start(folder: &std::path::Path, sync: SyncPolicy, reserve: u64) -> (Intake, Writer, Reader) {
    let options = Options {
        reserve,
        ..Options::default()
    };
    let store = Store::open(folder, options).unwrap();
    let reader = store.reader();
    let (intake, writer) = intake::start(store, sync, &Supervisor::default()).unwrap();
    (intake, writer, reader)
}

#[test]
fn what_waits_is_stored_before_the_store_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, writer, reader) = start(folder.path(), NEVER, 0);
    (0..10).for_each(|n| intake.submit(batch(1, n * 2, n * 2 + 2)).unwrap());
    assert_eq!(writer.close(), 0);
    assert_eq!(reader.end() - reader.first(), 20);
    assert!(intake.submit(batch(1, 20, 21)).is_err());
    assert!(intake.submit_credited(batch(1, 20, 21)).is_err());
    assert!(intake.resume_offset(id(1), 0, Box::new(|_| ())).is_err());
    assert!(intake.after(Box::new(|| ())).is_err());
}

#[test]
fn nothing_is_said_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, writer, reader) = start(folder.path(), NEVER, 0);
    let said = Arc::new(AtomicUsize::new(0));
    for n in 0..100 {
        let (said, reader) = (Arc::clone(&said), reader.clone());
        let done: intake::Done = Box::new(move |stored| {
            assert_eq!(stored, Stored::Durable);
            // What is durable can be read.
            assert!(reader.end() >= reader.first() + 2 * (n + 1));
            said.fetch_add(1, Ordering::Relaxed);
        });
        let batch = Batch {
            done: Some(done),
            ..batch(1, n * 2, n * 2 + 2)
        };
        intake.submit_credited(batch).unwrap();
    }
    eventually("the thread has taken all", || {
        // Taken, but kept until the commit.
        if intake.credited() >= 100 * 100 {
            Ok(())
        } else {
            Err(intake.credited())
        }
    });
    assert_eq!(
        (said.load(Ordering::Relaxed), reader.end()),
        (0, reader.first())
    );
    assert_eq!(writer.close(), 0);
    assert_eq!(said.load(Ordering::Relaxed), 100);
    assert_eq!(intake.credited(), 0);
}

/// Many clients have a little on the way each, which together is much: a slow disk must not sync for every bit of it.
#[test]
fn what_comes_while_the_disk_syncs_becomes_durable_together() {
    const EACH: usize = 256 << 10;
    let disk = Double::new(1);
    let options = Options {
        reserve: 0,
        ..Options::default()
    };
    let store = Store::open_on(Arc::new(disk.clone()), "/store", options).unwrap();
    disk.set_sync_time(Duration::from_millis(300));
    let reader = store.reader();
    let sync = SyncPolicy::Adaptive;
    let (intake, writer) = intake::start(store, sync, &Supervisor::default()).unwrap();
    let syncs = reader.stats().syncs;
    for from in 0..3 {
        for client in 1..=64 {
            let batch = Batch {
                bytes: vec![client; EACH],
                ..batch(client, from, from + 1)
            };
            intake.submit_credited(batch).unwrap();
        }
    }
    eventually("all is durable", || match intake.credited() {
        0 => Ok(()),
        left => Err(left),
    });
    assert_eq!(reader.end() - reader.first(), 3 * 64);
    // 48 MiB: some with the first sync, the rest in few; two segments are synced apart.
    let syncs = reader.stats().syncs - syncs;
    assert!(syncs <= 8, "{syncs} syncs");
    assert_eq!(writer.close(), 0);
}

/// Who is alone waits for one sync and no more; many who each wait for the last one's answer share one, and leave the
/// disk as long alone as it worked.
#[test]
fn a_sync_begins_as_soon_as_the_disk_had_as_much_rest_as_work() {
    const SYNC: Duration = Duration::from_millis(40);
    let disk = Double::new(1);
    let store = Store::open_on(Arc::new(disk.clone()), "/store", Options::default()).unwrap();
    disk.set_sync_time(SYNC);
    let reader = store.reader();
    let supervisor = Supervisor::default();
    let (intake, writer) = intake::start(store, SyncPolicy::Adaptive, &supervisor).unwrap();
    for n in 0..5 {
        // Longer than the last sync took.
        std::thread::sleep(SYNC * 2);
        let (batch, said) = with_done(batch(1, n, n + 1));
        let sent = Instant::now();
        intake.submit_credited(batch).unwrap();
        assert_eq!(said.recv_timeout(TIMEOUT), Ok(Stored::Durable));
        assert!(sent.elapsed() >= SYNC);
        assert_eq!(reader.stats().syncs, n + 1);
    }
    let (began, before) = (Instant::now(), reader.stats().syncs);
    std::thread::scope(|scope| {
        for client in 2..10u8 {
            let intake = &intake;
            scope.spawn(move || {
                for n in 0..5 {
                    let (batch, said) = with_done(batch(client, n, n + 1));
                    intake.submit_credited(batch).unwrap();
                    assert_eq!(said.recv_timeout(TIMEOUT), Ok(Stored::Durable));
                }
            });
        }
    });
    let syncs = reader.stats().syncs - before;
    assert!(syncs >= 5, "{syncs} syncs");
    assert!(began.elapsed() >= SYNC * (2 * syncs as u32 - 1));
    assert_eq!(writer.close(), 0);
}

#[test]
fn each_is_told_in_order_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, writer, reader) = start(folder.path(), SyncPolicy::Adaptive, 0);
    let stands = |producer: u8, acked| {
        let (sender, receiver) = channel();
        let answer = Box::new(move |to| sender.send(to).unwrap());
        intake.resume_offset(id(producer), acked, answer).unwrap();
        receiver.recv_timeout(TIMEOUT).unwrap()
    };
    assert_eq!(stands(1, 0), 0);
    // Durable elsewhere.
    assert_eq!(stands(2, 500), 500);
    let submit = |batch: Batch| {
        let (batch, receiver) = with_done(batch);
        intake.submit_credited(batch).unwrap();
        receiver.recv_timeout(TIMEOUT).unwrap()
    };
    assert_eq!(submit(batch(1, 0, 10)), Stored::Durable);
    assert_eq!(submit(batch(1, 0, 10)), Stored::Durable, "a replay");
    assert_eq!(submit(batch(1, 3, 7)), Stored::Durable, "cut differently");
    assert_eq!(submit(batch(1, 20, 30)), Stored::Gap { resume_offset: 10 });
    assert_eq!(submit(batch(1, 5, 15)), Stored::Gap { resume_offset: 10 });
    assert_eq!(
        submit(batch(2, 0, 10)),
        Stored::Durable,
        "a replay of what is elsewhere"
    );
    assert_eq!(submit(batch(2, 500, 501)), Stored::Durable);
    let holes = Batch {
        count: 0,
        bytes: Vec::new(),
        ..batch(1, 10, 20)
    };
    assert_eq!(submit(holes), Stored::Durable);
    let impossible = Batch {
        count: 5,
        ..batch(1, 20, 21)
    };
    assert_eq!(submit(impossible), Stored::Refused);
    assert_eq!((stands(1, 0), stands(2, 0)), (20, 501));

    let (sender, receiver) = channel();
    let end = reader.end();
    intake.submit_credited(batch(1, 20, 25)).unwrap();
    let read = reader.clone();
    let after = Box::new(move || sender.send(read.end()).unwrap());
    intake.after(after).unwrap();
    assert_eq!(receiver.recv_timeout(TIMEOUT).unwrap(), end + 5);
    writer.close();
}

#[test]
fn a_store_that_takes_nothing_does_not_keep_the_daemon_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, writer, reader) = start(folder.path(), SyncPolicy::Always, u64::MAX);
    let (first, said) = with_done(batch(1, 0, 2));
    intake.submit_credited(first).unwrap();
    (1..10).for_each(|n| intake.submit(batch(1, n * 2, n * 2 + 2)).unwrap());
    assert_eq!(writer.close(), 20, "all that was given up is counted");
    assert!(reader.is_closed());
    assert_eq!(reader.end(), reader.first());
    assert!(said.recv().is_err(), "nobody is told that it is durable");
}

#[test]
fn who_has_no_credit_waits_while_much_waits_already() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, writer, _reader) = start(folder.path(), SyncPolicy::Always, u64::MAX);
    let submitted = Arc::new(AtomicUsize::new(0));
    let (own, count) = (intake.clone(), Arc::clone(&submitted));
    let receiver = std::thread::spawn(move || {
        for n in 0.. {
            let large = Batch {
                bytes: vec![0; 1 << 20],
                ..batch(1, n, n + 1)
            };
            if own.submit(large).is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    eventually("it waits", || {
        let count = submitted.load(Ordering::Relaxed);
        if count == 16 { Ok(()) } else { Err(count) }
    });
    // Those with credit do not wait, and are counted.
    for n in 0..100 {
        intake.submit_credited(batch(2, n, n + 1)).unwrap();
    }
    assert!(intake.credited() >= 100 * 100 && intake.bytes() >= (16 << 20) + 100 * 100);
    // Also what has no bytes takes room.
    let before = intake.credited();
    intake.after(Box::new(|| ())).unwrap();
    intake.resume_offset(id(3), 0, Box::new(|_| ())).unwrap();
    assert!(intake.credited() > before);
    assert_eq!(submitted.load(Ordering::Relaxed), 16);
    assert_eq!(writer.close(), 116);
    receiver.join().unwrap();
}

#[test]
fn a_panic_in_the_thread_that_writes_is_noticed_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(
        folder.path(),
        Options {
            reserve: 0,
            ..Options::default()
        },
    );
    let supervisor = Supervisor::default();
    let (intake, writer) = intake::start(store.unwrap(), SyncPolicy::Always, &supervisor).unwrap();
    let broken = Batch {
        done: Some(Box::new(|_| panic!("on purpose"))),
        ..batch(1, 0, 1)
    };
    intake.submit_credited(broken).unwrap();
    eventually("it is noticed", || supervisor.failed().ok_or("all is well"));
    eventually("nothing is taken any more", || {
        intake
            .submit(batch(1, 1, 2))
            .map_or(Ok(()), |()| Err("taken"))
    });
    assert_eq!(writer.close(), 0);
}

/// What came while the disk was busy becomes durable by one sync.
#[test]
fn those_who_wait_share_a_sync_however_soon_it_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, writer, reader) = start(folder.path(), SyncPolicy::Always, 0);
    let (go, wait) = channel::<()>();
    let busy = Batch {
        done: Some(Box::new(move |_| wait.recv().unwrap())),
        ..batch(1, 0, 1)
    };
    intake.submit_credited(busy).unwrap();
    eventually("the thread is busy", || {
        let syncs = reader.stats().syncs;
        if syncs == 1 { Ok(()) } else { Err(syncs) }
    });
    let (last, said) = with_done(batch(1, 100, 101));
    (1..100).for_each(|n| intake.submit_credited(batch(1, n, n + 1)).unwrap());
    intake.submit_credited(last).unwrap();
    go.send(()).unwrap();
    assert_eq!(said.recv_timeout(TIMEOUT), Ok(Stored::Durable));
    assert_eq!(reader.stats().syncs, 2);
    writer.close();
}

#[test]
fn who_waits_for_an_answer_hears_that_there_will_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let (intake, writer, reader) = start(folder.path(), SyncPolicy::Always, 0);
    let (go, wait) = channel::<()>();
    let broken = Batch {
        done: Some(Box::new(move |_| {
            let _ = wait.recv();
            panic!("on purpose");
        })),
        ..batch(1, 0, 1)
    };
    intake.submit_credited(broken).unwrap();
    eventually("the thread is busy", || {
        let syncs = reader.stats().syncs;
        if syncs == 1 { Ok(()) } else { Err(syncs) }
    });
    let (sender, stands) = channel();
    let answer = Box::new(move |to| sender.send(to).unwrap());
    intake.resume_offset(id(1), 0, answer).unwrap();
    let (behind, said) = with_done(batch(1, 1, 2));
    intake.submit_credited(behind).unwrap();
    drop(go);
    // Disconnected, which is not the same as an answer that is late.
    assert_eq!(
        stands.recv_timeout(TIMEOUT),
        Err(RecvTimeoutError::Disconnected)
    );
    assert_eq!(
        said.recv_timeout(TIMEOUT),
        Err(RecvTimeoutError::Disconnected)
    );
    writer.close();
}

/// How often each offset of each producer is in the store.
fn stored(reader: &Reader) -> Vec<(u8, u64, u64)> {
    let mut cursor = reader.cursor(1);
    let mut batches = Batches::new();
    let mut all = Vec::new();
    loop {
        let progress = cursor.next_batches(&mut batches, 1 << 20).unwrap();
        assert_eq!(progress.skipped(), 0);
        if batches.is_empty() {
            return all;
        }
        let found = batches.iter().filter(|(head, _)| head.count > 0);
        all.extend(found.map(|(head, _)| (head.producer.to_bytes()[0], head.from, head.to)));
    }
}

/// Batches of a receiver without offsets of its own, large enough that room is asked for after a few.
fn unordered(n: u64) -> Batch {
    Batch {
        ordered: false,
        bytes: vec![1; 200 << 10],
        ..batch(1, n, n + 1)
    }
}

/// Room is asked for only now and then: some of what is not yet durable was taken before it was found to be short.
#[test]
fn what_was_taken_before_the_disk_was_full_is_stored_once() {
    let disk = Double::new(1);
    let options = Options {
        reserve: 1000,
        ..Options::default()
    };
    let store = Store::open_on(Arc::new(disk.clone()), "/store", options).unwrap();
    let reader = store.reader();
    let (intake, writer) =
        intake::start(store, SyncPolicy::Adaptive, &Supervisor::default()).unwrap();
    let (first, said) = with_done(unordered(0));
    intake.submit(first).unwrap();
    // From here on room is asked for after each MiB.
    assert_eq!(said.recv_timeout(TIMEOUT), Ok(Stored::Durable));
    disk.set_free(Some(0));
    let said: Vec<_> = (1..10)
        .map(|n| {
            let (batch, said) = with_done(unordered(n));
            intake.submit(batch).unwrap();
            said
        })
        .collect();
    eventually("the disk is full", || match reader.stats().no_space {
        0 => Err("it is not"),
        _ => Ok(()),
    });
    disk.set_free(None);
    for said in said {
        assert_eq!(said.recv_timeout(TIMEOUT), Ok(Stored::Durable));
    }
    assert_eq!(writer.close(), 0);
    let once: Vec<(u8, u64, u64)> = (0..10).map(|n| (1, n, n + 1)).collect();
    assert_eq!(stored(&reader), once);
}

/// Producers send as sessions do, the disk fails and the power goes; unsynced data is forgotten.
#[test]
fn what_was_said_to_be_durable_is_there_once_whatever_the_disk_forgets() {
    let (mut crashes, mut acked_in_all) = (0, 0);
    for seed in 0..60u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let disk = Double::new(seed);
        // By producer: the end of what was said to be durable.
        let acked = Arc::new(Mutex::new([0u64; 3]));
        for round in 0..4 {
            let options = Options {
                segment_size: 4_000,
                reserve: 0,
                ..Options::default()
            };
            let store = Store::open_on(Arc::new(disk.clone()), "/store", options).unwrap();
            let reader = store.reader();
            let sync = match random.u64(..4) {
                0 => SyncPolicy::Adaptive,
                1 => SyncPolicy::Always,
                _ => SyncPolicy::Every(Duration::from_micros(random.u64(..400))),
            };
            let (intake, writer) = intake::start(store, sync, &Supervisor::default()).unwrap();
            let mut next = [0u64; 3];
            for producer in 0..3u8 {
                let said = acked.lock().unwrap()[usize::from(producer)];
                let (sender, receiver) = channel();
                let answer = Box::new(move |to| sender.send(to).unwrap());
                intake.resume_offset(id(producer), said, answer).unwrap();
                let stands = receiver.recv_timeout(TIMEOUT).unwrap();
                assert!(
                    stands >= said,
                    "seed {seed}: {said} was acked, it has {stands}"
                );
                next[usize::from(producer)] = stands;
            }
            // One failure of the disk costs a wait, so only now and then.
            let fault = match random.u64(..8) {
                0 => Fault::Io,
                1 => Fault::NoSpace,
                _ => Fault::Power,
            };
            disk.fail_in(random.u64(..60), fault);
            for _ in 0..random.u64(..120) {
                let producer = random.u8(..3);
                let at = usize::from(producer);
                let from = next[at];
                let to = from + 1 + random.u64(..5);
                // Now and then something comes again, as after a lost ack.
                let (from, to) = match random.u64(..10) {
                    0 if from > 0 => (from - 1, from),
                    _ => (from, to),
                };
                next[at] = to;
                let acked = Arc::clone(&acked);
                let mut sent = batch(producer, from, to);
                sent.bytes = vec![producer; random.usize(..300)];
                sent.done = Some(Box::new(move |stored| {
                    // A gap is what follows a batch that is not there.
                    if stored == Stored::Durable {
                        let mut acked = acked.lock().unwrap();
                        acked[at] = acked[at].max(to);
                    }
                }));
                intake.submit_credited(sent).unwrap();
                if disk.is_off() {
                    break;
                }
            }
            writer.close();
            let before = *acked.lock().unwrap();
            if disk.is_off() {
                crashes += 1;
            }
            disk.power_off();
            disk.restart();
            drop(reader);

            let options = Options {
                segment_size: 4_000,
                reserve: 0,
                ..Options::default()
            };
            let store = Store::open_on(Arc::new(disk.clone()), "/store", options).unwrap();
            let mut ends = [0u64; 3];
            for (producer, from, to) in stored(&store.reader()) {
                let end = &mut ends[usize::from(producer)];
                assert_eq!(
                    *end, from,
                    "seed {seed}, round {round}: producer {producer}"
                );
                *end = to;
            }
            for (end, said) in ends.iter().zip(before) {
                assert!(
                    *end >= said,
                    "seed {seed}, round {round}: {ends:?}, acked {before:?}"
                );
            }
            acked_in_all += before.iter().sum::<u64>();
        }
    }
    assert!(
        crashes > 50 && acked_in_all > 1000,
        "{crashes} crashes, {acked_in_all} acked"
    );
}
