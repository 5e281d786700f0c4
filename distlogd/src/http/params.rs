//! The parameters of a query: each is taken by its name, and what is left is not known.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use distlog_proto::Severity;
use distlog_rules::{Condition, nearest};

use crate::query::{Filter, MAX_TEXT, MAX_TIMEOUT, Phrase, QueryError, TIMEOUT, parse_time};
use crate::values::{parse_duration, show_duration};

/// How many items an answer has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// If nothing is said.
    pub default: usize,
    /// At most.
    pub most: usize,
}

/// The parameters of a request.
pub(super) struct Params {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
    now: u64,
}

impl Params {
    /// # Errors
    /// If one stands there twice.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Result<Params, QueryError> {
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            if given.insert(name.clone(), value).is_some() {
                let why = format!("`{name}` is given twice: give it once");
                return Err(QueryError::Request(why));
            }
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Ok(Params {
            given,
            known: Vec::new(),
            now: since.map_or(0, |since| {
                u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
            }),
        })
    }

    /// The present time, in ns since the epoch.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name)
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        bounds: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, QueryError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            let expected = format!("a number from {} to {}", bounds.start(), bounds.end());
            QueryError::parameter(name, format_args!("`{text}`"), expected)
        })
    }

    /// How many items are wanted.
    ///
    /// # Errors
    /// If that is no number, or too many.
    pub(super) fn limit(&mut self, limit: Limit) -> Result<usize, QueryError> {
        self.number("limit", 1..=limit.most, limit.default)
    }

    /// `true` or `false`, which is the default.
    ///
    /// # Errors
    /// If it is neither.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, QueryError> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => {
                let found = format_args!("`{text}`");
                Err(QueryError::parameter(name, found, "`true` or `false`"))
            }
        }
    }

    /// A duration that is not zero.
    ///
    /// # Errors
    /// If it is none, or longer than `most`.
    pub(super) fn duration(
        &mut self,
        name: &'static str,
        most: Duration,
    ) -> Result<Option<Duration>, QueryError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let duration = parse_duration(&text).filter(|d| !d.is_zero() && *d <= most);
        duration.map(Some).ok_or_else(|| {
            let expected = format!(
                "a duration as `5s` or `1m30s`, at most {}",
                show_duration(most)
            );
            QueryError::parameter(name, format_args!("`{text}`"), expected)
        })
    }

    /// How long the query may take.
    ///
    /// # Errors
    /// If that is wrong.
    pub(super) fn timeout(&mut self) -> Result<Duration, QueryError> {
        Ok(self.duration("timeout", MAX_TIMEOUT)?.unwrap_or(TIMEOUT))
    }

    /// A time, in ns since the epoch.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn time(&mut self, name: &'static str) -> Result<Option<u64>, QueryError> {
        let now = self.now();
        self.text(name)
            .map(|text| parse_time(name, &text, now))
            .transpose()
    }

    /// The span of time `from` … `to`, in ns since the epoch.
    ///
    /// # Errors
    /// If one is no time, or the first is not before the second.
    pub(super) fn times(&mut self) -> Result<(u64, u64), QueryError> {
        let (from, to) = (self.time("from")?, self.time("to")?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            let found = "a time that is not before `to`";
            return Err(QueryError::parameter("from", found, "an earlier one"));
        }
        Ok((from.unwrap_or(0), to.unwrap_or(u64::MAX)))
    }

    /// Which records the query is about: what all queries have in common.
    ///
    /// # Errors
    /// If one of its parameters is wrong.
    pub(super) fn filter(&mut self) -> Result<Filter, QueryError> {
        let (from, to) = self.times()?;
        let severity = self
            .text("severity")
            .map(|text| severity(&text))
            .transpose()?;
        let phrases = self
            .text("q")
            .map(|text| Phrase::parse(&text))
            .transpose()?;
        let condition = self
            .text("filter")
            .map(|text| condition(&text))
            .transpose()?;
        Ok(Filter {
            from,
            to,
            service: self.text("service"),
            severity: severity.unwrap_or_default(),
            phrases: phrases.unwrap_or_default(),
            condition,
            ..Filter::default()
        })
    }

    /// Everything was taken.
    ///
    /// # Errors
    /// If something is left: its name is not known.
    pub(super) fn finish(self) -> Result<(), QueryError> {
        let Some(name) = self.given.keys().next() else {
            return Ok(());
        };
        let meant = match nearest(name, self.known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("expected {}", self.known.join(", ")),
        };
        let why = format!("the parameter `{name}` is not known: {meant}");
        Err(QueryError::Request(why))
    }
}

fn severity(text: &str) -> Result<Severity, QueryError> {
    let number = text.parse().ok().filter(|number| (1..=24).contains(number));
    number
        .map(Severity::new)
        .or_else(|| Severity::from_text(text))
        .ok_or_else(|| {
            let expected = "trace, debug, info, warn, error, fatal or a number from 1 to 24";
            QueryError::parameter("severity", format_args!("`{text}`"), expected)
        })
}

/// Reads a condition.
///
/// # Errors
/// If it is none, or too long.
pub(super) fn condition(text: &str) -> Result<Condition, QueryError> {
    if text.len() > MAX_TEXT {
        let found = format!("{} bytes", text.len());
        let expected = format!("at most {MAX_TEXT} bytes");
        return Err(QueryError::parameter("filter", found, expected));
    }
    Condition::compile(text).map_err(|fault| QueryError::Request(format!("`filter`: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &[(&str, &str)]) -> Result<Filter, String> {
        let pairs = query
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let read = || {
            let mut params = Params::new(pairs.collect())?;
            params.number("limit", 1..=10_000, 100)?;
            params.timeout()?;
            params.flag("full")?;
            let filter = params.filter()?;
            params.finish().map(|()| filter)
        };
        read().map_err(|error: QueryError| error.to_string())
    }

    #[test]
    fn parameters_are_read() {
        let read = filter(&[
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
        let read = read.unwrap();
        assert_eq!(read.service.as_deref(), Some("shop"));
        assert_eq!(read.severity, Severity::WARN);
        assert_eq!(read.from, 2_000_000_000);
        assert!(read.to > 1_700_000_000_000_000_000 && read.to < u64::MAX);
        assert_eq!(read.phrases.len(), 2);
        assert!(read.condition.is_some());
        let all = filter(&[]).unwrap();
        assert_eq!((all.from, all.to), (0, u64::MAX));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, why) in [
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
            (
                "timeout",
                "6m",
                "expected a duration as `5s` or `1m30s`, at most 5m",
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
                "sevice",
                "a",
                "the parameter `sevice` is not known: did you mean `service`?",
            ),
            (
                "zzz",
                "a",
                "the parameter `zzz` is not known: expected limit, timeout, full, from",
            ),
        ] {
            let error = filter(&[(name, value)]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let long = format!("message == '{}'", "x".repeat(MAX_TEXT));
        assert!(
            filter(&[("filter", &long)])
                .unwrap_err()
                .contains("at most 16384 bytes")
        );
        let reversed = filter(&[("from", "1h"), ("to", "2h")]).unwrap_err();
        assert!(reversed.starts_with("`from` is wrong: found a time that is not before `to`"));
        let twice = filter(&[("q", "a"), ("q", "b")]).unwrap_err();
        assert_eq!(twice, "`q` is given twice: give it once");
    }
}
