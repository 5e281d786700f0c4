//! Several threads convert what the worker reads: what fails is dealt with as where one thread does all.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::thread::ThreadId;

use super::*;
use crate::processor::{Convert, Converted, TakeConverted};

/// Records by their numbers and messages.
type Taken = [(u64, String)];

/// A destination of messages that takes them converted, too.
struct Messages<A> {
    shared: Shared,
    answer: A,
    converter: Arc<Message>,
}

/// Panics at its message, so often.
struct Message {
    panics_at: &'static str,
    panics: AtomicU32,
}

impl Message {
    fn new(panics_at: &'static str, panics: u32) -> Arc<Message> {
        Arc::new(Message {
            panics_at,
            panics: AtomicU32::new(panics),
        })
    }
}

impl Convert for Message {
    fn convert(&self, records: &[RecordRef<'_>], to: &mut Converted) {
        for record in records {
            let message = record.message.trim_end();
            if message == self.panics_at {
                let (order, count) = (Ordering::Relaxed, |left: u32| left.checked_sub(1));
                let left = self.panics.fetch_update(order, order, count);
                assert!(left.is_err(), "an expected panic");
            }
            to.add(record, |out| out.extend_from_slice(message.as_bytes()));
        }
    }
}

impl<A: FnMut(&Taken) -> Result<(), Error> + Send> Messages<A> {
    fn answered(&mut self, records: &Taken) -> Result<(), Error> {
        let answer = (self.answer)(records);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let rejected = match &answer {
            Ok(()) => &[][..],
            Err(Error::Reject { numbers, .. }) => numbers,
            Err(_) => {
                shared.taken.clear();
                return answer;
            }
        };
        let taken = records.iter().filter(|(n, _)| !rejected.contains(n));
        shared
            .taken
            .extend(taken.map(|(_, message)| message.clone()));
        answer
    }
}

impl<A: FnMut(&Taken) -> Result<(), Error> + Send> Processor for Messages<A> {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let message = |r: &RecordRef<'_>| (r.store_number, r.message.trim_end().to_owned());
        let records: Vec<_> = records.iter().map(message).collect();
        self.answered(&records)
    }

    fn takes_converted(&mut self) -> Option<&mut dyn TakeConverted> {
        Some(self)
    }

    fn flush(&mut self) -> Result<Token, Error> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut shared.taken);
        shared.flushed.extend(taken);
        Ok(Token(vec![1]))
    }
}

impl<A: FnMut(&Taken) -> Result<(), Error> + Send> TakeConverted for Messages<A> {
    fn converter(&self) -> Arc<dyn Convert> {
        Arc::<Message>::clone(&self.converter)
    }

    fn take(&mut self, converted: &Converted) -> Result<(), Error> {
        self.shared.lock().unwrap().calls += 1;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let records = converted.iter().map(|(number, one)| (number, text(one)));
        self.answered(&records.collect::<Vec<_>>())
    }
}

/// Some more than is read at once, of 300 bytes each.
const MANY: u64 = 6_000;

/// A worker over many records that wait, and what arrives.
fn start(
    converter: Arc<Message>,
    answer: impl FnMut(&Taken) -> Result<(), Error> + Send + Clone + 'static,
    change: impl FnOnce(&mut Worker),
) -> (Running, Shared) {
    let store = Arc::new(distlog_testkit::store_double::Double::new(1));
    let mut store = Store::open_on(store, "/store", Options::default()).unwrap();
    fill(&mut store, MANY / 50, 50, &" ".repeat(300));
    let shared = Shared::default();
    let destination = Arc::clone(&shared);
    let factory: Factory = Box::new(move |_| {
        let mut shared = destination.lock().unwrap_or_else(PoisonError::into_inner);
        shared.taken.clear();
        Ok(Box::new(Messages {
            shared: Arc::clone(&destination),
            answer: answer.clone(),
            converter: Arc::clone(&converter),
        }))
    });
    let running = Running::of(store, factory, |worker| {
        worker.threads = Arc::new(ThreadPool::new("test", 3));
        worker.retry.first = Duration::from_millis(1);
        change(worker);
    });
    (running, shared)
}

/// What arrived of all.
fn deliver(
    converter: Arc<Message>,
    answer: impl FnMut(&Taken) -> Result<(), Error> + Send + Clone + 'static,
    change: impl FnOnce(&mut Worker),
) -> (Vec<String>, Arc<Progress>) {
    let (running, shared) = start(converter, answer, change);
    let (progress, reader) = running.stop();
    assert_eq!(get(&progress.done), reader.end());
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(shared.calls > 0, "they came converted");
    (shared.flushed.clone(), progress)
}

/// All but these, in order.
fn all_but(left_out: &[u64]) -> Vec<String> {
    let numbers = (0..MANY).filter(|n| !left_out.contains(n));
    numbers.map(|n| n.to_string()).collect()
}

fn has(records: &Taken, message: &str) -> bool {
    records.iter().any(|(_, one)| one == message)
}

#[test]
fn a_converter_that_panics_loses_and_doubles_nothing() {
    let (flushed, progress) = deliver(Message::new("1717", 2), |_| Ok(()), |_| {});
    assert_eq!(flushed, all_but(&[]));
    assert_eq!((progress.sent.get(), progress.retries.get()), (MANY, 2));
}

#[test]
fn what_fails_in_the_middle_of_the_pieces_comes_again_from_the_cursor() {
    let mut failures = 0;
    // One that is made anew would begin to count again.
    let answer = move |records: &Taken| {
        if has(records, "2500") && failures < 3 {
            failures += 1;
            return Err(Error::retry("not now"));
        }
        Ok(())
    };
    let (flushed, progress) = deliver(Message::new("", 0), answer, |_| {});
    assert_eq!(flushed, all_but(&[]));
    assert_eq!((progress.sent.get(), progress.retries.get()), (MANY, 3));
}

#[test]
fn a_refused_record_is_found_among_many_that_were_converted() {
    let answer = |records: &Taken| match has(records, "3141") || has(records, "5999") {
        true => Err(Error::Refused {
            reason: "no".into(),
        }),
        false => Ok(()),
    };
    let (flushed, progress) = deliver(Message::new("", 0), answer, |_| {});
    assert_eq!(flushed, all_but(&[3141, 5999]));
    let counted = (progress.sent.get(), progress.rejected.get());
    assert_eq!(counted, (MANY - 2, 2));
}

#[test]
fn rejected_ones_are_counted_and_the_others_are_taken() {
    let answer = |records: &Taken| {
        let bad = records
            .iter()
            .filter(|(_, message)| message.ends_with("77"));
        let numbers: Vec<u64> = bad.map(|(number, _)| *number).collect();
        match numbers.is_empty() {
            true => Ok(()),
            false => Err(Error::Reject {
                numbers,
                reason: "unlucky".into(),
            }),
        }
    };
    let (flushed, progress) = deliver(Message::new("", 0), answer, |_| {});
    let bad: Vec<u64> = (0..MANY).filter(|n| n % 100 == 77).collect();
    assert_eq!(flushed, all_but(&bad));
    assert_eq!(progress.rejected.get(), bad.len() as u64);
    assert_eq!(progress.sent.get(), MANY - bad.len() as u64);
}

/// A thread of the pool and the worker meet over the first record that each routes.
#[test]
fn several_threads_are_at_it_at_the_same_time() {
    let (both, seen) = (Barrier::new(2), Mutex::new(HashSet::<ThreadId>::new()));
    let route = move |record: &RecordRef<'_>| {
        let is_new = seen.lock().unwrap().insert(std::thread::current().id());
        if is_new {
            both.wait();
        }
        record.source.service != "distlogd"
    };
    let (flushed, _) = deliver(
        Message::new("", 0),
        |_| Ok(()),
        |worker| {
            worker.threads = Arc::new(ThreadPool::new("test", 1));
            worker.route = Box::new(route);
        },
    );
    assert_eq!(flushed, all_but(&[]));
}

#[test]
fn a_batch_of_converted_records_has_as_many_as_are_set() {
    let (running, shared) = start(
        Message::new("", 0),
        |_| Ok(()),
        |worker| {
            worker.batch = Batch {
                records: Some(5_000),
                wait: Duration::from_secs(3600),
                idle: Duration::from_secs(3600),
            };
        },
    );
    eventually("a whole batch", || {
        let flushed = shared.lock().unwrap().flushed.len();
        (flushed >= 5_000).then_some(()).ok_or(flushed)
    });
    assert_eq!(shared.lock().unwrap().flushed.len(), 5_000);
    running.stop();
    let shared = shared.lock().unwrap();
    assert_eq!(shared.flushed, all_but(&[]));
    assert!(shared.calls > 0, "those of the first read came converted");
}
