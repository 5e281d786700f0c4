//! The columns of the table `records`, in one place for all databases.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Hex digits, always as many.
    Hex,
    /// Any text.
    Text,
    /// An integer of 64 bits with a sign.
    Integer,
    /// Nanoseconds since the Unix epoch.
    Time,
    /// A JSON object.
    Json,
}

macro_rules! columns {
    ($($(#[$about:meta])+ $column:ident $name:literal $type:ident $nullable:literal;)*) => {
        /// A column of the table `records`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Column {
            $($(#[$about])+ $column,)*
        }

        impl Column {
            /// All of them, in the order of the table.
            pub const ALL: &[Column] = &[$(Column::$column),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Column::$column => $name,)* }
            }

            /// What it holds.
            pub const fn column_type(self) -> ColumnType {
                match self { $(Column::$column => ColumnType::$type,)* }
            }

            /// Whether it may be null.
            pub const fn is_nullable(self) -> bool {
                match self { $(Column::$column => $nullable,)* }
            }
        }
    };
}

columns! {
    /// id of the run of a process that logged; with `record_offset` the key
    Producer "producer" Hex false;
    /// place in the producer's stream; from 2⁶³ on it is negative, as all numbers here that count or name
    RecordOffset "record_offset" Integer false;
    /// when it happened, in nanoseconds since 1970; where the record says no time, when it was observed
    Time "time" Time false;
    /// when it was received, where that is another time
    ObservedTime "observed_time" Time true;
    /// `begin`, `event`, `bind` or `end`
    Kind "kind" Text false;
    /// OpenTelemetry's number, 1 to 24
    Severity "severity" Integer true;
    /// name of the severity at its origin, where it is not the usual one
    SeverityText "severity_text" Text true;
    /// service
    Service "service" Text true;
    /// name of the host
    Host "host" Text true;
    /// id of the process
    ProcessId "process_id" Integer true;
    /// name of the process
    ProcessName "process_name" Text true;
    /// id of the thread
    ThreadId "thread_id" Integer true;
    /// name of the thread
    ThreadName "thread_name" Text true;
    /// Rust's target, Python's logger
    Target "target" Text true;
    /// module
    Module "module" Text true;
    /// path of the source file
    File "file" Text true;
    /// line in it
    Line "line" Integer true;
    /// function
    Function "function" Text true;
    /// name of the task, at its begin and end; of the event, where it has one
    Name "name" Text true;
    /// message before its arguments were filled in
    Template "template" Text true;
    /// message
    Message "message" Text false;
    /// trace of the task
    TraceId "trace_id" Hex true;
    /// span id of the task
    SpanId "span_id" Hex true;
    /// span id of the task above
    ParentSpanId "parent_span_id" Hex true;
    /// id of the task, as `distlogd tree` takes it
    Task "task" Text true;
    /// counts the records of the task from 0
    RecordNumber "record_number" Integer true;
    /// of an end: `ok`, `success`, `failed`, `cancelled`, `lost`
    Outcome "outcome" Text true;
    /// how long the task took, in nanoseconds, of an end
    DurationNs "duration_ns" Integer true;
    /// traceback, or error and causes
    Error "error" Text true;
    /// stack of the logging call
    Stack "stack" Text true;
    /// the record's own fields
    Fields "fields" Json true;
    /// fields of the task
    Context "context" Json true;
    /// attributes of the OpenTelemetry resource
    Resource "resource" Json true;
    /// everything else, as in the key `distlog` of the JSON lines of processor `file`
    Extra "extra" Json true;
}
