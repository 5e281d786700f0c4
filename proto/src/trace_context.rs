//! The headers that carry a task over HTTP and gRPC: [W3C Trace Context, Level
//! 2](https://www.w3.org/TR/trace-context-2/).
//!
//! A reserved child `T/1/3` of the task `T/1` leaves as
//!
//! ```text
//! traceparent: 00-<32 hex digits of T>-<span id of T/1>-<flags>
//! tracestate:  distlog=1/3,<the members that other systems put there, in order>
//! ```
//!
//! so that a service which only knows OpenTelemetry sees a call from the task `T/1`, and one which knows distlog takes
//! the place in the tree that was kept for it. Where more is recorded of the calling task than its program records
//! else, the member has the level: `distlog=1/3;l:debug`.
//!
//! ```
//! use distlog_proto::{TaskId, trace_context::{Incoming, Outgoing, SAMPLED}};
//!
//! let reserved: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3".parse()?;
//! let headers = Outgoing::new(&reserved, SAMPLED, "vendor=x");
//! assert_eq!(headers.traceparent, "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01");
//! assert_eq!(headers.tracestate.as_deref(), Some("distlog=1/3,vendor=x"));
//!
//! let caller = Incoming::parse([headers.traceparent.as_bytes()], [&b"distlog=1/3,vendor=x"[..]]).unwrap();
//! assert!(caller.import().to_string().starts_with("e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3."));
//! # Ok::<(), distlog_proto::ParseIdError>(())
//! ```

use crate::id::{SpanId, TraceId};
use crate::levels::Level;
use crate::sampling::Threshold;
use crate::task_id::TaskId;

/// Name of the header that carries trace id, parent id and flags.
pub const TRACEPARENT: &str = "traceparent";
/// Name of the header that carries what each system adds.
pub const TRACESTATE: &str = "tracestate";
/// Flag: the caller may have recorded the trace.
pub const SAMPLED: u8 = 1;
/// Flag: the trace id's lower seven bytes are random.
pub const RANDOM: u8 = 2;
/// The flags that a new top-level task sends.
pub const NEW_TRACE: u8 = SAMPLED | RANDOM;
/// The flags of a task that was imported from text, which carries none.
pub const FROM_TEXT: u8 = SAMPLED;

/// Our key in `tracestate`.
pub const KEY: &str = "distlog";
/// Parameter of our member: the level that the called service records of the task.
const LEVEL: &str = "l:";
/// OpenTelemetry's key there.
const OTEL_KEY: &str = "ot";
/// A list has at most so many members (§3.3.1.1).
const MAX_MEMBERS: usize = 32;
/// A longer value of ours is left out, in characters.
const MAX_VALUE: usize = 128;

/// Who called, as the caller's headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The caller's trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub parent_id: SpanId,
    /// Sampled and random.
    pub flags: u8,
    /// Members of `tracestate` of other systems, in order, joined by commas.
    pub trace_state: String,
    /// Of the caller's task all is recorded up to this level, whatever its program records else.
    pub level: Option<Level>,
    /// The place in the tree that the caller has kept for us.
    reserved: Option<TaskId>,
}

impl Incoming {
    /// Reads the values of all `traceparent` and all `tracestate` headers of a request.
    ///
    /// `None` if there is no valid `traceparent`, or more than one: then a new trace begins.
    pub fn parse<'a>(
        traceparent: impl IntoIterator<Item = &'a [u8]>,
        tracestate: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Incoming> {
        let mut parents = traceparent.into_iter();
        let (trace_id, parent_id, flags) = parse_traceparent(parents.next()?)?;
        if parents.next().is_some() {
            return None;
        }
        let mut members = parse_tracestate(tracestate).unwrap_or_default();
        let ours = members
            .iter()
            .position(|(key, _)| *key == KEY)
            .map(|at| members.remove(at).1);
        let level = ours.and_then(level);
        let reserved = ours
            .and_then(|value| {
                TaskId::from_parts(trace_id, value.split(';').next().unwrap_or_default()).ok()
            })
            .filter(|id| id.parent_span_id() == Some(parent_id));
        Some(Incoming {
            trace_id,
            parent_id,
            flags,
            trace_state: join(members.into_iter()),
            level,
            reserved,
        })
    }

    /// The task to open for this call. Its parent span is always [`Incoming::parent_id`].
    ///
    /// If the caller knows distlog it is the child that the caller has reserved, taken with a random salt; otherwise a
    /// new child of the caller's span.
    pub fn import(&self) -> TaskId {
        match self.reserved.as_ref().map(TaskId::import) {
            // A reserved id that somebody has taken already would give a child of it, with another parent.
            Some(id) if id.parent_span_id() == Some(self.parent_id) => id,
            _ => self.caller().random_child(),
        }
    }

    /// The place in the tree that the caller has kept for us; `None` if the caller, or who came in between, does not
    /// know distlog.
    pub fn reserved(&self) -> Option<&TaskId> {
        self.reserved.as_ref()
    }

    /// The caller's span as a task that only OpenTelemetry knows.
    pub fn caller(&self) -> TaskId {
        TaskId::anchor(self.trace_id, self.parent_id)
    }
}

/// The headers for an outgoing call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Value of `traceparent`.
    pub traceparent: String,
    /// Value of `tracestate`; `None`: send none.
    pub tracestate: Option<String>,
}

impl Outgoing {
    /// For a child that was reserved for the called service. `flags` and `trace_state` are those of the calling task.
    pub fn new(reserved: &TaskId, flags: u8, trace_state: &str) -> Outgoing {
        Outgoing::raised(reserved, flags, trace_state, None)
    }

    /// The same, where the called service is to record all of the task up to this level.
    ///
    /// ```
    /// use distlog_proto::{TaskId, levels::Level, trace_context::{Incoming, Outgoing, SAMPLED}};
    ///
    /// let reserved: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3".parse()?;
    /// let headers = Outgoing::raised(&reserved, SAMPLED, "", Some(Level::Debug));
    /// assert_eq!(headers.tracestate.as_deref(), Some("distlog=1/3;l:debug"));
    /// # Ok::<(), distlog_proto::ParseIdError>(())
    /// ```
    pub fn raised(
        reserved: &TaskId,
        flags: u8,
        trace_state: &str,
        level: Option<Level>,
    ) -> Outgoing {
        let parent = reserved.parent_span_id().unwrap_or(reserved.span_id());
        // A path that is too long is left out, and the level alone goes.
        let path = Some(reserved.path()).filter(|path| path.len() <= MAX_VALUE);
        let mut own = path.unwrap_or_default().to_owned();
        if let Some(level) = level.filter(|level| *level != Level::Off) {
            let parameter = format!(";{LEVEL}{level}");
            if own.len() + parameter.len() <= MAX_VALUE {
                own.push_str(&parameter);
            }
        }
        let own = Some(own.as_str()).filter(|own| !own.is_empty());
        Outgoing::write(reserved.trace_id(), parent, own, flags, trace_state)
    }

    /// For a span that has reserved nothing: one that only OpenTelemetry knows. The called service's task is then a
    /// child of it with a random number.
    pub fn from_span(trace_id: TraceId, span_id: SpanId, flags: u8, trace_state: &str) -> Outgoing {
        Outgoing::write(trace_id, span_id, None, flags, trace_state)
    }

    fn write(
        trace_id: TraceId,
        parent_id: SpanId,
        own: Option<&str>,
        flags: u8,
        trace_state: &str,
    ) -> Outgoing {
        let own = own.map(|path| (KEY, path));
        let others = parse_tracestate([trace_state.as_bytes()]).unwrap_or_default();
        let members = own
            .into_iter()
            .chain(others.into_iter().filter(|(key, _)| *key != KEY));
        let tracestate = join(members.take(MAX_MEMBERS));
        Outgoing {
            traceparent: format!(
                "00-{}-{parent_id}-{:02x}",
                trace_id.to_hex(),
                flags & NEW_TRACE
            ),
            tracestate: (!tracestate.is_empty()).then_some(tracestate),
        }
    }
}

/// Members of `tracestate` as they go on from who decided about sampling: OpenTelemetry's member `ot` says
/// `threshold` as `th`, or for a trace that is not sampled (`None`) nothing of it. What changed stands first (§3.5).
///
/// ```
/// use distlog_proto::sampling::Threshold;
/// use distlog_proto::trace_context::with_threshold;
///
/// let tenth = Threshold::from_ratio(0.1)?;
/// assert_eq!(with_threshold("", Some(tenth)), "ot=th:e666");
/// assert_eq!(with_threshold("a=b,ot=th:8;rv:0123456789abcd", Some(tenth)), "ot=th:e666;rv:0123456789abcd,a=b");
/// assert_eq!(with_threshold("ot=th:8,a=b", None), "a=b");
/// # Ok::<(), distlog_proto::sampling::BadRatio>(())
/// ```
pub fn with_threshold(trace_state: &str, threshold: Option<Threshold>) -> String {
    let members = parse_tracestate([trace_state.as_bytes()]).unwrap_or_default();
    let old = members.iter().find(|(key, _)| *key == OTEL_KEY);
    let others = old
        .into_iter()
        .flat_map(|(_, value)| value.split(';'))
        .filter(|pair| !pair.is_empty() && !pair.starts_with("th:"))
        .map(str::to_owned);
    let own = threshold.map(|threshold| format!("th:{threshold}"));
    let own: Vec<String> = own.into_iter().chain(others).collect();
    let own = own.join(";");
    let own = is_value(&own).then_some((OTEL_KEY, own.as_str()));
    let rest = members.iter().filter(|(key, _)| *key != OTEL_KEY);
    join(own.into_iter().chain(rest.copied()).take(MAX_MEMBERS))
}

/// The level that a value of ours has as a parameter.
fn level(value: &str) -> Option<Level> {
    let mut parameters = value.split(';').skip(1);
    let level = parameters.find_map(|parameter| parameter.strip_prefix(LEVEL))?;
    level.parse().ok().filter(|level| *level != Level::Off)
}

/// §3.2.
fn parse_traceparent(value: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let value = trim(std::str::from_utf8(value).ok()?);
    let bytes = value.as_bytes();
    let version = hex(value.get(0..2)?)?;
    let well_formed = match version {
        0xff => false,
        0 => bytes.len() == 55,
        _ => bytes.len() == 55 || (bytes.len() > 55 && bytes[55] == b'-'),
    };
    if !well_formed || [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let (trace, parent) = (value.get(3..35)?, value.get(36..52)?);
    if trace
        .bytes()
        .chain(parent.bytes())
        .any(|b| !is_lower_hex(b))
    {
        return None;
    }
    let flags = hex(value.get(53..55)?)? & NEW_TRACE;
    Some((trace.parse().ok()?, parent.parse().ok()?, flags))
}

/// §3.3: the members, first of each key; `None` if the whole list is to be discarded.
fn parse_tracestate<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Option<Vec<(&'a str, &'a str)>> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    let mut count = 0;
    for value in values {
        for member in std::str::from_utf8(value)
            .ok()?
            .split(',')
            .map(trim)
            .filter(|member| !member.is_empty())
        {
            let (key, value) = member.split_once('=')?;
            count += 1;
            if !is_key(key) || !is_value(value) || count > MAX_MEMBERS {
                return None;
            }
            if members.iter().all(|(known, _)| *known != key) {
                members.push((key, value));
            }
        }
    }
    Some(members)
}

fn join<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (key, value) in members {
        if !out.is_empty() {
            out.push(',');
        }
        out.extend([key, "=", value]);
    }
    out
}

/// Optional white space of HTTP is blank and tab.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_lower_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

fn hex(text: &str) -> Option<u8> {
    text.bytes()
        .all(is_lower_hex)
        .then(|| u8::from_str_radix(text, 16).ok())?
}

/// §3.3.1.3.1.
fn is_key(key: &str) -> bool {
    let first = key
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first
        && key.len() <= 256
        && key
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'))
}

/// §3.3.1.3.2.
fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.ends_with(' ')
        && value
            .bytes()
            .all(|b| matches!(b, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e))
}
