//! Takes requests, however they came: from their bytes into the store.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use distlog_bridge::receive::{self, Take, Verdict};
use distlog_proto::ProducerId;
use hashbrown::DefaultHashBuilder;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::budget::{Budget, Share};
use super::refusal::{Refusal, partial};
use super::runs::Runs;
use super::seen::{self, Key, Seen};
use crate::doors::hall::Hall;
use crate::intake::{self, Batch, Intake, Stored};
use crate::rpc::Signal;

/// So many requests are converted at once, each in a thread; the store is not faster.
const AT_ONCE: usize = 2;
/// All requests under way may take so much together, in bytes.
const BUDGET: usize = 64 << 20;
/// A client hears so late that the store takes nothing: clients commonly give up after 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where requests go. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Reception {
    hall: Hall,
    budget: Budget,
    threads: Arc<Semaphore>,
    runs: Arc<Mutex<Runs>>,
    seen: Arc<Mutex<Seen>>,
    /// Those of `seen`.
    hashers: (DefaultHashBuilder, DefaultHashBuilder),
    under_way: Arc<AtomicUsize>,
}

/// Who sent a request, and by which door.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    pub(super) door: &'static str,
    pub(super) peer: Option<SocketAddr>,
}

impl Reception {
    pub(super) fn new(hall: Hall) -> Reception {
        let seen = Seen::default();
        Reception {
            hashers: seen.hashers(),
            seen: Arc::new(Mutex::new(seen)),
            hall,
            budget: Budget::new(BUDGET),
            threads: Arc::new(Semaphore::new(AT_ONCE)),
            runs: Arc::default(),
            under_way: Arc::default(),
        }
    }

    /// The memory of a request, to be asked for before it is filled.
    pub(super) fn share(&self) -> Arc<Share> {
        self.budget.share()
    }

    /// How many requests wait for the store.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// Takes a request and waits until all of it is durable. `share` is the memory that it has taken.
    ///
    /// # Errors
    /// If nothing of it was taken, or it is not known what became of it.
    pub(super) async fn take(
        &self,
        signal: Signal,
        from: From,
        request: Bytes,
        share: Arc<Share>,
    ) -> Result<Verdict, Refusal> {
        self.hall
            .received
            .message(from.door, encoding(signal), request.len());
        let _under_way = UnderWay::new(&self.under_way);
        let taking = async {
            let permit = Arc::clone(&self.threads)
                .acquire_owned()
                .await
                .map_err(|_| Refusal::Failed("no thread"))?;
            let this = self.clone();
            let convert = move || {
                // Also if nobody waits any more.
                let _held = (permit, share);
                this.convert(signal, &request)
            };
            let (verdict, records, waiting) = tokio::task::spawn_blocking(convert)
                .await
                .map_err(|_| Refusal::Failed("the conversion panicked"))??;
            waiting.durable(&self.seen).await?;
            Ok((verdict, records))
        };
        let (verdict, records) = match tokio::time::timeout(PATIENCE, taking).await {
            Ok(result) => result?,
            Err(_) => return Err(Refusal::Away),
        };
        self.hall
            .received
            .records(from.door, encoding(signal), records);
        if let Some((count, reason)) = partial(&verdict) {
            self.hall
                .received
                .refused(from.door, encoding(signal), verdict.refused);
            let detail = format!("{count} {} were refused: {reason}", signal.items());
            self.fault(from, "bad records", &detail);
        }
        Ok(verdict)
    }

    /// Counts a refusal. It is reported, unless there were too many or nothing is wrong.
    pub(super) fn report(&self, from: From, refusal: &Refusal) {
        let (what, detail) = (refusal.answer().what, refusal.to_string());
        let faults = &self.hall.faults;
        match refusal {
            // Many programs send all that they have to one address.
            Refusal::NotTaken(_) => {
                let peer = from.peer.map(|peer| peer.to_string());
                faults.note(from.door, what, peer.as_deref(), &detail);
            }
            // Programs end, and daemons are started anew.
            Refusal::BrokeOff(_) | Refusal::Stopping => {
                faults.count_only(from.door, what, &detail);
            }
            _ => self.fault(from, what, &detail),
        }
    }

    fn fault(&self, from: From, what: &'static str, detail: &str) {
        let peer = from.peer.map(|peer| peer.to_string());
        self.hall
            .faults
            .report(from.door, what, peer.as_deref(), detail);
    }

    /// Puts the records of a request into the queue of the store, and says how many there are; waits while that is full.
    fn convert(&self, signal: Signal, request: &[u8]) -> Result<(Verdict, u64, Waiting), Refusal> {
        let (said, hears) = unbounded_channel();
        let mut desk = Desk {
            reception: self,
            said,
            submitted: 0,
            records: 0,
            closed: false,
        };
        // Log records have no ids: the same ones may be meant twice.
        let new = (signal == Signal::Traces).then(|| seen::key(&self.hashers, request));
        let taken = if new.is_none_or(|key| lock(&self.seen).note(key)) {
            match signal {
                Signal::Traces => receive::traces(request, &mut desk),
                Signal::Logs => receive::logs(request, intake::now(), &mut desk),
            }
            .map_err(|error| Refusal::Malformed(error.to_string()))
        } else {
            tracing::debug!("a request came again");
            // It may be on its way still: it is durable when all before this is.
            let said = desk.said.clone();
            desk.submit(|intake| intake.after(Box::new(move || _ = said.send(Stored::Durable))));
            Ok(Verdict::default())
        };
        let taken = if desk.closed {
            Err(Refusal::Stopping)
        } else {
            taken
        };
        if let (Err(_), Some(key)) = (&taken, new) {
            lock(&self.seen).forget(key);
        }
        let waiting = Waiting {
            hears,
            left: desk.submitted,
            new,
        };
        taken.map(|verdict| (verdict, desk.records, waiting))
    }
}

/// Counts a request as long as it lives: also one whose client has gone.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn new(count: &Arc<AtomicUsize>) -> UnderWay {
        count.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The name of a signal as encoding, in counters.
fn encoding(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "otlp traces",
        Signal::Logs => "otlp logs",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the batches of one request go.
struct Desk<'r> {
    reception: &'r Reception,
    said: UnboundedSender<Stored>,
    /// From how many things an answer is to be waited for.
    submitted: usize,
    /// Records in the batches.
    records: u64,
    closed: bool,
}

impl Desk<'_> {
    fn submit(&mut self, put: impl FnOnce(&Intake) -> Result<(), intake::Closed>) {
        match put(&self.reception.hall.intake) {
            Ok(()) => self.submitted += 1,
            Err(intake::Closed) => self.closed = true,
        }
    }
}

impl Take for Desk<'_> {
    fn offsets(&mut self, resource: &[u8], count: u64) -> (ProducerId, u64) {
        let given = lock(&self.reception.runs).offsets(resource, count);
        self.reception.hall.heard.note(given.0);
        given
    }

    fn batch(&mut self, batch: receive::Batch) {
        let said = self.said.clone();
        self.records += u64::from(batch.count);
        let receive::Batch {
            producer,
            from,
            to,
            count,
            bytes,
        } = batch;
        self.submit(|intake| {
            intake.submit(Batch {
                producer,
                from,
                to,
                count,
                ordered: false,
                bytes,
                done: Some(Box::new(move |stored| _ = said.send(stored))),
            })
        });
    }
}

/// Waits for what the store says.
struct Waiting {
    hears: UnboundedReceiver<Stored>,
    left: usize,
    /// What the request is remembered by.
    new: Option<Key>,
}

impl Waiting {
    async fn durable(mut self, seen: &Mutex<Seen>) -> Result<(), Refusal> {
        while self.left > 0 {
            match self.hears.recv().await {
                Some(Stored::Durable) => self.left -= 1,
                said => {
                    if let Some(key) = self.new {
                        lock(seen).forget(key);
                    }
                    return Err(match said {
                        // Whoever was to say it is gone.
                        None => Refusal::Stopping,
                        Some(_) => Refusal::Failed("a batch could not be stored"),
                    });
                }
            }
        }
        Ok(())
    }
}
