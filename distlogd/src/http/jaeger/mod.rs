//! Traces as Jaeger's query service answers, so that what reads Jaeger reads distlogd
//! (<https://www.jaegertracing.io/docs/latest/architecture/apis/>): the API in OTLP JSON (`v3.rs`), and the older one
//! of its UI and of Grafana (`legacy.rs`, in the shape of `ui_model.rs`). `summary.rs` sums traces up, `answer.rs`
//! sends what is read.

mod answer;
pub(super) mod legacy;
mod summary;
mod ui_model;
pub(super) mod v3;

use std::time::Duration;

use axum::extract::Query;
use distlog_proto::TraceId;

use super::params::Params;
use crate::query::{MAX_TEXT, QueryError};
use crate::values::parse_duration;

/// Jaeger's UI waits 10 s. Out of time, the answer is what was found.
const TIMEOUT: Duration = Duration::from_secs(8);
/// An answer has so many traces if nothing is said.
const TRACES: usize = 100;
/// An answer has so many traces at most.
const MAX_TRACES: usize = 1000;
/// A query names so many attributes at most.
const MAX_ATTRIBUTES: usize = 64;

type Pairs = Query<Vec<(String, String)>>;

/// A parameter by one of its names; an empty one is none.
fn given(params: &mut Params, names: &[&'static str]) -> Option<(&'static str, String)> {
    let mut all = names.iter().map(|name| (*name, params.text(name)));
    // All are known, also behind the one that counts.
    let all: Vec<_> = all.by_ref().collect();
    all.into_iter()
        .find_map(|(name, value)| value.filter(|value| !value.is_empty()).map(|v| (name, v)))
}

/// A duration as Go writes it, in ns; none is not asked for.
fn duration(params: &mut Params, names: &[&'static str]) -> Result<Option<u64>, QueryError> {
    let Some((name, text)) = given(params, names) else {
        return Ok(None);
    };
    let read = parse_duration(&text.replace(['µ', 'μ'], "u"));
    let Some(duration) = read else {
        let expected = "a duration as `1.5s` or `1m30s`";
        return Err(QueryError::parameter(
            name,
            format_args!("`{text}`"),
            expected,
        ));
    };
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Ok(Some(nanos).filter(|nanos| *nanos > 0))
}

fn limit(params: &mut Params, names: &[&'static str]) -> Result<usize, QueryError> {
    let Some((name, text)) = given(params, names) else {
        return Ok(TRACES);
    };
    let limit = text.parse().ok().filter(|n| (1..=MAX_TRACES).contains(n));
    limit.ok_or_else(|| {
        let expected = format!("a number from 1 to {MAX_TRACES}");
        QueryError::parameter(name, format_args!("`{text}`"), expected)
    })
}

/// Names and values, as a JSON object of strings.
fn attributes(
    params: &mut Params,
    names: &[&'static str],
) -> Result<Vec<(String, String)>, QueryError> {
    let Some((name, text)) = given(params, names) else {
        return Ok(Vec::new());
    };
    if text.len() > MAX_TEXT {
        let expected = format!("at most {MAX_TEXT} bytes");
        return Err(QueryError::parameter(
            name,
            format_args!("{} bytes", text.len()),
            expected,
        ));
    }
    let read: Result<std::collections::BTreeMap<String, String>, _> = serde_json::from_str(&text);
    let attributes = read.map_err(|error| {
        let expected = "a JSON object of strings, as `{\"http.route\":\"/orders\"}`";
        QueryError::parameter(name, format_args!("`{text}` ({error})"), expected)
    })?;
    if attributes.len() > MAX_ATTRIBUTES {
        let expected = format!("at most {MAX_ATTRIBUTES}");
        let found = format_args!("{} attributes", attributes.len());
        return Err(QueryError::parameter(name, found, expected));
    }
    Ok(attributes.into_iter().collect())
}

/// Up to 32 hexadecimal digits; zeros in front may be missing.
fn trace_id(text: &str) -> Result<TraceId, QueryError> {
    let is_hex = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = is_hex
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten();
    id.and_then(|id| TraceId::from_bytes(id.to_be_bytes()))
        .ok_or_else(|| {
            let expected = "up to 32 hexadecimal digits, not all zero";
            QueryError::parameter("trace_id", format_args!("`{text}`"), expected)
        })
}
