//! [`Builder`]: what to say before the first record.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use distlog_client::{Curve, Endpoints, FailoverTimeouts};
use distlog_proto::{Channel, Encoding, Environment, ExternalSpanState};
use tracing_core::Dispatch;
use tracing_core::span::Id;

use crate::connect_error::ConnectError;
use crate::environment;
use crate::exit;
use crate::guard::Guard;
use crate::record::redact::Redaction;
use crate::record::sampling::{IncomingSampled, Sampler};
use crate::send::producer::Producer;
use crate::settings::{Destination, Overflow, Settings};
use crate::task::DistlogLayer;

/// The smallest ring, in bytes: records of 8 KiB fit.
const MIN_RING: usize = 64 * 1024;
/// The shortest heartbeat: answers come as fast as a network is, and would be followed by the next one.
const MIN_HEARTBEAT: Duration = Duration::from_millis(10);

/// Begins to build a layer.
///
/// ```
/// # use tracing_subscriber::prelude::*;
/// let (layer, guard) = distlog_layer::builder()
///     .service("shop")
///     .resource("deployment.environment.name", "staging")
///     .connect("tcp://127.0.0.1:5011")?;
/// let subscriber = tracing_subscriber::registry().with(layer);
/// # drop(subscriber);
/// # let _ = guard.close(std::time::Duration::ZERO);
/// # Ok::<(), distlog_layer::ConnectError>(())
/// ```
pub fn builder() -> Builder {
    Builder {
        settings: Settings {
            service: String::new(),
            host: host(),
            resource: Vec::new(),
            environment: Environment::default(),
            channel: Channel::default(),
            encoding: Encoding::default(),
            ring: 16 * 1024 * 1024,
            overflow: Overflow::default(),
            heartbeat: Duration::from_secs(5),
            flush_on_drop: Duration::from_secs(3),
            redaction: None,
            sample: None,
            incoming_sampled: IncomingSampled::default(),
            spool: None,
            sigbus_handler: true,
            external_span: None,
            levels: Arc::default(),
            timeouts: FailoverTimeouts::default(),
            destination: Destination::Push(String::new()),
            curve: None,
        },
        environment: None,
    }
}

/// See [`builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is connected"]
pub struct Builder {
    settings: Settings,
    /// As far as it was said.
    environment: Option<Environment>,
}

impl Builder {
    /// The name of the service (`service.name`). Without it, that of `OTEL_SERVICE_NAME` or in
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn service(mut self, name: impl Into<String>) -> Builder {
        self.settings.service = name.into();
        self
    }

    /// A further attribute of the OpenTelemetry resource; the last one of a name counts. Those in
    /// `OTEL_RESOURCE_ATTRIBUTES` are there, too, where the builder says no other.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Builder {
        self.settings.resource.push((key.into(), value.into()));
        self
    }

    /// The host's name. Without it, the one that the system knows.
    pub fn host(mut self, name: impl Into<String>) -> Builder {
        self.settings.host = name.into();
        self
    }

    /// The system that the program belongs to: test, staging or production. Without it, that which
    /// `deployment.environment.name` names, if it does; else test.
    pub fn environment(mut self, environment: Environment) -> Builder {
        self.environment = Some(environment);
        self
    }

    /// What the records are about: logging (as long as nothing else is said) or performance.
    pub fn channel(mut self, channel: Channel) -> Builder {
        self.settings.channel = channel;
        self
    }

    /// How records are written on the wire. [`Encoding::Batch`], if nothing else is said, is by far the fastest; the
    /// others are what daemons of the Python package read, and go with [`Builder::connect_push`] alone.
    #[cfg(feature = "python")]
    pub fn encoding(mut self, encoding: Encoding) -> Builder {
        self.settings.encoding = encoding;
        self
    }

    /// Memory for records that are not sent yet, or not acknowledged, in bytes; rounded up to a power of two, at least
    /// 64 KiB. If nothing else is said, 16 MiB. A record has at most an eighth of it, and 256 KiB at most.
    pub fn ring_bytes(mut self, bytes: usize) -> Builder {
        self.settings.ring = bytes.max(MIN_RING);
        self
    }

    /// What happens to a record when the ring is full.
    pub fn overflow(mut self, overflow: Overflow) -> Builder {
        self.settings.overflow = overflow;
        self
    }

    /// Interval of heartbeats to the daemon while nothing is logged; 5 seconds if nothing else is said. The
    /// daemon takes the open tasks of a process for lost when it was silent for `lost_after`, a minute by default. At
    /// least 10 milliseconds.
    pub fn heartbeat(mut self, interval: Duration) -> Builder {
        self.settings.heartbeat = interval.max(MIN_HEARTBEAT);
        self
    }

    /// How long dropping the [`Guard`] may take; 3 seconds if nothing else is said.
    pub fn flush_on_drop(mut self, bound: Duration) -> Builder {
        self.settings.flush_on_drop = bound;
        self
    }

    /// Encrypts all that goes to the daemon, and shows each the other's key, by ZeroMQ's CURVE. Without it, the keys
    /// that `DISTLOG_CURVE_SERVER` (the daemon's public one) and `DISTLOG_CURVE_KEY` (the program's own) name, if they
    /// are set: paths of files.
    ///
    /// `distlogd keys new NAME` makes such files; the daemon has `NAME.pub` in its folder of `clients:`.
    ///
    /// ```no_run
    /// use distlog_layer::Curve;
    ///
    /// let curve = Curve::from_files("keys/distlogd.pub", "keys/shop.key")?;
    /// let (layer, guard) = distlog_layer::builder().curve(curve).connect("tcp://logs.example:5011")?;
    /// # let _ = (layer, guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// With keys nothing is ever sent in plain text. If libzmq was built without CURVE, connecting fails and says how
    /// to get one that has it.
    pub fn curve(mut self, curve: Curve) -> Builder {
        self.settings.curve = Some(curve);
        self
    }

    /// Redacts fields by their names, in any case (of ASCII letters): `[redacted]` stands in place of their values.
    /// A name also means the end of a dotted one, and keys of maps that [`val()`](crate::val()) and
    /// [`bind`](crate::Task::bind) carry. Each call adds to the names that are there.
    ///
    /// ```
    /// # use tracing_subscriber::prelude::*;
    /// let builder = distlog_layer::builder().redact(["password", "authorization"]);
    /// # let (layer, guard) = builder.connect("tcp://127.0.0.1:5011")?;
    /// # tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
    /// tracing::info!(user = "leo", Password = "tea", "signed in");                 // Password = "[redacted]"
    /// tracing::info!(http.request.header.authorization = "Bearer tea", "asked"); // and so here
    /// # });
    /// # let _ = guard.close(std::time::Duration::ZERO);
    /// # Ok::<(), distlog_layer::ConnectError>(())
    /// ```
    ///
    /// It happens on the calling thread, before a record is in the ring or in the spool's file, to fields of events and
    /// spans, [`bind`](crate::Task::bind), messages (the field `message`) and errors (the field `error`). Names reach
    /// fields alone: what a message has as an argument, or `Debug` writes of a struct, is text, which
    /// `Builder::redact_patterns` (feature `redact-patterns`) reaches. Other layers of the subscriber see all.
    pub fn redact(mut self, names: impl IntoIterator<Item: Into<String>>) -> Builder {
        self.redaction().add_names(names);
        self
    }

    /// Redacts what regular expressions match, in the syntax of the crate `regex`: `[redacted]` stands in place of each
    /// match. They are looked for in all text of values: messages with their arguments, errors and their causes,
    /// strings, what `Debug` and `Display` write, bytes as far as they are UTF-8, numbers as they are printed, keys of
    /// maps, names and status descriptions (`otel.name`, `otel.status_description`). Not in what the source code says:
    /// names of fields, targets, the template of a message. Each call adds to the patterns that are there.
    ///
    /// ```
    /// let builder = distlog_layer::builder().redact_patterns([r"\b\d{13,16}\b", r"Bearer \S+"])?;
    /// # let _ = builder;
    /// # Ok::<(), distlog_layer::PatternError>(())
    /// ```
    ///
    /// Each text is looked through as a whole, whatever it is made of and before it is cut, and the patterns do not
    /// hinder each other. A secret that is spread over several fields is several texts.
    ///
    /// # Errors
    /// If a pattern is no regular expression.
    #[cfg(feature = "redact-patterns")]
    pub fn redact_patterns<P: AsRef<str>>(
        mut self,
        patterns: impl IntoIterator<Item = P>,
    ) -> Result<Builder, crate::PatternError> {
        let patterns: Vec<P> = patterns.into_iter().collect();
        let patterns: Vec<&str> = patterns.iter().map(AsRef::as_ref).collect();
        self.redaction().add_patterns(&patterns)?;
        Ok(self)
    }

    fn redaction(&mut self) -> &mut Redaction {
        Arc::make_mut(self.settings.redaction.get_or_insert_default())
    }

    /// Records a part of all traces: `0.01` is one of a hundred. Of the others errors are recorded, with the tasks
    /// above them in this process, and what [`Task::force`](crate::Task::force) or the field `distlog.force` says: see
    /// [the crate](crate#what-is-recorded).
    ///
    /// ```
    /// # use tracing_subscriber::prelude::*;
    /// let (layer, guard) = distlog_layer::builder().sample(0.01).connect("tcp://127.0.0.1:5011")?;
    /// # tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
    /// tracing::info_span!("pay", order = 7).in_scope(|| {
    ///     tracing::info!("recorded with one trace of a hundred");
    ///     tracing::error!("always recorded, and that it happened in `pay` with the order 7");
    /// });
    /// # });
    /// # let _ = guard.close(std::time::Duration::ZERO);
    /// # Ok::<(), distlog_layer::ConnectError>(())
    /// ```
    ///
    /// The trace id decides (or `ot=rv:…` in the caller's `tracestate`), by OpenTelemetry's consistent probability
    /// sampling: every process with this ratio records the same traces, and one with a smaller ratio a part of them.
    /// Where a caller's decision counts ([`Builder::incoming_sampled`]), the ratio is of the traces that begin here,
    /// and of those that come as a task id in a text, which says nothing of sampling.
    ///
    /// Records that are not written cost the calling thread less than those that are: an event some nanoseconds, a
    /// span what it takes to keep its fields, should it fail.
    ///
    /// Connecting fails with [`ConnectError::Sample`] if the ratio is not from 0 to 1.
    pub fn sample(mut self, ratio: f64) -> Builder {
        self.settings.sample = Some(ratio);
        self
    }

    /// Whether it counts that a caller's headers say the trace is sampled or not; [`IncomingSampled::Ignore`] if
    /// nothing else is said. Beside OpenTelemetry ([`Builder::external_spans`]) it is the decision of its sampler that
    /// counts or not.
    pub fn incoming_sampled(mut self, policy: IncomingSampled) -> Builder {
        self.settings.incoming_sampled = policy;
        self
    }

    /// Keeps the records that are not acknowledged yet in a file of this directory, so that they survive the process,
    /// also `kill -9`: the next process with the directory sends what a dead one left, or `distlogd --drain DIR` does,
    /// or a daemon whose configuration names it (`drain:`).
    ///
    /// Programs may share a directory. It is made if it is missing, for this user alone, and belongs on a local disk,
    /// which must have room for the whole ring ([`Builder::ring_bytes`]) of each process. The kernel writes the file
    /// out when it likes: what it had not is lost with a power failure.
    ///
    /// A relative path is taken from where the program is now, wherever it goes later.
    ///
    /// With [`Builder::connect_push`], too, where a record is done with when it is sent.
    ///
    /// The file is mapped into memory. If somebody cuts it off or its disk fails, the system sends `SIGBUS` to whoever
    /// writes there; so a handler of that signal is installed with the first spool. It puts memory in the place of the
    /// lost page, and passes every other `SIGBUS` on to the handler that was there before. [`Builder::sigbus_handler`]
    /// switches it off.
    ///
    /// If the directory cannot be used, connecting fails with [`ConnectError::Spool`]. A program that would rather log
    /// without can go on:
    ///
    /// ```
    /// use distlog_layer::{ConnectError, builder};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("spool");
    /// let plain = builder().service("shop");
    /// let connected = match plain.clone().spool(dir).connect("tcp://127.0.0.1:5011") {
    ///     Err(ConnectError::Spool(error)) => {
    ///         eprintln!("logging goes on without a spool: {error}");
    ///         plain.connect("tcp://127.0.0.1:5011")
    ///     }
    ///     connected => connected,
    /// };
    /// # let _ = connected?.1.close(std::time::Duration::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spool(mut self, directory: impl Into<PathBuf>) -> Builder {
        let directory = directory.into();
        // A program that becomes a daemon goes to another working directory, and forked children are there, too.
        self.settings.spool = Some(std::path::absolute(&directory).unwrap_or(directory));
        self
    }

    /// Whether [`Builder::spool`] installs a handler of `SIGBUS`; yes if nothing else is said. Switch it off if the
    /// program has a handler of its own that must stay in place. Without it the program dies by `SIGBUS` when its spool
    /// is cut off or the spool's disk fails.
    pub fn sigbus_handler(mut self, install: bool) -> Builder {
        self.settings.sigbus_handler = install;
        self
    }

    /// Another tracing system has a layer in the same subscriber, before or behind this one: the tasks have the ids of
    /// its spans, and both show the same tree. `external_span` asks it for its span. For OpenTelemetry that is
    /// `distlog_bridge::otel_interop::external_span`, which goes with `distlog_bridge::otel_interop::layer`.
    ///
    /// It is asked at a span's first enter, event or child, when its [`Task`](crate::Task) is first used, or at its
    /// close: until then nothing is logged of the task, so that the other system can still be given a parent. A span
    /// that the other one does not see has an id of its own. Where [`RemoteParent`](crate::RemoteParent) names the
    /// caller of a task, the other system gets the same parent; if it begins another trace all the same, the task is
    /// linked to its caller.
    ///
    /// Not for programs that fork while a task is open that has not been entered.
    pub fn external_spans(
        mut self,
        external_span: fn(&Id, &Dispatch) -> ExternalSpanState,
    ) -> Builder {
        self.settings.external_span = Some(external_span);
        self
    }

    /// For tests.
    #[doc(hidden)]
    pub fn failover_timeouts(mut self, change: impl FnOnce(&mut FailoverTimeouts)) -> Builder {
        change(&mut self.settings.timeouts);
        self
    }

    /// Connects to the session receiver of a distlogd, `tcp://HOST:PORT` or `ipc://PATH`, or of one of several. The
    /// daemon says what is durable in its store; until then a record is kept, and sent again if need be.
    ///
    /// Of several addresses the first is the preferred one. When nobody is there, or nothing is taken though there is
    /// something to take, the next one gets what is not acknowledged; when a preferred one is back, it goes on there.
    ///
    /// No daemon need be there yet. Until one is, records wait in the ring.
    ///
    /// # Errors
    /// If an address is none, the encoding is not the default one, the spool cannot be used, [`Builder::sample`] has no
    /// ratio, or the system gives no memory, socket or thread.
    pub fn connect(
        mut self,
        endpoints: impl Into<Endpoints>,
    ) -> Result<(DistlogLayer, Guard), ConnectError> {
        #[cfg(feature = "python")]
        if self.settings.encoding != Encoding::Batch {
            return Err(ConnectError::Encoding(self.settings.encoding));
        }
        self.settings.destination = Destination::Session(endpoints.into());
        self.start()
    }

    /// [`Builder::connect`] to the daemons that the variable `DISTLOG_ENDPOINT` names, separated by commas; without it,
    /// to the one on this machine, `tcp://127.0.0.1:5011`.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub fn connect_from_env(self) -> Result<(DistlogLayer, Guard), ConnectError> {
        self.connect(environment::endpoints(environment::variable))
    }

    /// Connects to the push receiver of a distlogd, `tcp://HOST:PORT` or `ipc://PATH`: fire and forget, at most once.
    /// It takes every encoding, and is what daemons of the Python package have.
    ///
    /// The daemon need not be there yet. Until it is, records wait in the ring.
    ///
    /// # Errors
    /// If the address is none, the spool cannot be used, [`Builder::sample`] has no ratio, or the system gives no
    /// memory, socket or thread.
    pub fn connect_push(
        mut self,
        endpoint: impl Into<String>,
    ) -> Result<(DistlogLayer, Guard), ConnectError> {
        self.settings.destination = Destination::Push(endpoint.into());
        self.start()
    }

    /// All that was said, and what the environment adds.
    pub(crate) fn settings_with(self, variable: impl Fn(&str) -> Option<String>) -> Settings {
        let mut settings = self.settings;
        environment::fill(&mut settings, self.environment, variable);
        settings
    }

    fn start(mut self) -> Result<(DistlogLayer, Guard), ConnectError> {
        if self.settings.curve.is_none() {
            self.settings.curve = Curve::from_env()?;
        }
        let mut settings = self.settings_with(environment::variable);
        // Not that of another layer, which a clone of this builder connected.
        settings.levels = Arc::default();
        let bound = settings.flush_on_drop;
        let external_span = settings.external_span;
        let sampler = Sampler::new(settings.sample, settings.incoming_sampled)?;
        let producer = Arc::new(Producer::start(Arc::new(settings))?);
        exit::register(Arc::downgrade(&producer), bound);
        Ok((
            DistlogLayer::new(Arc::clone(&producer), external_span, sampler),
            Guard::new(producer, bound),
        ))
    }
}

#[cfg(target_os = "linux")]
fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(target_os = "linux"))]
fn host() -> String {
    std::env::var("HOSTNAME")
        .or_else(|_| std::env::var("COMPUTERNAME"))
        .unwrap_or_default()
}
