//! Parameters that several paths have: which records a query is about, and which part of the answer is wanted.

use std::time::Duration;

use super::params::{Param, Params};
use super::problem::Problem;
use super::shapes::{AtLeast, Cel, CursorOf, Number, Span, Text, Time, Words};
use crate::query::{Cursor, Filter, MAX_TIMEOUT, TIMEOUT};

pub(super) const Q: Param<Words> = Param {
    name: "q",
    about: "Words that a record must have, all of them, in its message, its texts, error or name; in any case. Quotes \
            make a phrase, * at the end of a word any ending. At most 64 words and 16 KiB.",
    examples: &["timeout 4711", "\"card declined\"", "connect*"],
    shape: Words,
};

pub(super) const FILTER: Param<Cel> = Param {
    name: "filter",
    about: "Condition in CEL. Names: severity (TRACE, DEBUG, INFO, WARN, ERROR, FATAL), message, service, host, target, \
            file, line, kind (event, begin, bind, end of a task), outcome (ok, failed, lost, cancelled), duration, \
            task, trace_id, fields.NAME, context.NAME (of the task), resource.NAME. At most 16 KiB.",
    examples: &[
        "severity >= WARN && fields.amount > 100",
        "message.contains(\"refused\") && resource[\"k8s.pod.name\"].startsWith(\"pay\")",
        "kind == \"end\" && outcome == \"failed\" && duration > duration(\"2s\")",
    ],
    shape: Cel,
};

pub(super) const SERVICE: Param<Text> = Param {
    name: "service",
    about: "Name of the service.",
    examples: &["payment"],
    shape: Text { format: None },
};

pub(super) const SEVERITY: Param<AtLeast> = Param {
    name: "severity",
    about: "This one or worse.",
    examples: &["warn"],
    shape: AtLeast,
};

pub(super) const FROM: Param<Time> = Param {
    name: "from",
    about: "From this time on: how long ago, or RFC 3339; without an offset it is UTC, and seconds or the time of \
            day can be left out.",
    examples: &["1h", "2d", "2026-05-01T12:00:00Z", "2026-05-01"],
    shape: Time,
};

pub(super) const TO: Param<Time> = Param {
    name: "to",
    about: "Before this time: as `from`, or now.",
    examples: &["now", "30m"],
    shape: Time,
};

pub(super) const CURSOR: Param<CursorOf<Cursor>> = Param {
    name: "cursor",
    about: "Where the answer before ended, as it says: gives the rest.",
    examples: &[],
    shape: CursorOf::new("cursor"),
};

pub(super) const TIMEOUT_PARAM: Param<Span> = Param {
    name: "timeout",
    about: "Time to look; then what was found is given.",
    examples: &["30s", "2m"],
    shape: Span {
        most: MAX_TIMEOUT,
        default: TIMEOUT,
    },
};

/// How many items an answer has.
pub(super) const fn limit(default: usize, most: usize) -> Param<Number> {
    Param {
        name: "limit",
        about: "At most so many.",
        examples: &[],
        shape: Number {
            least: 1,
            most,
            default,
        },
    }
}

/// The span of time `from` … `to`, in ns since the epoch.
///
/// # Errors
/// If one is no time, or the first is not before the second.
pub(super) fn times(params: &Params) -> Result<(u64, u64), Problem> {
    let (from, to) = (params.get(&FROM)?, params.get(&TO)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let found = "a time that is not before `to`";
        return Err(Problem::parameter(FROM.name, found, "an earlier one"));
    }
    Ok((from.unwrap_or(0), to.unwrap_or(u64::MAX)))
}

/// Which records the query is about: what all queries have in common.
///
/// # Errors
/// If one of its parameters is wrong.
pub(super) fn filter(params: &Params) -> Result<Filter, Problem> {
    let (from, to) = times(params)?;
    Ok(Filter {
        from,
        to,
        service: params.get(&SERVICE)?,
        severity: params.get(&SEVERITY)?,
        phrases: params.get(&Q)?,
        condition: params.get(&FILTER)?,
        ..Filter::default()
    })
}

/// Which page is wanted.
pub(super) struct PageAsk {
    pub cursor: Option<Cursor>,
    pub limit: usize,
    pub timeout: Duration,
}

impl PageAsk {
    /// # Errors
    /// If one of its parameters is wrong.
    pub(super) fn new(params: &Params, limit: &Param<Number>) -> Result<PageAsk, Problem> {
        Ok(PageAsk {
            cursor: params.get(&CURSOR)?,
            limit: params.get(limit)?,
            timeout: params.get(&TIMEOUT_PARAM)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::params::Known;
    use crate::http::shapes::Flag;
    use crate::query::MAX_TEXT;
    use distlog_proto::Severity;

    const LIMIT: Param<Number> = limit(100, 10_000);
    const FULL: Param<Flag> = Param {
        name: "full",
        about: "",
        examples: &[],
        shape: Flag { default: false },
    };
    const KNOWN: Known = &[
        &LIMIT,
        &TIMEOUT_PARAM,
        &FULL,
        &FROM,
        &TO,
        &SEVERITY,
        &Q,
        &FILTER,
        &SERVICE,
        &CURSOR,
    ];

    fn read(query: &[(&str, &str)]) -> Result<Filter, Problem> {
        let pairs = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let names: Vec<&str> = KNOWN.iter().map(|param| param.name()).collect();
        let params = Params::new(pairs)?.only(&names)?;
        PageAsk::new(&params, &LIMIT)?;
        params.get(&FULL)?;
        filter(&params)
    }

    fn why(query: &[(&str, &str)]) -> String {
        read(query).err().unwrap().detail().to_owned()
    }

    #[test]
    fn parameters_are_read() {
        let filter = read(&[
            ("service", "shop"),
            ("severity", "Warning"),
            ("from", "1970-01-01T00:00:02Z"),
            ("to", "now"),
            ("q", "order \"not paid\""),
            ("filter", "fields.amount > 3"),
            ("limit", "10000"),
            ("timeout", "5m"),
            ("full", "true"),
        ]);
        let filter = filter.unwrap();
        assert_eq!(filter.service.as_deref(), Some("shop"));
        assert_eq!(filter.severity, Severity::WARN);
        assert_eq!(filter.from, 2_000_000_000);
        assert!(filter.to > 1_700_000_000_000_000_000 && filter.to < u64::MAX);
        assert_eq!(filter.phrases.len(), 2);
        assert!(filter.condition.is_some());
        let all = read(&[]).unwrap();
        assert_eq!((all.from, all.to), (0, u64::MAX));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, expected) in [
            (
                "from",
                "noon",
                "`from` is wrong: found `noon`, expected how long ago",
            ),
            (
                "severity",
                "loud",
                "`severity` is wrong: found `loud`, expected trace, debug",
            ),
            ("severity", "25", "`severity` is wrong: found `25`"),
            (
                "limit",
                "0",
                "`limit` is wrong: found `0`, expected a number from 1 to 10000",
            ),
            ("limit", "many", "`limit` is wrong"),
            ("limit", "+1", "`limit` is wrong"),
            ("limit", "", "`limit` is wrong"),
            (
                "timeout",
                "6m",
                "expected a duration as `5s` or `1m30s`, more than 0, at most 5m",
            ),
            ("timeout", "0", "`timeout` is wrong"),
            (
                "full",
                "yes",
                "`full` is wrong: found `yes`, expected `true` or `false`",
            ),
            (
                "filter",
                "",
                "`filter`: line 1, column 1: the condition is empty",
            ),
            ("filter", "severty > 3", "did you mean `severity`?"),
            ("q", "?!", "`q` is wrong: found `?!`"),
            (
                "cursor",
                "1.2",
                "`cursor` is wrong: found `1.2`, expected the `next` of the answer before",
            ),
            (
                "sevice",
                "a",
                "the parameter `sevice` is not known: did you mean `service`? There are limit, timeout",
            ),
            (
                "since",
                "1h",
                "the parameter `since` is not known: did you mean `from`? There are",
            ),
            (
                "zzz",
                "a",
                "the parameter `zzz` is not known: expected limit, timeout, full, from",
            ),
        ] {
            let why = why(&[(name, value)]);
            assert!(why.contains(expected), "{why}");
        }
        let long = format!("message == '{}'", "x".repeat(MAX_TEXT));
        assert!(why(&[("filter", &long)]).contains("at most 16384 bytes"));
        let reversed = why(&[("from", "1h"), ("to", "2h")]);
        assert!(reversed.starts_with("`from` is wrong: found a time that is not before `to`"));
        let twice = why(&[("q", "a"), ("q", "b")]);
        assert_eq!(twice, "`q` is given twice: give it once");
        // A long text is not told in full.
        let long = "x".repeat(50_000);
        for name in ["limit", "from", "cursor", "q", &long] {
            assert!(why(&[(name, &long)]).len() < 2000, "{name}");
        }
    }
}
