//! Traces as Jaeger's query service answers, so that what reads Jaeger reads distlogd
//! (<https://www.jaegertracing.io/docs/latest/architecture/apis/>): the API in OTLP JSON (`v3.rs`), and the older one
//! of its UI and of Grafana (`legacy.rs`, in the shape of `ui_model.rs`). `summary.rs` sums traces up, `answer.rs`
//! sends what is read.

mod answer;
mod legacy;
mod summary;
mod ui_model;
mod v3;

use std::time::Duration;

use axum::extract::RawQuery;
use axum::routing::{MethodRouter, get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use distlog_proto::TraceId;

use super::Api;
use super::endpoint::pairs;
use super::params::Params;
use super::problem::{Problem, quoted};
use crate::query::MAX_TEXT;
use crate::values::parse_duration;

/// Jaeger's UI waits 10 s. Out of time, the answer is what was found.
const TIMEOUT: Duration = Duration::from_secs(8);
/// An answer has so many traces if nothing is said.
const TRACES: usize = 100;
/// An answer has so many traces at most. Jaeger's UI offers so many.
const MAX_TRACES: usize = 1500;
/// A query names so many attributes at most.
const MAX_ATTRIBUTES: usize = 64;

/// Its paths: traces of all kinds, to be read.
pub(super) fn routes() -> [(&'static str, MethodRouter<Api>); 11] {
    [
        ("/api/v3/services", get(v3::services)),
        ("/api/v3/operations", get(v3::operations)),
        ("/api/v3/traces", get(v3::traces)),
        ("/api/v3/traces/{id}", get(v3::trace)),
        ("/api/v3/trace-summaries", get(v3::trace_summaries)),
        ("/api/services", get(legacy::services)),
        ("/api/services/{id}/operations", get(legacy::operations_of)),
        ("/api/operations", get(legacy::operations)),
        ("/api/traces", get(legacy::traces)),
        ("/api/traces/{id}", get(legacy::trace)),
        ("/api/dependencies", get(legacy::dependencies)),
    ]
}

/// The parameters of a request, all of which are known.
fn params(query: RawQuery, known: &[&[&'static str]]) -> Result<Params, Problem> {
    Params::new(pairs(&query.0.unwrap_or_default())?)?.only(&known.concat())
}

/// A parameter by one of its names; an empty one is none.
fn given<'p>(params: &'p Params, names: &[&'static str]) -> Option<(&'static str, &'p str)> {
    let mut all = names.iter().map(|name| (*name, params.text(name)));
    all.find_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)))
}

/// A duration as Go writes it, in ns; none is not asked for.
fn duration(params: &Params, names: &[&'static str]) -> Result<Option<u64>, Problem> {
    let Some((name, text)) = given(params, names) else {
        return Ok(None);
    };
    let read = parse_duration(&text.replace(['µ', 'μ'], "u"));
    let Some(duration) = read else {
        let expected = "a duration as `1.5s` or `1m30s`";
        return Err(Problem::parameter(name, quoted(text), expected));
    };
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Ok(Some(nanos).filter(|nanos| *nanos > 0))
}

fn limit(params: &Params, names: &[&'static str]) -> Result<usize, Problem> {
    let Some((name, text)) = given(params, names) else {
        return Ok(TRACES);
    };
    let limit = text.parse().ok().filter(|n| (1..=MAX_TRACES).contains(n));
    limit.ok_or_else(|| {
        let expected = format!("a number from 1 to {MAX_TRACES}");
        Problem::parameter(name, quoted(text), expected)
    })
}

/// Names and values, as a JSON object of strings.
fn attributes(params: &Params, names: &[&'static str]) -> Result<Vec<(String, String)>, Problem> {
    let Some((name, text)) = given(params, names) else {
        return Ok(Vec::new());
    };
    if text.len() > MAX_TEXT {
        let expected = format!("at most {MAX_TEXT} bytes");
        return Err(Problem::parameter(
            name,
            format_args!("{} bytes", text.len()),
            expected,
        ));
    }
    let read: Result<std::collections::BTreeMap<String, String>, _> = serde_json::from_str(text);
    let attributes = read.map_err(|error| {
        let expected = "a JSON object of strings, as `{\"http.route\":\"/orders\"}`";
        Problem::parameter(name, format_args!("{} ({error})", quoted(text)), expected)
    })?;
    if attributes.len() > MAX_ATTRIBUTES {
        let expected = format!("at most {MAX_ATTRIBUTES}");
        let found = format_args!("{} attributes", attributes.len());
        return Err(Problem::parameter(name, found, expected));
    }
    Ok(attributes.into_iter().collect())
}

/// Up to 32 hexadecimal digits, where zeros in front may be missing, or base64 as protobuf's JSON writes ids.
fn trace_id(text: &str) -> Result<TraceId, Problem> {
    let bytes = from_hex(text).or_else(|| from_base64(text));
    bytes.and_then(TraceId::from_bytes).ok_or_else(|| {
        let expected = "up to 32 hexadecimal digits or base64 of 16 bytes, not all zero";
        Problem::parameter("trace_id", quoted(text), expected)
    })
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    let is_hex = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = is_hex.then(|| u128::from_str_radix(text, 16).ok())?;
    id.map(u128::to_be_bytes)
}

/// Of either alphabet, with padding or without.
fn from_base64(text: &str) -> Option<[u8; 16]> {
    let text = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
