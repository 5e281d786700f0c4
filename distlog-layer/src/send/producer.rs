//! A producer: one run of one process, with its ring and its sender.
//!
//! A forked child is a process of its own: it has no sender, and shares the parent's name only by mistake. So whoever
//! logs asks [`Producer::current`], which makes a new producer in the child when the child logs first.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use distlog_client::internal_log::{Reporter, log};
use distlog_client::{
    Contexts, Dealers, DrainConfig, EndpointError, LevelsSink, SessionClient, SessionConfig,
    SpoolDrain, Transport, Worker,
};
use distlog_proto::wire::encode;
use distlog_proto::{Map, ProducerId, Source};
use distlog_spool::SpoolDir;

use crate::connect_error::ConnectError;
use crate::levels::LevelState;
use crate::record::callsite::Callsites;
use crate::record::clock::Clock;
use crate::record::redact::{Policy, ProducerPolicy, Redaction};
use crate::ring::{ForkMark, Pushed, Reader, Refused, Ring};
use crate::send::control::{Control, Flush};
use crate::send::deadline;
use crate::send::lifecycle::Lifecycle;
use crate::send::overflow::{Dropped, Room};
use crate::send::push::Push;
use crate::send::sender::Sender;
use crate::send::shared::Shared;
use crate::send::striped_counter::StripedCounter;
use crate::settings::{Destination, Overflow, Settings};

pub(crate) struct Producer {
    instance: u64,
    id: ProducerId,
    mark: ForkMark,
    shared: Arc<Shared>,
    overflow: Overflow,
    redaction: Option<Arc<Redaction>>,
    unsampled: StripedCounter,
    settings: Arc<Settings>,
    threads: Mutex<Option<Threads>>,
    life: Lifecycle,
    /// That of this process, if this process was forked from the one this producer is of. `None`: it cannot be had.
    next: OnceLock<Option<Box<Producer>>>,
}

/// For the last word to the daemon, when the time is up.
const GRACE: Duration = Duration::from_millis(500);

/// What works for the callers.
struct Threads {
    sender: Worker<Flush>,
    drain: Option<SpoolDrain>,
}

impl Producer {
    /// A new one, with its sender running.
    pub(crate) fn start(settings: Arc<Settings>) -> Result<Producer, ConnectError> {
        static INSTANCES: AtomicU64 = AtomicU64::new(1);

        let endpoints = settings.destination.endpoints();
        endpoints.check()?;
        let contexts = Contexts::new(endpoints.len());
        let id = ProducerId::random();
        let source = source(&settings, id);
        let levels: Arc<dyn LevelsSink> = Arc::clone(&settings.levels) as _;
        let transport = open(&settings, &contexts, id, &Arc::default(), Some(levels))?;
        let control = Control::new().map_err(ConnectError::Thread)?;
        let dir = settings.spool.as_ref().map(SpoolDir::open).transpose()?;
        let (ring, reader) = ring(&settings, dir.as_ref(), id, &source)?;
        let shared = Arc::new(Shared {
            callsites: Callsites::new(Arc::clone(&ring)),
            ring,
            room: Room::default(),
            clock: Clock::new(),
            control,
            levels: Arc::clone(&settings.levels),
        });
        let sender = Sender::new(Arc::clone(&shared), reader, transport, source);
        let sender = Worker::start("distlog-sender", move |left| sender.run(left))
            .map_err(ConnectError::Thread);
        if sender.is_err() {
            // Nobody has logged yet; an empty file would stay. Should it all the same, it is found empty.
            let _ = shared.ring.remove_spool();
        }
        let sender = sender?;
        // Without this one all else works, and the next process will do its work.
        let drain = dir.and_then(|dir| {
            drain(dir, Arc::clone(&settings), contexts, Arc::clone(&shared))
                .inspect_err(|error| log(format_args!("cannot look for spools: {error}")))
                .ok()
        });
        Ok(Producer {
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
            id,
            mark: ForkMark::new(),
            shared,
            overflow: settings.overflow,
            redaction: settings.redaction.clone(),
            unsampled: StripedCounter::default(),
            settings,
            threads: Mutex::new(Some(Threads { sender, drain })),
            life: Lifecycle::default(),
            next: OnceLock::new(),
        })
    }

    /// That of this process: `self`, or in a forked child another, which is made when it is first asked for.
    #[inline]
    pub(crate) fn current(&self) -> Option<&Producer> {
        if !self.mark.is_crossed() {
            return Some(self);
        }
        self.current_in_child(true)
    }

    /// That of this process, if there is one yet.
    pub(crate) fn existing(&self) -> Option<&Producer> {
        if self.mark.is_crossed() {
            self.current_in_child(false)
        } else {
            Some(self)
        }
    }

    #[cold]
    fn current_in_child(&self, make: bool) -> Option<&Producer> {
        let mut producer = self;
        while producer.mark.is_crossed() {
            let start = || start_in_child(&producer.settings).map(Box::new);
            producer = match make {
                true => producer.next.get_or_init(start),
                false => producer.next.get()?,
            }
            .as_deref()?;
        }
        Some(producer)
    }

    /// Distinguishes the producers of a process. Not 0.
    #[inline]
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    pub(crate) fn id(&self) -> ProducerId {
        self.id
    }

    /// What is recorded, where a filter asks.
    pub(crate) fn levels(&self) -> &Arc<LevelState> {
        &self.settings.levels
    }

    /// How far the program is with it.
    pub(crate) fn life(&self) -> &Lifecycle {
        &self.life
    }

    /// Whether anything was ever logged.
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.ring.head() == 0
    }

    pub(crate) fn callsites(&self) -> &Callsites {
        &self.shared.callsites
    }

    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// What an event may write of its own, and a task of its context, in bytes. The rest is for ids, links and marks.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.shared.ring.max_record() / 2 - 1536
    }

    /// What may be written of the values of a record.
    #[inline]
    pub(crate) fn policy(&self) -> ProducerPolicy<'_> {
        Policy {
            limit: self.limit(),
            redaction: self.redaction.as_deref(),
        }
    }

    /// Puts a record into the ring, behind the one with the offset `after`, or applies the overflow policy if it is
    /// full. Its offset; `None`: it was dropped.
    #[inline]
    pub(crate) fn submit(
        &self,
        after: u64,
        site: u32,
        level: usize,
        time: u64,
        record: &[u8],
    ) -> Option<u64> {
        let refused = match self.shared.ring.push_after(after, time, site, record) {
            Ok(pushed) => return Some(self.pushed(pushed)),
            Err(refused) => refused,
        };
        self.refused(refused, site, level, time, record)
    }

    #[inline]
    fn pushed(&self, pushed: Pushed) -> u64 {
        let control = &self.shared.control;
        control.wake_for_record(pushed.offset, pushed.used);
        pushed.offset
    }

    /// Its ring.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.shared.ring
    }

    /// Whether records of several threads may stand in another order than they were written in.
    #[inline]
    pub(crate) fn is_leasing(&self) -> bool {
        self.shared.ring.is_leasing()
    }

    #[cold]
    fn refused(
        &self,
        refused: Refused,
        site: u32,
        level: usize,
        time: u64,
        record: &[u8],
    ) -> Option<u64> {
        let Shared { control, ring, .. } = &*self.shared;
        control.wake_for(ring.head(), 0);
        if let (Refused::Full, Overflow::Block(timeout)) = (refused, self.overflow) {
            // Whatever it was to stand behind is before it then.
            let attempt = || match ring.push_after(u64::MAX, time, site, record) {
                Ok(pushed) => Some(Some(pushed.offset)),
                // Nobody makes room any more.
                Err(_) if control.is_ending() => Some(None),
                Err(_) => {
                    control.wake_for(ring.head(), 0);
                    None
                }
            };
            if let Some(offset) = self.shared.room.wait(timeout, attempt) {
                return Some(offset);
            }
        }
        ring.count_dropped(level, time);
        self.life.warn_if_stopped();
        None
    }

    /// Records that were not written so far, since their trace is not sampled.
    #[inline]
    pub(crate) fn unsampled(&self) -> &StripedCounter {
        &self.unsampled
    }

    /// Records dropped so far.
    pub(crate) fn dropped(&self) -> Dropped {
        Dropped::of(&self.shared.ring)
    }

    /// The directory where what is left will be found by the next process, if there is one.
    pub(crate) fn spool(&self) -> Option<&Path> {
        let spooled = self.shared.ring.is_spooled();
        self.settings.spool.as_deref().filter(|_| spooled)
    }

    /// Waits until everything logged before is sent, and durable if the receiver acknowledges.
    pub(crate) fn flush(&self, timeout: Duration) -> Flush {
        let target = self.shared.ring.head();
        let answer = self.shared.control.flush(target, timeout);
        answer.unwrap_or_else(|| self.left())
    }

    /// What is left if the sender does not say it: it is in the ring.
    fn left(&self) -> Flush {
        match self.shared.ring.used() {
            0 => Flush::Flushed,
            bytes => Flush::Left { records: 0, bytes },
        }
    }

    /// Sends what there is and ends the sender. The second time there is nothing to do.
    pub(crate) fn stop(&self, timeout: Duration) -> Option<Flush> {
        let threads = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        let deadline = deadline::after(timeout);
        self.shared.control.stop(deadline);
        let until = deadline + GRACE;
        let left = threads.sender.end(until).unwrap_or_else(|| self.left());
        // What the dead left comes behind what the living logged.
        if let Some(drain) = threads.drain {
            drain.finish(deadline, until);
        }
        self.life.set_stopped();
        Some(left)
    }

    /// Forgets the threads, which do not exist in this forked process.
    pub(crate) fn abandon(&self) {
        if self.mark.is_crossed()
            && let Ok(mut threads) = self.threads.try_lock()
        {
            std::mem::forget(threads.take());
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if self.mark.is_crossed() {
            // Somebody may have had the lock when the process was forked, and will never give it back.
            self.abandon();
        } else {
            let _ = self.stop(Duration::ZERO);
        }
    }
}

/// A transport for the records of a producer. `reporter`: it knows what was logged before. `levels`: of this process.
fn open(
    settings: &Settings,
    contexts: &Contexts,
    producer: ProducerId,
    reporter: &Arc<Reporter>,
    levels: Option<Arc<dyn LevelsSink>>,
) -> Result<Box<dyn Transport>, EndpointError> {
    Ok(match &settings.destination {
        Destination::Push(endpoint) => {
            Box::new(Push::open(contexts, endpoint, settings, reporter)?)
        }
        Destination::Session(endpoints) => Box::new(SessionClient::open(SessionConfig {
            producer,
            endpoints: endpoints.clone(),
            dial: Dealers {
                contexts: contexts.clone(),
                curve: settings.curve.clone(),
            },
            heartbeat: settings.heartbeat,
            timeouts: settings.timeouts,
            is_lazy: false,
            reporter: Some(Arc::clone(reporter)),
            levels,
        })?),
    })
}

/// Sends what dead processes left, as soon as this one is connected.
fn drain(
    dir: SpoolDir,
    settings: Arc<Settings>,
    contexts: Contexts,
    shared: Arc<Shared>,
) -> std::io::Result<SpoolDrain> {
    let reporter = Arc::default();
    SpoolDrain::start(DrainConfig {
        dir,
        timeouts: settings.timeouts,
        is_connected: Box::new(move || shared.control.is_reached()),
        open: Box::new(move |producer| open(&settings, &contexts, producer, &reporter, None).ok()),
    })
}

/// The way from the callers to the sender.
fn ring(
    settings: &Settings,
    dir: Option<&SpoolDir>,
    producer: ProducerId,
    source: &[u8],
) -> Result<(Arc<Ring>, Reader), ConnectError> {
    Ok(match dir {
        Some(dir) => Ring::spooled(
            dir,
            producer,
            settings.ring,
            source,
            settings.sigbus_handler,
        )?,
        None => Ring::anonymous(settings.ring).map_err(|source| ConnectError::Memory {
            bytes: settings.ring,
            source,
        })?,
    })
}

/// A forked child's own. It has asked for nothing and nobody there looks at errors, so it does without a spool if need
/// be.
fn start_in_child(settings: &Arc<Settings>) -> Option<Producer> {
    let spoolless = || {
        Arc::new(Settings {
            spool: None,
            ..Settings::clone(settings)
        })
    };
    Producer::start(Arc::clone(settings))
        .or_else(|error| match error {
            ConnectError::Spool(error) => {
                log(format_args!(
                    "in the forked process {}: {error}; it logs without a spool",
                    std::process::id()
                ));
                Producer::start(spoolless())
            }
            error => Err(error),
        })
        .inspect_err(|error| {
            let process = std::process::id();
            log(format_args!(
                "the forked process {process} does not log: {error}"
            ));
        })
        .ok()
}

/// Who logs, as a field of each batch.
fn source(settings: &Settings, producer: ProducerId) -> Vec<u8> {
    let process_name = std::env::current_exe()
        .ok()
        .and_then(|path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        })
        .unwrap_or_default();
    let source = Source {
        producer,
        host: settings.host.clone(),
        process_id: std::process::id().into(),
        process_name,
        service: settings.service.clone(),
        resource: settings
            .resource
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect::<Map>(),
        environment: settings.environment,
        channel: settings.channel,
        ..Source::default()
    };
    let mut out = Vec::new();
    encode::source(&mut out, &source);
    out
}
