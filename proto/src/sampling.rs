//! Consistent probability sampling, as OpenTelemetry specifies it ([TraceState: Probability
//! Sampling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)).
//!
//! Whoever decides about a trace with the same ratio decides the same, without asking anybody; a smaller ratio keeps a
//! part of what a larger one keeps.
//!
//! The decision compares a [`Randomness`], which all that take part in a trace share, with a [`Threshold`], which
//! follows from the ratio. Records outside of traces have a randomness of their own, which stays the same when they are
//! sent again.
//!
//! ```
//! use distlog_proto::sampling::{Randomness, Threshold};
//! use distlog_proto::TraceId;
//!
//! let tenth = Threshold::from_ratio(0.1)?;
//! assert_eq!(tenth.to_string(), "e666"); // What `th:` in `tracestate` says.
//! let trace: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse()?;
//! assert!(!tenth.keeps(Randomness::of_trace(trace, "")));
//! assert!(tenth.keeps(Randomness::of_trace(trace, "ot=rv:f0000000000000")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use crate::id::{ProducerId, SpanId, TraceId};

/// Randomness and thresholds are below this: 56 bits.
const END: u64 = 1 << 56;
/// Hexadecimal digits of a threshold beyond leading `f`s: what OpenTelemetry recommends to SDKs.
const PRECISION: u32 = 4;
/// With more digits than these the rounding of an `f64` would show.
const MAX_PRECISION: u32 = 12;
/// Hexadecimal digits of 56 bits.
const DIGITS: u32 = 14;

/// From which randomness on a trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

/// A number that is no ratio.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("`{0}` is no ratio: expected a number from 0 (none) to 1 (all)")]
pub struct BadRatio(f64);

impl Threshold {
    /// Keeps all.
    pub const ALWAYS: Threshold = Threshold(0);
    /// Keeps none.
    pub const NEVER: Threshold = Threshold(END);

    /// Of a ratio from 0 (none) to 1 (all), rounded to four hexadecimal digits as OpenTelemetry's specification does.
    ///
    /// # Errors
    /// If it is not in that range, or no number.
    pub fn from_ratio(ratio: f64) -> Result<Threshold, BadRatio> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(BadRatio(ratio));
        }
        if ratio == 0.0 {
            return Ok(Threshold::NEVER);
        }
        if ratio == 1.0 {
            return Ok(Threshold::ALWAYS);
        }
        // How often it was halved, from the exponent of the `f64`: 0 from a half on.
        let halved = 1022_u64.saturating_sub(ratio.to_bits() >> 52) as u32;
        // A digit more for each leading `f`: small ratios are as exact as large ones.
        let precision = (PRECISION + halved / 4).min(MAX_PRECISION);
        // From 1 (keeps all) to 2 (keeps none): the 52 bits of the fraction are the threshold's first.
        let half_a_digit = 1.0 / (1_u64 << (4 * precision + 1)) as f64;
        let rejected = 2.0 - ratio + half_a_digit;
        let fraction = if rejected < 2.0 {
            rejected.to_bits() & ((1 << 52) - 1)
        } else {
            (1 << 52) - 1
        };
        let cut = 4 * (DIGITS - precision);
        Ok(Threshold((fraction << 4) >> cut << cut))
    }

    /// What `th` of the member `ot` says in a `tracestate`: by which threshold the trace was sampled before.
    pub fn of_trace_state(trace_state: &str) -> Option<Threshold> {
        let digits = otel_value(trace_state, "th:")?;
        let bits = hex(digits)?;
        let missing = DIGITS.checked_sub(digits.len() as u32)?;
        Some(Threshold(bits << (4 * missing)))
    }

    /// Whether a trace or record of this randomness is kept.
    #[inline]
    pub fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// The part of all that is kept, from 0 to 1.
    pub fn ratio(self) -> f64 {
        (END - self.0) as f64 / END as f64
    }
}

/// As `th` in the `ot` member of `tracestate`: hexadecimal, without trailing zeros. [`Threshold::NEVER`] has no such
/// form, and nothing that is kept needs it.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let zeros = self.0.trailing_zeros() / 4;
        let width = DIGITS.saturating_sub(zeros) as usize;
        write!(f, "{:0width$x}", self.0 >> (4 * zeros))
    }
}

/// 56 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Randomness(u64);

impl Randomness {
    /// From its bits; those above 56 are left out.
    pub fn new(bits: u64) -> Randomness {
        Randomness(bits & (END - 1))
    }

    /// Of a trace: what `rv` of the member `ot` says in its `tracestate`, else the lowest 56 bits of its id. Allocates
    /// nothing.
    #[inline]
    pub fn of_trace(trace: TraceId, trace_state: &str) -> Randomness {
        if !trace_state.is_empty()
            && let Some(explicit) = explicit(trace_state)
        {
            return explicit;
        }
        Randomness::new(trace.halves().1)
    }

    /// Of a record that belongs to no trace: it follows from who logged it and its place there.
    #[inline]
    pub fn of_record(producer: ProducerId, offset: u64) -> Randomness {
        let bits = u128::from_be_bytes(producer.to_bytes());
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        Randomness::new(SpanId::mix(SpanId::mix(high, low).get(), offset).get())
    }
}

/// `rv` in the first member `ot`: 14 lowercase hexadecimal digits; anything else counts as absent.
#[cold]
fn explicit(trace_state: &str) -> Option<Randomness> {
    let digits = otel_value(trace_state, "rv:")?;
    let bits = hex(digits).filter(|_| digits.len() == DIGITS as usize)?;
    Some(Randomness::new(bits))
}

/// What follows a key in the first member `ot`.
fn otel_value<'s>(trace_state: &'s str, key: &str) -> Option<&'s str> {
    let blanks = [' ', '\t'];
    let value = trace_state
        .split(',')
        .find_map(|member| member.trim_matches(blanks).strip_prefix("ot="))?;
    value.split(';').find_map(|pair| pair.strip_prefix(key))
}

/// Lowercase hexadecimal digits, 14 at most.
fn hex(digits: &str) -> Option<u64> {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let valid = (1..=DIGITS as usize).contains(&digits.len()) && digits.bytes().all(is_hex);
    valid.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn threshold(ratio: f64) -> Threshold {
        Threshold::from_ratio(ratio).unwrap()
    }

    /// The table of the specification (four digits), and values of its Python program.
    #[test]
    fn thresholds_are_those_of_the_specification() {
        for (ratio, th) in [
            (1.0, "0"),
            (0.5, "8"),
            (1.0 / 3.0, "aaab"),
            (0.25, "c"),
            (0.2, "cccd"),
            (0.125, "e"),
            (0.1, "e666"),
            (0.0625, "f"),
            (0.01, "fd70a"),
            (0.001, "ffbe77"),
            (0.0001, "fff9724"),
            (0.00001, "ffff583a"),
            (0.000001, "ffffef39"),
            (0.999, "0042"),
            (0.75, "4"),
            (0.03125, "f8"),
            (2.0_f64.powi(-20), "fffff"),
            (2.0_f64.powi(-56), "ffffffffffff"),
            (f64::MIN_POSITIVE / 4.0, "ffffffffffff"),
        ] {
            assert_eq!(threshold(ratio).to_string(), th, "{ratio}");
        }
        assert_eq!(threshold(1.0), Threshold::ALWAYS);
        assert_eq!(threshold(0.0), Threshold::NEVER);
        assert!(!Threshold::NEVER.keeps(Randomness::new(u64::MAX)));
        assert!(Threshold::ALWAYS.keeps(Randomness::new(0)));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Threshold::from_ratio(wrong).unwrap_err().to_string();
            assert!(error.contains("is no ratio"), "{error}");
        }
    }

    #[test]
    fn a_trace_is_kept_from_its_threshold_on() {
        let half = threshold(0.5);
        let trace = |low: u64| TraceId::from_bytes((1_u128 << 64 | u128::from(low)).to_be_bytes());
        for (low, kept) in [
            (0x0080_0000_0000_0000, true),
            (0x007f_ffff_ffff_ffff, false),
            // The byte above the 56 bits does not count.
            (0xff7f_ffff_ffff_ffff, false),
        ] {
            let randomness = Randomness::of_trace(trace(low).unwrap(), "");
            assert_eq!(half.keeps(randomness), kept, "{low:x}");
        }
    }

    #[test]
    fn explicit_randomness_counts_where_it_is_well_formed() {
        let trace: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
        let of = |state: &str| Randomness::of_trace(trace, state);
        let of_id = Randomness::new(0xce_929d_0e0e_4736);
        let explicit = Randomness::new(0x01_2345_6789_abcd);
        for state in [
            "ot=rv:0123456789abcd",
            "ot=th:8;rv:0123456789abcd",
            "vendor=rv:ffffffffffffff, ot=p:8;rv:0123456789abcd;th:c,other=1",
        ] {
            assert_eq!(of(state), explicit, "{state}");
        }
        for state in [
            "",
            "ot=th:8",
            "ot=rv:0123456789abc",
            "ot=rv:0123456789abcde",
            "ot=rv:0123456789ABCD",
            "ot=rv:+123456789abcd",
            "rv:0123456789abcd",
            "not=rv:0123456789abcd",
            ",,=;ot",
        ] {
            assert_eq!(of(state), of_id, "{state}");
        }
    }

    #[test]
    fn records_outside_of_traces_are_sampled_evenly_and_alike_each_time() {
        let tenth = threshold(0.1);
        let kept = |producer: u8| {
            let producer = ProducerId::from_bytes([producer; 16]);
            (0..20_000)
                .filter(|n| tenth.keeps(Randomness::of_record(producer, n * 64)))
                .count()
        };
        assert_eq!(kept(7), kept(7));
        for producer in 0..5 {
            let kept = kept(producer);
            assert!((1_800..2_200).contains(&kept), "{kept}");
        }
    }

    /// The program of the specification on text, as Python's `float.hex` prints it.
    fn independent(ratio: f64) -> u64 {
        let (mut mantissa, mut exponent) = (ratio, 0);
        while mantissa < 0.5 {
            mantissa *= 2.0;
            exponent -= 1;
        }
        let precision = (4 + (-exponent / 4)).clamp(1, 12);
        let rejected = 2.0 - ratio + 0.5 / 16_f64.powi(precision);
        let digits = if rejected >= 2.0 {
            "f".repeat(13)
        } else {
            let mut rest = rejected - 1.0;
            let mut digits = String::new();
            for _ in 0..13 {
                rest *= 16.0;
                digits.push(char::from_digit(rest as u32, 16).unwrap());
                rest -= rest.trunc();
            }
            digits
        };
        let digits = format!("{:0<14}", &digits[..precision as usize]);
        u64::from_str_radix(&digits, 16).unwrap()
    }

    proptest! {
        #[test]
        fn thresholds_agree_with_another_program(exponent in 0_i32..60, fraction in 0.5..1.0) {
            let ratio = fraction * 2.0_f64.powi(-exponent);
            prop_assert_eq!(threshold(ratio).0, independent(ratio));
        }

        #[test]
        fn a_smaller_ratio_keeps_a_part(a in 0.0..=1.0, b in 0.0..=1.0, scale in 0_i32..50, bits: u64) {
            let (a, b) = (a * 2.0_f64.powi(-scale), b * 2.0_f64.powi(-scale));
            let (small, large) = (threshold(f64::min(a, b)), threshold(f64::max(a, b)));
            let randomness = Randomness::new(bits);
            prop_assert!(small >= large);
            prop_assert!(large.keeps(randomness) || !small.keeps(randomness));
        }

        #[test]
        fn the_ratio_kept_is_about_the_one_asked_for(ratio in 1e-9..0.99) {
            let kept = threshold(ratio).ratio();
            prop_assert!((kept - ratio).abs() <= ratio * 2e-3, "{} {}", kept, ratio);
        }

        #[test]
        fn no_trace_state_is_too_strange(state in "[ot=rv:;,0-9a-f\\PC]{0,80}") {
            let trace: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
            let _ = Randomness::of_trace(trace, &state);
        }
    }
}
