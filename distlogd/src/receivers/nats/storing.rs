//! The thread that hands what was read to the store, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use distlog_proto::ProducerId;
use distlog_store::{MAX_BATCH, Upstream};
use tokio::sync::mpsc::Receiver;

use super::NATS;
use crate::intake::{Batch, Closed, Stored};
use crate::receiver::{ReceiverContext, validate};

/// How far the store is with a partition.
#[derive(Debug)]
pub(super) struct Progress {
    /// Names the partition in the store, among the producers.
    pub(super) stream: ProducerId,
    /// All before it is durable, or never will be.
    durable: AtomicU64,
    /// Messages that were read and are not durable yet.
    waiting: AtomicU64,
    /// The store stands elsewhere.
    gap: AtomicBool,
}

impl Progress {
    pub(super) fn new(stream: ProducerId, next: u64) -> Progress {
        Progress {
            stream,
            durable: AtomicU64::new(next),
            waiting: AtomicU64::new(0),
            gap: AtomicBool::new(false),
        }
    }

    /// All before it is durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// A message was read, which [`store`] is about to get.
    pub(super) fn read(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages that were read and are not durable yet.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the store stands elsewhere, and is to be asked where.
    pub(super) fn has_gap(&self) -> bool {
        self.gap.load(Ordering::Acquire)
    }

    fn settle(&self, to: u64, stored: Stored) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match stored {
            Stored::Durable => _ = self.durable.fetch_max(to, Ordering::AcqRel),
            Stored::Gap { .. } | Stored::Refused => self.gap.store(true, Ordering::Release),
        }
    }
}

/// A message that was read.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) progress: Arc<Progress>,
    /// The place after the message before it.
    pub(super) from: u64,
    /// The place after it.
    pub(super) to: u64,
    pub(super) body: Bytes,
}

/// Stores messages until nobody sends any more, or the daemon takes nothing more.
pub(super) fn store(context: &ReceiverContext, mut messages: Receiver<Message>) {
    while let Some(message) = messages.blocking_recv() {
        if store_one(context, message).is_err() {
            return;
        }
    }
}

fn store_one(context: &ReceiverContext, message: Message) -> Result<(), Closed> {
    let Message {
        progress,
        from,
        to,
        body,
    } = message;
    context.received(NATS, "B", 1, body.len());
    let stream = progress.stream;
    let batch = records(context, body).map(|batch| {
        // Whether it is alive is judged by the daemon that it sends to.
        context.liveness.note_moved(batch.producer);
        Batch {
            upstream: Some(Upstream { stream, from, to }),
            ..batch
        }
    });
    // What has no records moves the position all the same.
    let batch = batch.unwrap_or_else(|| Batch {
        ordered: true,
        ..Batch::new(stream, from..to, 0, Vec::new())
    });
    context.intake.submit(Batch {
        done: Some(Box::new(move |stored| progress.settle(to, stored))),
        ..batch
    })
}

/// The records of a message, if there are any that can be stored.
fn records(context: &ReceiverContext, body: Bytes) -> Option<Batch> {
    if body.len() > MAX_BATCH {
        let detail = format_args!(
            "a message of {} bytes, more than a batch may have",
            body.len()
        );
        context.rejected.report(NATS, "bad batch", None, detail);
        return None;
    }
    let validated = match validate(body.into()) {
        Ok(validated) => validated,
        Err(error) => {
            context.rejected.report(NATS, "bad batch", None, error);
            return None;
        }
    };
    if let Some(left_out) = &validated.left_out {
        context.refused(NATS, "B", left_out.records);
        context.rejected.report(NATS, "bad records", None, left_out);
    }
    let batch = validated.batch?;
    context.accepted(NATS, "B", batch.count.into());
    Some(batch)
}
