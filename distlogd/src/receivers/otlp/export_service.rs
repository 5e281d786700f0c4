//! What is behind both transports: from the bytes of a request into the store.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use distlog_bridge::receive::{self, PartialSuccess, Take};
use distlog_proto::ProducerId;
use hashbrown::DefaultHashBuilder;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::producer_ids::ProducerIds;
use super::budget::{Budget, Share};
use super::dedup::{self, Dedup, Key};
use super::refusal::{Refusal, partial};
use crate::access::{Denied, Needs, Tokens, bearer};
use crate::intake::{self, Batch, Intake, Stored};
use crate::receiver::ReceiverContext;
use crate::rpc::Signal;

/// Requests that are converted at once, each in a thread, where there are fewer cores.
const MIN_CONVERSIONS: usize = 2;
/// Bytes that all requests in flight may take together.
const BUDGET_BYTES: usize = 64 << 20;
/// A request that is not durable by then is refused: clients commonly give up after 10 s.
const STORE_TIMEOUT: Duration = Duration::from_secs(8);

/// What the receivers for gRPC and HTTP share.
#[derive(Debug, Clone)]
pub(in super::super) struct State {
    budget: Budget,
    conversions: Arc<Semaphore>,
    producers: Arc<Mutex<ProducerIds>>,
    dedup: Arc<Mutex<Dedup>>,
    /// Those of `dedup`.
    hashers: (DefaultHashBuilder, DefaultHashBuilder),
    in_flight: Arc<AtomicUsize>,
}

impl Default for State {
    fn default() -> State {
        let dedup = Dedup::default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        State {
            hashers: dedup.hashers(),
            dedup: Arc::new(Mutex::new(dedup)),
            budget: Budget::new(BUDGET_BYTES),
            conversions: Arc::new(Semaphore::new(cores.max(MIN_CONVERSIONS))),
            producers: Arc::default(),
            in_flight: Arc::default(),
        }
    }
}

impl State {
    /// How many requests wait for the store.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }
}

/// Takes requests. Clones share all.
#[derive(Debug, Clone)]
pub(super) struct ExportService {
    context: Arc<ReceiverContext>,
    state: State,
    /// Those of who may send; `None`: everybody may.
    tokens: Option<Tokens>,
}

/// Who sent a request, and to which receiver.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) receiver: &'static str,
    pub(super) address: Option<SocketAddr>,
}

impl ExportService {
    pub(super) fn new(
        context: ReceiverContext,
        state: State,
        tokens: Option<Tokens>,
    ) -> ExportService {
        ExportService {
            context: Arc::new(context),
            state,
            tokens,
        }
    }

    /// Checks who sends a request, before anything of its body is read.
    ///
    /// # Errors
    /// If he may not.
    pub(super) fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(tokens) = &self.tokens else {
            return Ok(());
        };
        let secret = bearer(headers).and_then(|secret| secret.ok_or(Denied::Missing));
        let checked = secret.and_then(|secret| tokens.check(secret, Needs::Ingest));
        checked.map(|_| ()).map_err(Refusal::from)
    }

    /// The memory of a request, to be taken before it is filled.
    pub(super) fn share(&self) -> Arc<Share> {
        self.state.budget.share()
    }

    /// Takes a request and waits until all of it is durable. `share` is the memory that it has taken.
    ///
    /// # Errors
    /// If nothing of it was taken, or it is not known what became of it.
    pub(super) async fn export(
        &self,
        signal: Signal,
        peer: Peer,
        request: Bytes,
        share: Arc<Share>,
    ) -> Result<PartialSuccess, Refusal> {
        let encoding = encoding(signal);
        self.context
            .received(peer.receiver, encoding, 1, request.len());
        let _in_flight = InFlight::new(&self.state.in_flight);
        let exporting = async {
            let permit = Arc::clone(&self.state.conversions)
                .acquire_owned()
                .await
                .map_err(|_| Refusal::Failed("no thread"))?;
            let this = self.clone();
            let convert = move || {
                // Held to the end of the conversion, also if the client is gone.
                let _held = (permit, share);
                this.convert(signal, &request)
            };
            let (partial_success, records, pending) =
                tokio::task::spawn_blocking(convert)
                    .await
                    .map_err(|_| Refusal::Failed("the conversion panicked"))??;
            pending.durable(&self.state.dedup).await?;
            Ok::<_, Refusal>((partial_success, records))
        };
        let (partial_success, records) = match tokio::time::timeout(STORE_TIMEOUT, exporting).await
        {
            Ok(result) => result?,
            Err(_) => return Err(Refusal::Away),
        };
        self.context.accepted(peer.receiver, encoding, records);
        if let Some((count, reason)) = partial(&partial_success) {
            self.context
                .refused(peer.receiver, encoding, partial_success.refused);
            let detail = format!("{count} {} were refused: {reason}", signal.items());
            self.fault(peer, "bad records", &detail);
        }
        Ok(partial_success)
    }

    /// Counts a refusal, and reports it if it is a fault.
    pub(super) fn report(&self, peer: Peer, refusal: &Refusal) {
        let (reason, detail) = (refusal.answer().reason, refusal.to_string());
        let (receiver, rejected) = (peer.receiver, &self.context.rejected);
        match refusal {
            // Many programs send all their signals to one address.
            Refusal::NotTaken(_) => {
                let address = peer.address.map(|address| address.to_string());
                rejected.unsupported(receiver, reason, address.as_deref(), &detail);
            }
            // Programs end, and daemons restart.
            Refusal::BrokeOff(_) | Refusal::Stopping => {
                rejected.count_only(receiver, reason);
                tracing::debug!(receiver, "{reason}: {detail}");
            }
            _ => self.fault(peer, reason, &detail),
        }
    }

    fn fault(&self, peer: Peer, reason: &'static str, detail: &str) {
        let address = peer.address.map(|address| address.to_string());
        let rejected = &self.context.rejected;
        rejected.report(peer.receiver, reason, address.as_deref(), detail);
    }

    /// Puts the records of a request into the intake's queue, and gives how many; waits while that is full.
    fn convert(
        &self,
        signal: Signal,
        request: &[u8],
    ) -> Result<(PartialSuccess, u64, Pending), Refusal> {
        let (stored, events) = unbounded_channel();
        let mut sink = BatchSink {
            service: self,
            stored,
            submitted: 0,
            records: 0,
            closed: false,
        };
        let dedup = &self.state.dedup;
        // Only spans: log records have no ids, and the same ones may be meant twice.
        let key = (signal == Signal::Traces).then(|| dedup::key(&self.state.hashers, request));
        let taken = if key.is_none_or(|key| lock(dedup).insert(key)) {
            match signal {
                Signal::Traces => receive::traces(request, &mut sink),
                Signal::Logs => receive::logs(request, intake::now(), &mut sink),
            }
            .map_err(|error| Refusal::Malformed(error.to_string()))
        } else {
            tracing::debug!("a request came again");
            // The first one may not be durable yet: it is when all before this is.
            let stored = sink.stored.clone();
            sink.submit(|intake| intake.after(Box::new(move || _ = stored.send(Stored::Durable))));
            Ok(PartialSuccess::default())
        };
        let taken = if sink.closed {
            Err(Refusal::Stopping)
        } else {
            taken
        };
        if let (Err(_), Some(key)) = (&taken, key) {
            lock(dedup).forget(key);
        }
        let pending = Pending {
            events,
            left: sink.submitted,
            key,
        };
        taken.map(|partial_success| (partial_success, sink.records, pending))
    }
}

/// Counts a request as long as it lives, also one whose client is gone.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn new(count: &Arc<AtomicUsize>) -> InFlight {
        count.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The value of the label `encoding`.
fn encoding(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "otlp traces",
        Signal::Logs => "otlp logs",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the batches of one request.
struct BatchSink<'s> {
    service: &'s ExportService,
    stored: UnboundedSender<Stored>,
    /// How many answers of the store are to be waited for.
    submitted: usize,
    /// Records in the batches.
    records: u64,
    closed: bool,
}

impl BatchSink<'_> {
    fn submit(&mut self, put: impl FnOnce(&Intake) -> Result<(), intake::Closed>) {
        match put(&self.service.context.intake) {
            Ok(()) => self.submitted += 1,
            Err(intake::Closed) => self.closed = true,
        }
    }
}

impl Take for BatchSink<'_> {
    fn offsets(&mut self, resource: &[u8], count: u64) -> (ProducerId, u64) {
        let mut producers = lock(&self.service.state.producers);
        let key = producers.key(resource);
        let (producer, first) = producers.offsets(key, count);
        drop(producers);
        self.service.context.liveness.note_seen(producer);
        (producer, first)
    }

    fn batch(&mut self, batch: receive::Batch) {
        let sender = self.stored.clone();
        self.records += u64::from(batch.count);
        let offsets = batch.from..batch.to;
        let mut batch = Batch::new(batch.producer, offsets, batch.count, batch.bytes);
        batch.done = Some(Box::new(move |stored| _ = sender.send(stored)));
        self.submit(|intake| intake.submit(batch));
    }
}

/// Batches that are not durable yet.
struct Pending {
    events: UnboundedReceiver<Stored>,
    left: usize,
    /// By which the request is remembered.
    key: Option<Key>,
}

impl Pending {
    async fn durable(mut self, dedup: &Mutex<Dedup>) -> Result<(), Refusal> {
        while self.left > 0 {
            match self.events.recv().await {
                Some(Stored::Durable) => self.left -= 1,
                failed => {
                    if let Some(key) = self.key {
                        lock(dedup).forget(key);
                    }
                    return Err(match failed {
                        // The store is closed.
                        None => Refusal::Stopping,
                        Some(_) => Refusal::Failed("a batch could not be stored"),
                    });
                }
            }
        }
        Ok(())
    }
}
