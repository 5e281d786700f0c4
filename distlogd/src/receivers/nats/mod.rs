//! The source `nats`: takes what processors `nats` of other daemons publish to a stream of NATS JetStream.
//!
//! The daemons of a group share the partitions of the stream. Each partition has one reader at a time, so that what
//! belongs together is stored in one place and in order: a lease in a key-value bucket says who, and up to where the
//! group has stored it (`bucket.rs`). Whoever takes a partition begins there. That place is written after the store
//! has made the records durable, so nothing is lost; between the two a kill may come, and then another daemon stores
//! the same records, too. One and the same daemon does not: it stores with each message the place of it in the stream
//! (`Upstream`), and begins behind the last.
//!
//! `member.rs` is a member of the group, `plan.rs` what falls to it, `partition.rs` reads one partition, `storing.rs`
//! hands what was read to the store and waits while that takes nothing more.

mod bucket;
mod config;
mod member;
mod partition;
mod plan;
mod storing;

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle as TaskHandle;

use crate::nats::connect;
use crate::receiver::{Endpoint, Receiver, ReceiverContext};
use crate::self_telemetry::RateLimited;
use crate::shutdown::Phase;

pub use config::Config;
use member::Member;
use storing::Message;

const NATS: &str = "nats";
/// Messages that were read and wait for the store: a reader waits while there are more.
const MAX_WAITING: usize = 64;
/// The pause before a group is joined again grows from the first to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The source.
pub(super) struct Nats {
    name: String,
    config: Config,
    thread: Option<JoinHandle<()>>,
    task: Option<(TaskHandle<()>, Handle)>,
}

impl Nats {
    pub(super) fn new(name: &str, config: &Config) -> Nats {
        Nats {
            name: name.to_owned(),
            config: config.clone(),
            thread: None,
            task: None,
        }
    }
}

impl Receiver for Nats {
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let (own, watched) = (context.clone(), context.supervisor.watch("the source nats"));
        let thread = std::thread::Builder::new().name(NATS.into());
        self.thread = Some(thread.spawn(move || {
            let _watched = watched;
            storing::store(&own, receiver);
        })?);
        let runtime = context.runtime.clone();
        let (name, config) = (self.name.clone(), self.config.clone());
        let task = runtime.spawn(async move { run(&name, &config, &context, sender).await });
        self.task = Some((task, runtime));
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.task
            .as_ref()
            .is_none_or(|(task, _)| task.is_finished())
    }

    fn wait(&mut self) {
        if let Some((task, _)) = self.task.take() {
            // The store is closed: nothing that it does is of use any more.
            task.abort();
        }
        // The supervisor hears of a panic.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Is a member of the group until the daemon stops.
async fn run(
    name: &str,
    config: &Config,
    context: &ReceiverContext,
    messages: mpsc::Sender<Message>,
) {
    let mut failure = RateLimited::once();
    let mut back_off = BACK_OFF.0;
    while !context.is_stopping() {
        let stopping = context.shutdown.clone().wait_for(Phase::Receivers);
        let joining = join(name, config, context, messages.clone());
        let joined = tokio::select! {
            joined = joining => joined,
            () = stopping => return,
        };
        match joined {
            Ok(member) => {
                back_off = BACK_OFF.0;
                take_part(name, member, context, &mut failure).await;
            }
            Err(why) => report(name, &why, &mut failure),
        }
        let stopping = context.shutdown.clone().wait_for(Phase::Receivers);
        tokio::select! {
            () = tokio::time::sleep(back_off) => {}
            () = stopping => return,
        }
        back_off = (back_off * 2).min(BACK_OFF.1);
    }
}

async fn join(
    name: &str,
    config: &Config,
    context: &ReceiverContext,
    messages: mpsc::Sender<Message>,
) -> Result<Member, String> {
    let shown = format!("distlogd {} (source {name})", crate::host::hostname());
    let connection = connect(&config.server, &shown).await?;
    Member::join(name, config, connection, context, messages).await
}

/// Takes part until the daemon stops, or the stream is another one.
async fn take_part(
    name: &str,
    mut member: Member,
    context: &ReceiverContext,
    failure: &mut RateLimited,
) {
    let mut misses = 0;
    loop {
        match member.act().await {
            Ok(()) => {
                misses = 0;
                if failure.over() {
                    tracing::info!(source = name, "works again");
                }
            }
            Err(why) => {
                report(name, &why, failure);
                misses += 1;
            }
        }
        // The stream or the bucket may be others now.
        if misses > MAX_MISSES {
            return;
        }
        let stopping = context.shutdown.clone().wait_for(Phase::Receivers);
        tokio::select! {
            () = tokio::time::sleep(member.interval()) => {}
            () = stopping => return member.leave().await,
        }
    }
}

/// After so many failures in a row a member begins anew.
const MAX_MISSES: u32 = 12;

fn report(name: &str, why: &str, failure: &mut RateLimited) {
    if failure.report(1).is_some() {
        tracing::warn!(source = name, "{why}; tried again until it works");
    }
}
