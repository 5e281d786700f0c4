//! Which traces are recorded: decided once for each that begins in this process or comes into it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use distlog_proto::TraceId;
use distlog_proto::sampling::{BadRatio, Randomness, Threshold};
use distlog_proto::trace_context::{SAMPLED, with_threshold};

/// The field of a span or event that makes its trace recorded, if it is `true`.
pub(crate) const FORCE: &str = "distlog.force";

/// What it means that a caller's `traceparent` says whether the trace is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncomingSampled {
    /// Nothing: the trace is recorded, or [`Builder::sample`](crate::Builder::sample) decides.
    #[default]
    Ignore,
    /// The caller has decided: what is not sampled there is not recorded here, and what is sampled is.
    Respect,
}

/// What the builder says about sampling.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sampler {
    /// Of the traces that nobody has decided about; `None`: all.
    share: Option<Share>,
    incoming: IncomingSampled,
}

/// A part of all traces.
#[derive(Debug, Clone)]
struct Share {
    threshold: Threshold,
    /// `tracestate` of a trace that begins here and is kept.
    trace_state: Arc<str>,
}

/// What was decided about a trace.
pub(crate) struct Decision {
    /// Of its tasks and of calls from them.
    pub(crate) flags: u8,
    pub(crate) trace_state: Option<Arc<str>>,
    pub(crate) unsampled: Option<Arc<Unsampled>>,
}

impl Sampler {
    /// `ratio`: of the traces that begin here, and of the others if the caller's decision is ignored.
    pub(crate) fn new(ratio: Option<f64>, incoming: IncomingSampled) -> Result<Sampler, BadRatio> {
        let threshold = ratio.map(Threshold::from_ratio).transpose()?;
        let share = threshold.map(|threshold| Share {
            threshold,
            trace_state: with_threshold("", Some(threshold)).into(),
        });
        Ok(Sampler { share, incoming })
    }

    /// Whether records may be withheld.
    pub(crate) fn is_on(&self) -> bool {
        self.share.is_some() || self.incoming == IncomingSampled::Respect
    }

    /// About a trace that nobody else has decided about. `flags`: if it is sampled.
    #[inline]
    pub(crate) fn begin(&self, trace: TraceId, flags: u8) -> Decision {
        match &self.share {
            None => Decision::sampled(flags, None),
            Some(share) if share.keeps(trace, "") => {
                Decision::sampled(flags, Some(Arc::clone(&share.trace_state)))
            }
            Some(_) => Decision::unsampled(flags & !SAMPLED, None, true),
        }
    }

    /// About a trace that came with a caller's headers.
    pub(crate) fn join(&self, trace: TraceId, flags: u8, trace_state: Option<&str>) -> Decision {
        let state = trace_state.unwrap_or_default();
        let share = self.share.as_ref();
        match share.filter(|_| self.incoming == IncomingSampled::Ignore) {
            None => {
                let trace_state = trace_state.map(Arc::from);
                match self.unsampled(flags) {
                    None => Decision::sampled(flags, trace_state),
                    Some(is_withheld) => Decision::unsampled(flags, trace_state, is_withheld),
                }
            }
            Some(share) if share.keeps(trace, state) => {
                let state = with_threshold(state, Some(share.threshold));
                Decision::sampled(flags | SAMPLED, Some(state.into()))
            }
            Some(_) => {
                let state = with_threshold(state, None);
                let state = Some(state).filter(|state| !state.is_empty());
                Decision::unsampled(flags & !SAMPLED, state.map(Arc::from), true)
            }
        }
    }

    /// About a trace whose headers another layer of this process writes: the flags and the state are that one's.
    pub(crate) fn beside(&self, trace: TraceId, flags: u8, trace_state: Option<&str>) -> Decision {
        let is_withheld = match (self.incoming, &self.share) {
            (IncomingSampled::Ignore, Some(share)) => {
                let kept = share.keeps(trace, trace_state.unwrap_or_default());
                (!kept || flags & SAMPLED == 0).then_some(!kept)
            }
            _ => self.unsampled(flags),
        };
        let trace_state = trace_state.map(Arc::from);
        match is_withheld {
            None => Decision::sampled(flags, trace_state),
            Some(is_withheld) => Decision::unsampled(flags, trace_state, is_withheld),
        }
    }

    /// Whether a caller's trace is unsampled, and withheld for it.
    fn unsampled(&self, flags: u8) -> Option<bool> {
        (flags & SAMPLED == 0).then_some(self.incoming == IncomingSampled::Respect)
    }
}

impl Share {
    fn keeps(&self, trace: TraceId, trace_state: &str) -> bool {
        self.threshold
            .keeps(Randomness::of_trace(trace, trace_state))
    }
}

impl Decision {
    fn sampled(flags: u8, trace_state: Option<Arc<str>>) -> Decision {
        Decision {
            flags,
            trace_state,
            unsampled: None,
        }
    }

    fn unsampled(flags: u8, trace_state: Option<Arc<str>>, is_withheld: bool) -> Decision {
        Decision {
            flags,
            trace_state,
            unsampled: Some(Arc::new(Unsampled::new(is_withheld))),
        }
    }
}

/// What the tasks of an unsampled trace have in common, from where it begins in this process or comes into it.
pub(crate) struct Unsampled {
    /// Its records are not written; else it is only the caller that does not sample it.
    is_withheld: bool,
    /// All is written from now on, and the called services shall write it, too.
    forced: AtomicBool,
    /// Of who writes begins late: each is written once, and before any other record of its task.
    pub(crate) late: Mutex<()>,
}

impl Unsampled {
    fn new(is_withheld: bool) -> Unsampled {
        Unsampled {
            is_withheld,
            forced: AtomicBool::new(false),
            late: Mutex::new(()),
        }
    }

    /// The same in a forked process, where nobody may ever give back the lock.
    pub(crate) fn forked(&self) -> Unsampled {
        Unsampled {
            forced: AtomicBool::new(self.is_forced()),
            ..Unsampled::new(self.is_withheld)
        }
    }

    /// Whether records are not written, if nothing else makes them.
    #[inline]
    pub(crate) fn withholds(&self) -> bool {
        self.is_withheld && !self.is_forced()
    }

    #[inline]
    pub(crate) fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Relaxed)
    }

    pub(crate) fn force(&self) {
        self.forced.store(true, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use distlog_proto::trace_context::NEW_TRACE;
    use proptest::prelude::*;

    use super::*;

    fn sampler(ratio: impl Into<Option<f64>>, incoming: IncomingSampled) -> Sampler {
        Sampler::new(ratio.into(), incoming).unwrap()
    }

    /// Whether the trace is recorded.
    fn records(decision: &Decision) -> bool {
        !decision
            .unsampled
            .as_ref()
            .is_some_and(|unsampled| unsampled.withholds())
    }

    fn trace(bits: u128) -> TraceId {
        TraceId::from_bytes((bits | 1 << 127).to_be_bytes()).unwrap()
    }

    #[test]
    fn without_a_ratio_everything_is_recorded_and_flags_go_on_as_they_came() {
        let sampler = sampler(None, IncomingSampled::Ignore);
        assert!(!sampler.is_on());
        let new = sampler.begin(trace(7), NEW_TRACE);
        assert!(records(&new) && new.unsampled.is_none());
        assert_eq!((new.flags, new.trace_state.as_deref()), (NEW_TRACE, None));
        for flags in 0..=NEW_TRACE {
            let joined = sampler.join(trace(7), flags, Some("ot=th:8"));
            assert!(records(&joined));
            assert_eq!(joined.flags, flags);
            assert_eq!(joined.trace_state.as_deref(), Some("ot=th:8"));
        }
    }

    #[test]
    fn a_caller_that_is_respected_decides() {
        let sampler = sampler(0.0, IncomingSampled::Respect);
        let sampled = sampler.join(trace(7), SAMPLED, Some("ot=th:8"));
        assert!(records(&sampled));
        assert_eq!(sampled.trace_state.as_deref(), Some("ot=th:8"));
        let unsampled = sampler.join(trace(7), 2, None);
        assert!(!records(&unsampled));
        assert_eq!(unsampled.flags, 2);
        assert!(!records(&sampler.begin(trace(7), NEW_TRACE)));
    }

    #[test]
    fn explicit_randomness_of_a_caller_counts_before_the_trace_id() {
        let half = sampler(0.5, IncomingSampled::Ignore);
        let low = "ot=rv:00000000000001";
        let kept = half.join(trace(u128::MAX), 0, None);
        assert!(records(&kept));
        assert_eq!(kept.flags, SAMPLED);
        assert_eq!(kept.trace_state.as_deref(), Some("ot=th:8"));
        let dropped = half.join(trace(u128::MAX), SAMPLED, Some(low));
        assert!(!records(&dropped));
        assert_eq!(dropped.flags, 0);
        assert_eq!(dropped.trace_state.as_deref(), Some(low));
    }

    #[test]
    fn what_is_no_ratio_is_refused() {
        for ratio in [-0.1, 1.01, f64::NAN] {
            assert!(Sampler::new(Some(ratio), IncomingSampled::Ignore).is_err());
        }
    }

    proptest! {
        /// Whoever began the trace and whoever it came to, by headers, as text or beside OpenTelemetry.
        #[test]
        fn all_processes_with_one_ratio_agree(ratio in 0.0..=1.0, bits: u128, flags in 0_u8..4) {
            let trace = trace(bits);
            let one = sampler(ratio, IncomingSampled::Ignore);
            let other = sampler(ratio, IncomingSampled::Ignore);
            let begun = one.begin(trace, NEW_TRACE);
            let state = begun.trace_state.as_deref();
            prop_assert_eq!(begun.flags & SAMPLED != 0, records(&begun));
            for decision in [
                other.begin(trace, SAMPLED),
                other.join(trace, begun.flags, state),
                other.join(trace, flags, None),
                other.beside(trace, flags, None),
            ] {
                prop_assert_eq!(records(&decision), records(&begun));
            }
            let respects = sampler(None, IncomingSampled::Respect);
            let decision = respects.join(trace, begun.flags, state);
            prop_assert_eq!(records(&decision), records(&begun));
        }

        #[test]
        fn a_process_with_a_smaller_ratio_records_a_part(a in 0.0..=1.0, b in 0.0..=1.0, bits: u128) {
            let small = sampler(f64::min(a, b), IncomingSampled::Ignore);
            let large = sampler(f64::max(a, b), IncomingSampled::Ignore);
            let is_in = |sampler: &Sampler| records(&sampler.begin(trace(bits), NEW_TRACE));
            prop_assert!(is_in(&large) || !is_in(&small));
        }
    }
}
