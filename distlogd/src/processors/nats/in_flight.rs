//! What is published and not yet acknowledged.

use std::collections::VecDeque;
use std::fmt;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;

use crate::nats::reason;

/// Messages in flight at most, however small. The context has room for more.
const MAX_MESSAGES: usize = 4096;

/// Why the stream did not take a message: the end of a sentence that begins with the stream.
#[derive(Debug)]
pub(super) struct Fault(PublishError);

/// What is published and not yet acknowledged, oldest first.
pub(super) struct InFlight {
    waiting: VecDeque<(usize, PublishAckFuture)>,
    bytes: usize,
    limit: usize,
}

impl InFlight {
    /// At most so many bytes.
    pub(super) fn new(limit: usize) -> InFlight {
        InFlight {
            waiting: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    /// Publishes a message; waits only while too much is in flight.
    ///
    /// # Errors
    /// If it cannot be published, or an earlier one was not taken.
    pub(super) async fn publish(
        &mut self,
        jetstream: &Context,
        subject: &str,
        id: &str,
        body: Vec<u8>,
    ) -> Result<(), Fault> {
        let bytes = body.len();
        while !self.waiting.is_empty()
            && (self.bytes + bytes > self.limit || self.waiting.len() >= MAX_MESSAGES)
        {
            self.settle_one().await?;
        }
        let message = PublishMessage::build().payload(body.into()).message_id(id);
        let sent = jetstream.send_publish(subject.to_owned(), message).await;
        self.waiting.push_back((bytes, sent.map_err(Fault)?));
        self.bytes += bytes;
        Ok(())
    }

    /// Waits until all are acknowledged.
    ///
    /// # Errors
    /// If one was not taken.
    pub(super) async fn settle(&mut self) -> Result<(), Fault> {
        while !self.waiting.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), Fault> {
        let Some((bytes, acknowledged)) = self.waiting.pop_front() else {
            return Ok(());
        };
        self.bytes -= bytes;
        // A message that the stream had already is acknowledged, too.
        acknowledged.await.map(|_| ()).map_err(Fault)
    }

    /// Forgets what is in flight. The stream may take some of it all the same, and recognises it later.
    pub(super) fn abandon(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
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
