//! One log entry in owned form, and what belongs to it.

use crate::id::{ProducerId, SpanId, TraceId};
use crate::severity::Severity;
use crate::task_id::TaskId;
use crate::task_name::task_name;
use crate::value::{Map, Value};

/// Declares an enum whose variants have numbers on the wire.
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub enum $name { $($(#[$vmeta])* $variant,)* }

        impl $name {
            /// Its number on the wire.
            pub const fn number(self) -> u64 {
                match self { $($name::$variant => $number,)* }
            }

            /// From its number on the wire; the default for an unknown one.
            pub const fn from_number(number: u64) -> $name {
                match number { $($number => $name::$variant,)* _ => $name::DEFAULT }
            }

            /// Its name in lower case, as rules, JSON and metrics have it.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// From its name in lower case.
            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use numbered;

numbered! {
    /// What a record tells about its task.
    Kind {
        /// Something was logged.
        #[default]
        Event = 0 "event",
        /// The task begins; the message says what it wants to achieve.
        Begin = 1 "begin",
        /// Fields or links were added to the task.
        Bind = 2 "bind",
        /// The task is over.
        End = 3 "end",
    }
}

impl Kind {
    const DEFAULT: Kind = Kind::Event;
}

numbered! {
    /// How a task ended.
    Outcome {
        /// Not an end, or one whose outcome nobody knows.
        #[default]
        Unset = 0 "",
        /// Ended without a sign of failure.
        Ok = 1 "ok",
        /// Ended, and declared a success explicitly.
        Success = 2 "success",
        /// Failed.
        Failed = 3 "failed",
        /// Its end never arrived.
        Lost = 4 "lost",
        /// The work was given up before it was done, and nothing failed: a future that was dropped.
        Cancelled = 5 "cancelled",
    }
}

impl Outcome {
    const DEFAULT: Outcome = Outcome::Unset;

    /// Ended well, said so or not.
    pub fn is_ok(self) -> bool {
        matches!(self, Outcome::Ok | Outcome::Success)
    }

    /// Counts as a failure. A task that was cancelled is none.
    pub fn is_failure(self) -> bool {
        matches!(self, Outcome::Failed | Outcome::Lost)
    }
}

numbered! {
    /// The role of a task in a remote call, as in OpenTelemetry.
    SpanKind {
        /// Not said.
        #[default]
        Unset = 0 "",
        /// Within one process.
        Internal = 1 "internal",
        /// Answers a remote caller.
        Server = 2 "server",
        /// Calls a remote server.
        Client = 3 "client",
        /// Sends a message and does not wait.
        Producer = 4 "producer",
        /// Takes a message.
        Consumer = 5 "consumer",
    }
}

impl SpanKind {
    const DEFAULT: SpanKind = SpanKind::Unset;
}

/// Declares an enum whose variants have a letter in the topic.
macro_rules! lettered {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $letter:literal $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum $name { $($(#[$vmeta])* $variant,)* }

        impl $name {
            /// Its letter in the topic.
            pub const fn letter(self) -> u8 {
                match self { $($name::$variant => $letter,)* }
            }

            /// From its letter in the topic.
            pub const fn from_letter(letter: u8) -> Option<$name> {
                match letter { $($letter => Some($name::$variant),)* _ => None }
            }

            /// Its name in lower case, as rules see it.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// From its name in lower case.
            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use lettered;

lettered! {
    /// The system that a program belongs to.
    Environment {
        /// Programs under test.
        #[default]
        Test = b'T' "test",
        /// Programs before they go live.
        Staging = b'S' "staging",
        /// Programs that serve users.
        Production = b'P' "production",
    }
}

lettered! {
    /// What a record is about.
    Channel {
        /// Logging.
        #[default]
        Log = b'L' "log",
        /// Measurements of performance.
        Performance = b'P' "performance",
    }
}

/// One log entry. [`crate::RecordRef`] is its borrowed form, which the hot paths use.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Who logged it.
    pub source: Source,
    /// Where in the code.
    pub callsite: Callsite,
    /// Place in the producer's stream.
    pub offset: u64,
    /// What it tells about its task.
    pub kind: Kind,
    /// When it happened, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// When distlog received it, where that differs; 0 if not known.
    pub observed_time: u64,
    /// The record's own severity; [`Severity::UNSET`]: the callsite's counts.
    pub severity: Severity,
    /// Name of the severity at its origin where it is not the usual one.
    pub severity_text: String,
    /// The readable text, arguments filled in.
    pub message: String,
    /// The task it belongs to.
    pub task: Option<Task>,
    /// Counts the records of one task from 0.
    pub number: u64,
    /// Thread id, as the program's own platform numbers threads.
    pub thread_id: u64,
    /// Name of the thread.
    pub thread_name: String,
    /// Its own fields.
    pub fields: Map,
    /// How the task ended.
    pub outcome: Outcome,
    /// How long the task took, in nanoseconds of a monotonic clock.
    pub duration: u64,
    /// The error that was logged, or that the task failed with.
    pub error: Option<ErrorInfo>,
    /// Stack of the logging call (Python's `stack_info`).
    pub stack: String,
    /// Other tasks that this one has to do with.
    pub links: Vec<Link>,
    /// Role in a remote call.
    pub span_kind: SpanKind,
    /// OpenTelemetry's status code where it was set explicitly: 1 Ok, 2 Error.
    pub status_code: u32,
    /// What goes with the status code.
    pub status_message: String,
    /// Name of the task (`otel.name`) where it is not the callsite's template; of an event its own name (`name:` in
    /// tracing).
    pub name: String,
    /// What only OTLP has.
    pub otlp: Option<Box<Otlp>>,
    /// Number of the level at its origin where the severity does not tell it: a level of Python's `logging` or, by
    /// OTLP, a severity number beyond 24 or below 0. 0: it follows from the severity.
    pub level: i64,
}

impl Record {
    /// The trace that it is of: by its task or, without one, by what OTLP says.
    pub fn trace_id(&self) -> Option<TraceId> {
        match &self.task {
            Some(task) => Some(task.trace_id),
            None => self.otlp.as_ref()?.trace_id,
        }
    }

    /// The name of the task that begins or ends here: see [`RecordRef::task_name`](crate::RecordRef::task_name).
    pub fn task_name(&self) -> &str {
        let site = &self.callsite;
        task_name(
            &self.name,
            &site.template,
            &site.function,
            &site.target,
            &self.message,
        )
    }
}

/// Who logged: one run of one process.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Source {
    /// The run.
    pub producer: ProducerId,
    /// Host name.
    pub host: String,
    /// Process id; 0 if not known.
    pub process_id: u64,
    /// Name of the process.
    pub process_name: String,
    /// Name of the service (`service.name`).
    pub service: String,
    /// Further attributes of the OpenTelemetry resource.
    pub resource: Map,
    /// Schema url of the resource.
    pub schema_url: String,
    /// The system it belongs to.
    pub environment: Environment,
    /// What its records are about.
    pub channel: Channel,
    /// Attributes of the resource that were dropped on the way.
    pub dropped_attributes: u32,
}

/// A place in the code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Callsite {
    /// Severity of what is logged there.
    pub severity: Severity,
    /// Rust's target, Python's logger name.
    pub target: String,
    /// Path of the source file.
    pub file: String,
    /// Line in it; 0 if not known.
    pub line: u32,
    /// Module path.
    pub module: String,
    /// Function.
    pub function: String,
    /// The message before its arguments were filled in; for a task its name.
    pub template: String,
}

/// The task of a record: a node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span id.
    pub span_id: SpanId,
    /// The task above.
    pub parent_span_id: Option<SpanId>,
    /// What follows trace id and slash in its id.
    pub path: String,
    /// Flags of W3C trace context in the lowest 8 bits (1 sampled, 2 random); above them those of OpenTelemetry
    /// (`0x100`: it is known whether the parent is remote, `0x200`: it is).
    pub flags: u32,
    /// The other members of `tracestate`.
    pub trace_state: String,
    /// The task's fields.
    pub context: Map,
}

impl From<&TaskId> for Task {
    fn from(id: &TaskId) -> Task {
        Task {
            trace_id: id.trace_id(),
            span_id: id.span_id(),
            parent_span_id: id.parent_span_id(),
            path: id.path().to_owned(),
            flags: 0,
            trace_state: String::new(),
            context: Map::new(),
        }
    }
}

/// An error with its causes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErrorInfo {
    /// Type of the error or exception, where known.
    pub kind: String,
    /// Its text.
    pub message: String,
    /// Its causes, outermost first.
    pub chain: Vec<String>,
    /// Traceback as the program wrote it.
    pub traceback: String,
}

/// Another task that a task has to do with.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span id.
    pub span_id: SpanId,
    /// Its path, where known.
    pub path: String,
    /// Flags, as in [`Task::flags`].
    pub flags: u32,
    /// Members of `tracestate`.
    pub trace_state: String,
    /// Attributes of the link.
    pub attributes: Map,
    /// Attributes that were dropped on the way.
    pub dropped_attributes: u32,
}

impl From<&TaskId> for Link {
    fn from(id: &TaskId) -> Link {
        Link {
            trace_id: id.trace_id(),
            span_id: id.span_id(),
            path: id.path().to_owned(),
            flags: 0,
            trace_state: String::new(),
            attributes: Map::new(),
            dropped_attributes: 0,
        }
    }
}

/// What must survive a way through distlog from OTLP to OTLP.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Otlp {
    /// Name of the instrumentation scope.
    pub scope_name: String,
    /// Version of the instrumentation scope.
    pub scope_version: String,
    /// Attributes of the instrumentation scope.
    pub scope_attributes: Map,
    /// Attributes of the scope that were dropped on the way.
    pub scope_dropped_attributes: u32,
    /// Schema url of the scope.
    pub scope_schema_url: String,
    /// Attributes of the span or log record that were dropped.
    pub dropped_attributes: u32,
    /// Events of the span that were dropped.
    pub dropped_events: u32,
    /// Links of the span that were dropped.
    pub dropped_links: u32,
    /// Name of the event.
    pub event_name: String,
    /// Body of a log record that is not a string.
    pub body: Option<Value>,
    /// It came as an event of a span, not as a log record.
    pub span_event: bool,
    /// It says no time of its own: that of the record is when it was observed or received.
    pub no_time: bool,
    /// Trace of a log record that names no span, and so no task.
    pub trace_id: Option<TraceId>,
    /// Flags of a log record that names no span.
    pub flags: u32,
}
