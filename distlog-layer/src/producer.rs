//! A producer: one run of one process, with its ring and its sender.
//!
//! A forked child is a process of its own: it has no sender, and shares the parent's name only by mistake. So whoever
//! logs asks [`Producer::current`], which makes a new producer in the child when the child logs first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use distlog_proto::wire::encode;
use distlog_proto::{Map, ProducerId, Source};

use crate::callsite::Callsites;
use crate::clock::Clock;
use crate::control::{Control, Flush};
use crate::overflow::{Dropped, Losses};
use crate::ring::{ForkMark, Pushed, Refused, Ring};
use crate::sender::Sender;
use crate::settings::{Overflow, Settings};
use crate::shared::Shared;
use crate::socket::Push;

/// The system did not give what the layer needs, or the address is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Neither `tcp://` nor `ipc://`.
    #[error("`{0}` is no address of distlogd: expected tcp://HOST:PORT or ipc://PATH")]
    Scheme(String),
    /// ZeroMQ refuses the address.
    #[error("cannot connect to `{address}`: {source}; expected tcp://HOST:PORT or ipc://PATH")]
    Address {
        /// As it was given.
        address: String,
        /// What ZeroMQ says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no memory for the ring.
    #[error("cannot get {bytes} bytes for the ring: {source}")]
    Memory {
        /// As much was asked for.
        bytes: usize,
        /// What the system says.
        source: std::io::Error,
    },
    /// The sender's thread could not be started.
    #[error("cannot start the sender's thread: {0}")]
    Thread(std::io::Error),
}

/// See the module.
pub(crate) struct Producer {
    instance: u64,
    id: ProducerId,
    mark: ForkMark,
    shared: Arc<Shared>,
    overflow: Overflow,
    /// The sender is woken when the ring holds more, in bytes.
    wake_at: u64,
    settings: Arc<Settings>,
    sender: Mutex<Option<JoinHandle<Flush>>>,
    /// That of this process, if this process was forked from the one this producer is of. `None`: it cannot be had.
    next: OnceLock<Option<Box<Producer>>>,
}

impl Producer {
    /// A new one, with its sender running.
    pub(crate) fn start(settings: Arc<Settings>) -> Result<Producer, ConnectError> {
        static INSTANCES: AtomicU64 = AtomicU64::new(1);

        let address = settings.address.clone();
        if !address.starts_with("tcp://") && !address.starts_with("ipc://") {
            return Err(ConnectError::Scheme(address));
        }
        let push =
            Push::connect(&address, settings.encoding).map_err(|source| ConnectError::Address {
                address,
                source: source.into(),
            })?;
        let (ring, reader) =
            Ring::anonymous(settings.ring).map_err(|source| ConnectError::Memory {
                bytes: settings.ring,
                source,
            })?;
        let wake_at = ring.capacity() / 8;
        let shared = Arc::new(Shared {
            ring,
            callsites: Callsites::new(),
            losses: Losses::default(),
            clock: Clock::new(),
            control: Control::default(),
        });
        let id = ProducerId::random();
        let sender = Sender::new(
            Arc::clone(&shared),
            reader,
            push,
            source(&settings, id),
            &settings,
        );
        let thread = std::thread::Builder::new()
            .name("distlog-sender".into())
            .spawn(move || sender.run())
            .map_err(ConnectError::Thread)?;
        Ok(Producer {
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
            id,
            mark: ForkMark::new(),
            shared,
            overflow: settings.overflow,
            wake_at,
            settings,
            sender: Mutex::new(Some(thread)),
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
            let start = || {
                Producer::start(Arc::clone(&producer.settings))
                    .ok()
                    .map(Box::new)
            };
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

    /// Puts a record into the ring, or does with it what the builder was told for a full one.
    #[inline]
    pub(crate) fn submit(&self, site: u32, level: usize, time: u64, record: &[u8]) {
        let refused = match self.shared.ring.push(site, record) {
            Ok(pushed) => return self.pushed(pushed),
            Err(refused) => refused,
        };
        self.refused(refused, site, level, time, record);
    }

    #[inline]
    fn pushed(&self, pushed: Pushed) {
        if pushed.used > self.wake_at {
            self.shared.control.wake();
        }
    }

    #[cold]
    fn refused(&self, refused: Refused, site: u32, level: usize, time: u64, record: &[u8]) {
        let control = &self.shared.control;
        control.wake();
        if let (Refused::Full, Overflow::Block(timeout), false) =
            (refused, self.overflow, control.is_closed())
        {
            let attempt = || match self.shared.ring.push(site, record) {
                Ok(_) => true,
                Err(_) => {
                    control.wake();
                    false
                }
            };
            if self.shared.losses.wait(timeout, attempt) {
                return;
            }
        }
        self.shared.losses.count(&self.shared.ring, level, time);
    }

    /// Records dropped so far.
    pub(crate) fn dropped(&self) -> Dropped {
        Dropped::of(&self.shared.ring)
    }

    /// Waits until everything logged before is sent.
    pub(crate) fn flush(&self, timeout: Duration) -> Flush {
        let ring = &self.shared.ring;
        // Without an answer the sender has ended; what it left is in the ring.
        self.shared
            .control
            .flush(ring.head(), timeout)
            .unwrap_or(match ring.used() {
                0 => Flush::Flushed,
                bytes => Flush::Left { records: 0, bytes },
            })
    }

    /// Sends what there is and ends the sender. The second time there is nothing to do.
    pub(crate) fn stop(&self, timeout: Duration) -> Option<Flush> {
        let thread = self
            .sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        self.shared.control.stop(Instant::now() + timeout);
        thread.join().ok()
    }

    /// Forgets the sender's thread, which does not exist in this forked process.
    pub(crate) fn abandon(&self) {
        if self.mark.is_crossed()
            && let Ok(mut sender) = self.sender.try_lock()
        {
            std::mem::forget(sender.take());
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.abandon();
        let _ = self.stop(Duration::ZERO);
    }
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
        system: settings.system,
        stream: settings.stream,
        ..Source::default()
    };
    let mut out = Vec::new();
    encode::source(&mut out, &source);
    out
}
