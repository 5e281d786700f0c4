//! A task's id: trace id and path.

use std::fmt::{self, Write};
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;

use compact_str::CompactString;

use crate::id::{MAX_LEN, ParseIdError, SpanId, TraceId, random_u64};

/// Of [`MAX_LEN`], what the trace id and the slash behind it take.
const PREFIX_LEN: usize = 37;

/// The id of a task: a trace id and a path of child numbers.
///
/// ```text
/// e252a11f-d33d-483d-ba08-bc8f642b2f10                     a top-level task
/// e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3                 the third child of its first child
/// e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3.9f2c01ab        the same, taken by another process (salt)
/// e252a11f-d33d-483d-ba08-bc8f642b2f10/~00f067aa0ba902b7   a span that only OpenTelemetry knows (anchor)
/// ```
///
/// Its text ([`fmt::Display`], [`FromStr`]) is what a program passes on to another over any channel: a queue message,
/// an environment variable, a column in a database. The other calls [`TaskId::import`] on it.
///
/// The span id is a pure function of the id, so both ends of a wire know it and nobody sends it:
/// `S(top) = mix(hi, lo)`, `S(p/n) = mix(S(p), n)`, `S(p/n.s) = mix(S(p/n), s)`, `S(t/~x) = x`.
///
/// ```
/// # use distlog_proto::TaskId;
/// let task: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse()?;
/// assert_eq!(task.span_id().to_string(), "8ab33c93ffe29262");
/// let child = task.child(1.try_into().unwrap());
/// assert_eq!(child.to_string(), "e252a11f-d33d-483d-ba08-bc8f642b2f10/1");
/// assert_eq!(child.span_id().to_string(), "99134579e8496ab7");
/// # Ok::<(), distlog_proto::ParseIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TaskId {
    trace: TraceId,
    span: SpanId,
    parent: Option<SpanId>,
    /// Without the slash that divides it from the trace id; empty for a top-level task.
    path: CompactString,
}

/// One step of a path.
enum Step {
    Anchor(SpanId),
    Number(NonZeroU64, Option<NonZeroU32>),
}

impl TaskId {
    /// The top-level task of a trace.
    pub fn top(trace: TraceId) -> TaskId {
        let (hi, lo) = trace.halves();
        TaskId {
            trace,
            span: SpanId::mix(hi, lo),
            parent: None,
            path: CompactString::default(),
        }
    }

    /// The top-level task of a new trace.
    pub fn random() -> TaskId {
        TaskId::top(TraceId::random())
    }

    /// A span that only OpenTelemetry knows: `trace/~span`.
    pub fn anchor(trace: TraceId, span: SpanId) -> TaskId {
        let mut path = CompactString::default();
        let _ = write!(path, "~{span}");
        TaskId {
            trace,
            span,
            parent: None,
            path,
        }
    }

    /// Its `number`-th child.
    ///
    /// Where the text would grow beyond 1024 characters, the path starts anew at an anchor with the same span id.
    pub fn child(&self, number: NonZeroU64) -> TaskId {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number.get());
        let mut path = CompactString::with_capacity(self.path.len() + 1 + digits.len());
        if !self.path.is_empty() {
            path.push_str(&self.path);
            path.push('/');
        }
        path.push_str(digits);
        if PREFIX_LEN + path.len() > MAX_LEN {
            return TaskId::anchor(self.trace, self.span).child(number);
        }
        TaskId {
            trace: self.trace,
            span: SpanId::mix(self.span.get(), number.get()),
            parent: Some(self.span),
            path,
        }
    }

    /// A child with a random number: where several processes may number the children of one task.
    pub fn random_child(&self) -> TaskId {
        self.child(NonZeroU64::new(random_u64()).unwrap_or(NonZeroU64::MIN))
    }

    /// The task that a process opens when it is handed this id.
    ///
    /// A reserved id (`T/1/3`) is taken by adding a random salt, so that a retry, a redelivery or a broadcast gives
    /// distinct tasks. Below every other id (a bare trace id, an anchor, a task that somebody has taken) a random child
    /// is opened.
    pub fn import(&self) -> TaskId {
        let salt = NonZeroU32::new(random_u64() as u32).unwrap_or(NonZeroU32::MIN);
        self.take(salt).unwrap_or_else(|| self.random_child())
    }

    /// This reserved id, taken with `salt`; `None` if its last step is not a plain number.
    ///
    /// Where the text would grow beyond 1024 characters, the path starts anew, as for [`child`](Self::child).
    pub fn take(&self, salt: NonZeroU32) -> Option<TaskId> {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        if last.is_empty() || last.contains(['.', '~']) {
            return None;
        }
        let mut path = self.path.clone();
        let _ = write!(path, ".{salt:08x}");
        if PREFIX_LEN + path.len() > MAX_LEN {
            path.clear();
            let _ = write!(path, "~{}/{last}.{salt:08x}", self.parent?);
        }
        Some(TaskId {
            trace: self.trace,
            span: SpanId::mix(self.span.get(), u64::from(salt.get())),
            parent: self.parent,
            path,
        })
    }

    /// Its trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace
    }

    /// Its span id.
    pub fn span_id(&self) -> SpanId {
        self.span
    }

    /// Span id of the task above; `None` for a top-level task and for an anchor.
    pub fn parent_span_id(&self) -> Option<SpanId> {
        self.parent
    }

    /// What follows the trace id and the slash; empty for a top-level task.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The task above; `None` for a top-level task and for an anchor.
    pub fn parent(&self) -> Option<TaskId> {
        self.parent?;
        let path = self.path.rsplit_once('/').map_or("", |(above, _)| above);
        TaskId::from_parts(self.trace, path).ok()
    }

    /// The id of a path (`1/3.9f2c01ab`) within a trace.
    ///
    /// # Errors
    /// If the path is too long or a step of it is malformed.
    pub fn from_parts(trace: TraceId, path: &str) -> Result<TaskId, ParseIdError> {
        if PREFIX_LEN + path.len() > MAX_LEN {
            return Err(ParseIdError::TooLong(PREFIX_LEN + path.len()));
        }
        let mut id = TaskId::top(trace);
        if path.is_empty() {
            return Ok(id);
        }
        for (depth, text) in path.split('/').enumerate() {
            match parse_step(text) {
                Some(Step::Anchor(span)) if depth == 0 => (id.span, id.parent) = (span, None),
                Some(Step::Number(number, salt)) => {
                    id.parent = Some(id.span);
                    id.span = SpanId::mix(id.span.get(), number.get());
                    if let Some(salt) = salt {
                        id.span = SpanId::mix(id.span.get(), u64::from(salt.get()));
                    }
                }
                _ => return Err(ParseIdError::BadStep(text.to_owned())),
            }
        }
        id.path = CompactString::from(path);
        id.path.make_ascii_lowercase();
        Ok(id)
    }
}

/// Whether a path is another or stands below it. A reserved number stands for all who took it, since trees hide the
/// salt.
pub fn is_below(path: &str, above: &str) -> bool {
    let mut steps = path.split('/');
    let stands_for = |asked: &str, step: &str| {
        step.strip_prefix(asked)
            .is_some_and(|salt| salt.is_empty() || salt.starts_with('.'))
    };
    above.is_empty()
        || above
            .split('/')
            .all(|asked| steps.next().is_some_and(|step| stands_for(asked, step)))
}

fn parse_step(text: &str) -> Option<Step> {
    if let Some(hex) = text.strip_prefix('~') {
        return hex.parse().ok().map(Step::Anchor);
    }
    let (number, salt) = match text.split_once('.') {
        Some((number, salt)) => {
            if salt.len() != 8 || !salt.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            (
                number,
                Some(NonZeroU32::new(u32::from_str_radix(salt, 16).ok()?)?),
            )
        }
        None => (text, None),
    };
    if number.starts_with('0') || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Step::Number(number.parse().ok()?, salt))
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.trace, f)?;
        if !self.path.is_empty() {
            f.write_char('/')?;
            f.write_str(&self.path)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TaskId {
    type Err = ParseIdError;

    /// Reads an id. The trace id may also be written as 32 hex digits, as other tools show it.
    fn from_str(text: &str) -> Result<TaskId, ParseIdError> {
        if text.len() > MAX_LEN {
            return Err(ParseIdError::TooLong(text.len()));
        }
        let (trace, path) = text.split_once('/').unwrap_or((text, ""));
        if path.is_empty() && text.len() > trace.len() {
            return Err(ParseIdError::BadStep(String::new()));
        }
        TaskId::from_parts(TraceId::parse(trace)?, path)
    }
}
