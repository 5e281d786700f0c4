//! [`RemoteParent`]: where a task that another process has asked for takes its place in the tree.

use std::fmt;
use std::sync::Arc;

use distlog_proto::levels::Level;
use distlog_proto::trace_context::{FROM_TEXT, Incoming, NEW_TRACE, SAMPLED};
use distlog_proto::{Link, SpanId, SpanKind, TaskId};

use crate::levels::Raise;
use crate::record::random::Random;
use crate::record::sampling::{Decision, Sampler, Unsampled};

/// The field of a span that carries an [`RemoteParent`].
pub(crate) const FIELD: &str = "distlog.import";
/// As much of a text that is no id is shown, in characters.
pub(crate) const MAX_UNREADABLE: usize = 256;

/// What to make of the place in a tree that a caller claims. Callers may be strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// The task continues the caller's trace.
    #[default]
    Continue,
    /// The task begins a trace of its own, with a link to the caller's.
    Link,
    /// The task begins a trace of its own; what the caller says is ignored.
    Restart,
}

/// Where a task that another process has asked for takes its place; made from whatever the other has sent.
///
/// From a task id or its text, with `RemoteParent::from`; from the headers of a request, with
/// [`RemoteParent::from_trace_context`] or `RemoteParent::from_headers` (feature `http`). A text that is no id costs
/// the link only: the task then begins a trace of its own.
#[derive(Clone)]
pub struct RemoteParent {
    origin: Origin,
    kind: SpanKind,
}

#[derive(Clone)]
enum Origin {
    Task(TaskId),
    Caller(Incoming, Trust),
    Nobody,
    Unreadable(String),
}

/// Where a new task stands.
pub(crate) struct SpanContext {
    pub(crate) id: TaskId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) flags: u8,
    pub(crate) trace_state: Option<Arc<str>>,
    /// Of a trace that is not sampled.
    pub(crate) unsampled: Option<Arc<Unsampled>>,
    /// More is recorded of it, since its caller says so.
    pub(crate) raise: Option<Raise>,
    pub(crate) kind: SpanKind,
    pub(crate) link: Option<Box<Link>>,
}

impl SpanContext {
    pub(crate) fn new(id: TaskId, parent: Option<SpanId>, decision: Decision) -> SpanContext {
        let Decision {
            flags,
            trace_state,
            unsampled,
        } = decision;
        SpanContext {
            id,
            parent,
            flags,
            trace_state,
            unsampled,
            raise: None,
            kind: SpanKind::Unset,
            link: None,
        }
    }

    /// At the top of a new trace.
    pub(crate) fn top(random: &mut Random, sampler: &Sampler) -> SpanContext {
        let id = random.top();
        let decision = sampler.begin(id.trace_id(), NEW_TRACE);
        SpanContext::new(id, None, decision)
    }

    /// From here on the trace is recorded.
    pub(crate) fn force(&mut self) {
        self.flags |= SAMPLED;
        if let Some(unsampled) = &self.unsampled {
            unsampled.force();
        }
    }
}

impl RemoteParent {
    /// From the headers `traceparent` and `tracestate` of a request.
    #[cfg(feature = "http")]
    pub fn from_headers(headers: &http::HeaderMap, trust: Trust) -> RemoteParent {
        use distlog_proto::trace_context::{TRACEPARENT, TRACESTATE};

        let values = |name| {
            headers
                .get_all(name)
                .into_iter()
                .map(http::HeaderValue::as_bytes)
        };
        RemoteParent::from_trace_context(values(TRACEPARENT), values(TRACESTATE), trust)
    }

    /// From the values of all headers `traceparent` and all headers `tracestate` that came with a request or message.
    pub fn from_trace_context<'a>(
        traceparent: impl IntoIterator<Item = &'a [u8]>,
        tracestate: impl IntoIterator<Item = &'a [u8]>,
        trust: Trust,
    ) -> RemoteParent {
        let origin = match Incoming::parse(traceparent, tracestate) {
            Some(incoming) => Origin::Caller(incoming, trust),
            None => Origin::Nobody,
        };
        RemoteParent {
            origin,
            kind: SpanKind::Server,
        }
    }

    /// Opens the place. Twice gives two tasks.
    pub(crate) fn open(&self, random: &mut Random, sampler: &Sampler) -> SpanContext {
        let place = match &self.origin {
            Origin::Task(id) => {
                let id = id.import();
                let parent = id.parent_span_id();
                let decision = sampler.begin(id.trace_id(), FROM_TEXT);
                SpanContext::new(id, parent, decision)
            }
            Origin::Caller(incoming, Trust::Continue) => {
                let trace_state = carried(&incoming.trace_state);
                let decision = sampler.join(incoming.trace_id, incoming.flags, trace_state);
                SpanContext::new(incoming.import(), Some(incoming.parent_id), decision)
            }
            Origin::Caller(incoming, Trust::Link) => {
                let mut link = Link::from(&incoming.caller());
                link.flags = incoming.flags.into();
                link.trace_state = carried(&incoming.trace_state)
                    .unwrap_or_default()
                    .to_owned();
                SpanContext {
                    link: Some(Box::new(link)),
                    ..SpanContext::top(random, sampler)
                }
            }
            Origin::Caller(_, Trust::Restart) | Origin::Nobody | Origin::Unreadable(_) => {
                SpanContext::top(random, sampler)
            }
        };
        SpanContext {
            kind: self.kind,
            ..place
        }
    }

    /// The level that its caller is trusted to raise it to.
    pub(crate) fn level(&self) -> Option<Level> {
        match &self.origin {
            Origin::Caller(incoming, Trust::Continue) => incoming.level,
            _ => None,
        }
    }

    /// Writes what was sent.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Task(id) => write!(f, "{id}"),
            Origin::Caller(incoming, _) => write!(f, "{}", incoming.caller()),
            Origin::Nobody => f.write_str("none"),
            Origin::Unreadable(text) => write!(f, "{text:.MAX_UNREADABLE$}"),
        }
    }

    /// What was sent, where it could not be read.
    pub(crate) fn unreadable(&self) -> Option<&str> {
        match &self.origin {
            Origin::Unreadable(text) => Some(text),
            _ => None,
        }
    }
}

/// What is carried on of other systems' members: as much as W3C Trace Context (§3.3.1.5) asks for.
pub(crate) fn carried(trace_state: &str) -> Option<&str> {
    Some(trace_state).filter(|state| (1..=512).contains(&state.len()))
}

impl From<TaskId> for RemoteParent {
    fn from(id: TaskId) -> RemoteParent {
        RemoteParent {
            origin: Origin::Task(id),
            kind: SpanKind::Consumer,
        }
    }
}

impl From<&TaskId> for RemoteParent {
    fn from(id: &TaskId) -> RemoteParent {
        RemoteParent::from(id.clone())
    }
}

impl From<&str> for RemoteParent {
    fn from(text: &str) -> RemoteParent {
        let origin = text
            .trim()
            .parse()
            .map_or_else(|_| Origin::Unreadable(text.to_owned()), Origin::Task);
        RemoteParent {
            origin,
            kind: SpanKind::Consumer,
        }
    }
}

impl From<&String> for RemoteParent {
    fn from(text: &String) -> RemoteParent {
        RemoteParent::from(text.as_str())
    }
}

impl From<String> for RemoteParent {
    fn from(text: String) -> RemoteParent {
        RemoteParent::from(text.as_str())
    }
}

impl From<&RemoteParent> for RemoteParent {
    fn from(import: &RemoteParent) -> RemoteParent {
        import.clone()
    }
}
