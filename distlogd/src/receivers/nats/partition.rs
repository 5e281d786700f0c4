//! Reads one partition while this daemon has its lease: from the place where the store is, in order, without a gap.
//!
//! The server keeps nothing of how far we are: its consumer is a cheap one that lives as long as we read from it, and
//! is made anew at our place when anything is unusual. What is stored is written into the lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt;

use super::bucket::{Lease, LeaseError};
use super::storing::{Message, Progress};
use crate::intake::Intake;
use crate::nats::{Connection, NatsStream, reason, subject};
use distlog_proto::ProducerId;

/// What one pull asks for, at most: so much memory each partition may take.
const PULL_MESSAGES: usize = 256;
const PULL_BYTES: usize = 1 << 20;
/// How long the server may wait for messages before it answers that there are none.
const PULL_EXPIRES: Duration = Duration::from_secs(2);
/// How much later the answer may come before the consumer counts as lost.
const PULL_GRACE: Duration = Duration::from_secs(2);
/// A consumer that is not pulled from is removed by the server after this time.
const INACTIVE: Duration = Duration::from_secs(30);
/// How often what is stored is written into the lease.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// The pause before a consumer is made anew.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How often the server is asked how far we are behind.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long what was read last may take to become durable when the partition is given back.
const LAST_STORED: Duration = Duration::from_secs(3);

/// What reads a partition.
pub(super) struct Reader {
    pub(super) connection: Arc<Connection>,
    pub(super) stream: String,
    /// When the stream was made, in ns since the epoch.
    pub(super) made: i64,
    pub(super) partition: u16,
    /// Names the partition in the store.
    pub(super) key: ProducerId,
    pub(super) lease: Lease,
    pub(super) intake: Intake,
    pub(super) messages: mpsc::Sender<Message>,
    /// Messages of the partition that are not stored yet.
    pub(super) pending: Arc<AtomicU64>,
    /// True when it is to stop.
    pub(super) stop: watch::Receiver<bool>,
}

/// Why a partition is no longer read.
#[derive(Debug)]
pub(super) enum End {
    /// It was told to stop, and has given it back.
    Released,
    /// Somebody else has it now.
    Lost,
    /// The daemon takes nothing more.
    Closed,
    /// A sentence.
    Failed(String),
}

impl Reader {
    /// Reads until it is to stop, the lease is lost or the daemon closes.
    pub(super) async fn run(mut self) -> End {
        let next = match self.resume().await {
            Some(next) => next,
            None => return End::Closed,
        };
        let mut at = Position {
            next,
            progress: Arc::new(Progress::new(self.key, next)),
            committed_at: Instant::now(),
        };
        let end = loop {
            match self.pull(&mut at).await {
                Ok(()) => {}
                Err(Stop::Asked) => break End::Released,
                Err(Stop::End(end)) => return end,
                Err(Stop::Again(why)) => {
                    tracing::debug!(partition = self.partition, "a consumer is made anew: {why}");
                    if let Err(end) = self.commit(&mut at, true).await {
                        return end;
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
            if *self.stop.borrow() {
                break End::Released;
            }
            if at.progress.has_gap() {
                match self.resume().await {
                    Some(next) => at.next = next,
                    None => return End::Closed,
                }
                at.progress = Arc::new(Progress::new(self.key, at.next));
            }
        };
        self.release(&at).await;
        end
    }

    /// The place where the store is: the lease's, or a later one if a kill came between storing and the lease.
    async fn resume(&self) -> Option<u64> {
        let (sender, answer) = oneshot::channel();
        let answered = Box::new(move |next| _ = sender.send(next));
        self.intake
            .resume_offset(self.key, self.lease.next, answered)
            .ok()?;
        answer.await.ok()
    }

    /// Makes a consumer and reads from it until something is unusual.
    async fn pull(&mut self, at: &mut Position) -> Result<(), Stop> {
        let jetstream = &self.connection.jetstream;
        let stream = jetstream.get_stream(&self.stream).await;
        let stream = stream.map_err(|error| Stop::Again(reason(&error)))?;
        if NatsStream::made(stream.cached_info()) != self.made {
            return Err(Stop::End(End::Failed(format!(
                "the stream {} at {} was made anew",
                self.stream, self.connection.at
            ))));
        }
        let config = pull::Config {
            description: Some("distlogd, while it reads".into()),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: at.next.max(1),
            },
            ack_policy: AckPolicy::None,
            filter_subject: subject(&self.stream, self.partition),
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await;
        let consumer = consumer.map_err(|error| Stop::Again(reason(&error)))?;
        let looked = look(
            consumer.clone(),
            Arc::clone(&at.progress),
            Arc::clone(&self.pending),
        );
        tokio::select! {
            biased;
            read = self.read(at, &consumer) => read,
            () = looked => Ok(()),
        }
    }

    /// Reads from a consumer until something is unusual.
    async fn read(&mut self, at: &mut Position, consumer: &PullConsumer) -> Result<(), Stop> {
        // A message that is larger than what is asked for would never come.
        let bytes = PULL_BYTES.max(self.connection.client.server_info().max_payload + 4096);
        let mut expected = 1;
        loop {
            let pull = consumer
                .batch()
                .max_messages(PULL_MESSAGES)
                .max_bytes(bytes)
                .expires(PULL_EXPIRES)
                .messages()
                .await;
            let mut pull = pull.map_err(|error| Stop::Again(reason(&error)))?;
            loop {
                self.commit(at, false).await.map_err(Stop::End)?;
                let next = tokio::select! {
                    biased;
                    _ = self.stop.wait_for(|stop| *stop) => return Err(Stop::Asked),
                    next = timeout(PULL_EXPIRES + PULL_GRACE, pull.next()) => next,
                };
                let Ok(next) = next else {
                    return Err(Stop::Again("the server does not answer".into()));
                };
                let Some(message) = next else { break };
                let message = message.map_err(|error| Stop::Again(error.to_string()))?;
                let info = message
                    .info()
                    .map_err(|error| Stop::Again(error.to_string()))?;
                let (seq, consumed) = (info.stream_sequence, info.consumer_sequence);
                if consumed != expected || seq < at.next {
                    return Err(Stop::Again("a message was missed".into()));
                }
                expected += 1;
                at.progress.read();
                let message = Message {
                    progress: Arc::clone(&at.progress),
                    from: at.next,
                    to: seq + 1,
                    body: message.message.payload,
                };
                tokio::select! {
                    biased;
                    _ = self.stop.wait_for(|stop| *stop) => return Err(Stop::Asked),
                    sent = self.messages.send(message) => {
                        sent.map_err(|_| Stop::End(End::Closed))?;
                    }
                }
                at.next = seq + 1;
                if at.progress.has_gap() {
                    return Ok(());
                }
            }
        }
    }

    /// Writes into the lease what is stored, now and then, or at once.
    async fn commit(&mut self, at: &mut Position, at_once: bool) -> Result<(), End> {
        let durable = at.progress.durable();
        if durable <= self.lease.next || !(at_once || at.committed_at.elapsed() >= COMMIT_INTERVAL)
        {
            return Ok(());
        }
        at.committed_at = Instant::now();
        match self.lease.commit(durable).await {
            Ok(()) => Ok(()),
            Err(LeaseError::Lost) => Err(End::Lost),
            // It is said by who shows that we live, and tried again.
            Err(LeaseError::Unknown(why)) => {
                tracing::debug!(partition = self.partition, "a lease was not written: {why}");
                Ok(())
            }
        }
    }

    /// Waits until what was read is durable, and gives the partition back.
    async fn release(self, at: &Position) {
        let deadline = Instant::now() + LAST_STORED;
        while at.progress.durable() < at.next && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let next = at.progress.durable();
        if let Err(error) = self.lease.release(next).await {
            tracing::debug!(
                partition = self.partition,
                "a partition was not given back: {error:?}"
            );
        }
    }
}

/// Looks again and again how many messages are not stored yet.
async fn look(consumer: PullConsumer, progress: Arc<Progress>, pending: Arc<AtomicU64>) {
    loop {
        // One that is not answered is asked again.
        if let Ok(info) = consumer.get_info().await {
            pending.store(info.num_pending + progress.waiting(), Ordering::Relaxed);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// How far a partition is read.
struct Position {
    /// The place that is read next.
    next: u64,
    progress: Arc<Progress>,
    committed_at: Instant,
}

/// Why reading stops.
enum Stop {
    /// It is to stop.
    Asked,
    /// For good.
    End(End),
    /// The consumer is of no use any more; a sentence.
    Again(String),
}
