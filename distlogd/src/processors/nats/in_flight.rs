//! What is published since the last flush: not yet acknowledged, or acknowledged.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use tokio::time::timeout;

use super::acknowledged::Acknowledged;
use crate::nats::reason;

/// Messages in flight at most, however small. The context has room for more.
const MAX_MESSAGES: usize = 4096;
/// How long answers are waited for after a failure, all together: most are there already.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Why the stream did not take a message: the end of a sentence that begins with the stream.
#[derive(Debug)]
pub(super) struct Fault(PublishError);

/// What is published since the last flush.
pub(super) struct InFlight {
    /// Not yet acknowledged, oldest first.
    waiting: VecDeque<Waiting>,
    acknowledged: Acknowledged,
    bytes: usize,
    limit: usize,
}

/// A message that is not yet acknowledged.
struct Waiting {
    id: String,
    bytes: usize,
    answer: PublishAckFuture,
}

impl InFlight {
    /// At most so many bytes.
    pub(super) fn new(limit: usize) -> InFlight {
        InFlight {
            waiting: VecDeque::new(),
            acknowledged: Acknowledged::default(),
            bytes: 0,
            limit,
        }
    }

    /// Publishes a message, unless it is acknowledged already; waits only while too much is in flight.
    ///
    /// # Errors
    /// If it cannot be published, or an earlier one was not taken.
    pub(super) async fn publish(
        &mut self,
        jetstream: &Context,
        subject: &str,
        id: String,
        body: Vec<u8>,
    ) -> Result<(), Fault> {
        if self.acknowledged.present(&id) {
            return Ok(());
        }
        let bytes = body.len();
        while !self.waiting.is_empty()
            && (self.bytes + bytes > self.limit || self.waiting.len() >= MAX_MESSAGES)
        {
            self.settle_one().await?;
        }
        let message = PublishMessage::build().payload(body.into()).message_id(&id);
        let sent = jetstream.send_publish(subject.to_owned(), message).await;
        let answer = sent.map_err(Fault)?;
        self.waiting.push_back(Waiting { id, bytes, answer });
        self.bytes += bytes;
        Ok(())
    }

    /// Waits until all are acknowledged. What was presented is not presented again then.
    ///
    /// # Errors
    /// If one was not taken.
    pub(super) async fn settle(&mut self) -> Result<(), Fault> {
        while !self.waiting.is_empty() {
            self.settle_one().await?;
        }
        self.acknowledged.flushed();
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), Fault> {
        let Some(Waiting { id, bytes, answer }) = self.waiting.pop_front() else {
            return Ok(());
        };
        self.bytes -= bytes;
        // A message that the stream had already is acknowledged, too.
        answer.await.map_err(Fault)?;
        self.acknowledged.add(id);
        Ok(())
    }

    /// After a failure: notes what is acknowledged by now, and forgets the rest. The stream may take some of that all
    /// the same, and recognises it later.
    pub(super) async fn abandon(&mut self) {
        let answers = async {
            while !self.waiting.is_empty() {
                // Another failure tells nothing new.
                let _ = self.settle_one().await;
            }
        };
        let _ = timeout(LAST_ANSWERS, answers).await;
        self.waiting.clear();
        self.bytes = 0;
        self.acknowledged.failed();
    }

    /// Forgets what was acknowledged: the stream is another one.
    pub(super) fn forget(&mut self) {
        self.acknowledged.forget();
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault(error) = self;
        match error.kind() {
            PublishErrorKind::TimedOut => {
                f.write_str("does not acknowledge within 5 s: do most of its servers run?")
            }
            PublishErrorKind::StreamNotFound => f.write_str(
                "has nobody who answers for it: it was deleted, its leader is being elected, or JetStream is off there",
            ),
            PublishErrorKind::BrokenPipe => f.write_str("was lost with the connection"),
            PublishErrorKind::MaxPayloadExceeded => {
                f.write_str("takes smaller messages than before; they are cut anew")
            }
            _ => {
                let why = reason(error);
                if why.contains("maximum") && why.contains("exceeded") {
                    write!(
                        f,
                        "is full ({why}): it takes more when hubs have read of it, or with a larger `keep: {{ size: … }}`"
                    )
                } else {
                    write!(f, "takes nothing now: {why}")
                }
            }
        }
    }
}
