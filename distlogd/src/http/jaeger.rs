//! `GET /api/v3/…`: services, operations and traces as Jaeger's query service answers, so that what reads Jaeger reads
//! distlogd (<https://www.jaegertracing.io/docs/latest/architecture/apis/>). Errors, too, look as Jaeger's.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::{SpanKind, TraceId};
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};

use super::params::Params;
use super::pieces::Pieces;
use super::{Api, Refusal, Shared};
use crate::otlp_json::{self, schema};
use crate::query::{MAX_TEXT, QueryError, SpanTest, trace_spans};
use crate::values::parse_duration;
use distlog_store::Reader;

/// Jaeger's UI waits 10 s. Out of time, the answer is what was found.
const TIMEOUT: Duration = Duration::from_secs(8);
/// An answer has so many traces if nothing is said.
const TRACES: usize = 100;
/// An answer has so many traces at most.
const MAX_TRACES: usize = 1000;
/// Beyond this size no other trace begins in an answer, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// A query names so many attributes at most.
const MAX_ATTRIBUTES: usize = 64;

/// Parameters in both spellings: that of Jaeger 1 and 2, and that of the JSON of protobuf.
mod name {
    pub const SERVICE: &[&str] = &["query.service_name", "query.serviceName"];
    pub const OPERATION: &[&str] = &["query.operation_name", "query.operationName"];
    pub const ATTRIBUTES: &[&str] = &["query.attributes"];
    pub const TIME_MIN: &[&str] = &["query.start_time_min", "query.startTimeMin"];
    pub const TIME_MAX: &[&str] = &["query.start_time_max", "query.startTimeMax"];
    pub const DURATION_MIN: &[&str] = &["query.duration_min", "query.durationMin"];
    pub const DURATION_MAX: &[&str] = &["query.duration_max", "query.durationMax"];
    pub const LIMIT: &[&str] = &[
        "query.search_depth",
        "query.searchDepth",
        "query.num_traces",
    ];
    pub const SPAN_KIND: &[&str] = &["span_kind", "spanKind"];
    pub const START: &[&str] = &["start_time", "startTime"];
    pub const END: &[&str] = &["end_time", "endTime"];
    /// Traces leave as they came in any case: no clock is adjusted.
    pub const RAW: &[&str] = &["query.raw_traces", "query.rawTraces"];
    pub const RAW_TRACE: &[&str] = &["raw_traces", "rawTraces"];
}

type Pairs = Query<Vec<(String, String)>>;

/// A request that cannot be answered, and why, as Jaeger says it.
pub struct Fault(StatusCode, String);

impl<R: Into<Refusal>> From<R> for Fault {
    fn from(refusal: R) -> Fault {
        let Refusal(status, why) = refusal.into();
        Fault(status, why)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let error = json!({ "error": { "httpCode": self.0.as_u16(), "message": self.1 } });
        (self.0, Json(error)).into_response()
    }
}

fn nothing_found() -> Fault {
    Fault(StatusCode::NOT_FOUND, "No traces found".to_owned())
}

/// The services.
pub async fn services(
    State(Api { views, .. }): Shared,
    Query(pairs): Pairs,
) -> Result<Response, Fault> {
    Params::new(pairs)?.finish()?;
    let services = views.engine.span_services(TIMEOUT).await?;
    Ok(Json(json!({ "services": services })).into_response())
}

/// The names of the spans of a service.
pub async fn operations(
    State(Api { views, .. }): Shared,
    Query(pairs): Pairs,
) -> Result<Response, Fault> {
    let mut params = Params::new(pairs)?;
    let service = given(&mut params, &["service"]).map(|(_, service)| service);
    let kind = given(&mut params, name::SPAN_KIND);
    params.finish()?;
    let kind = kind.map(|(name, text)| {
        let expected = "internal, server, client, producer or consumer";
        SpanKind::from_name(&text.to_lowercase())
            .ok_or_else(|| QueryError::parameter(name, format_args!("`{text}`"), expected))
    });
    let kind = kind.transpose()?.map(SpanKind::name);
    let Some(service) = service else {
        let expected = "the name of a service";
        return Err(QueryError::parameter("service", "nothing", expected).into());
    };
    let all = views.engine.span_operations(service, TIMEOUT).await?;
    let operations: Vec<serde_json::Value> = all
        .into_iter()
        .filter(|(_, of)| kind.is_none_or(|kind| kind == *of))
        .map(|(name, kind)| json!({ "name": name, "spanKind": kind }))
        .collect();
    Ok(Json(json!({ "operations": operations })).into_response())
}

/// The newest traces with a span that is as asked for.
pub async fn traces(
    State(Api { views, trees, .. }): Shared,
    Query(pairs): Pairs,
) -> Result<Response, Fault> {
    let mut params = Params::new(pairs)?;
    let (test, limit) = search(&mut params)?;
    params.finish()?;
    let found = views.engine.find_traces(test, limit, TIMEOUT).await?;
    answer(views.reader, &trees, found).await
}

/// A trace.
pub async fn trace(
    State(Api { views, trees, .. }): Shared,
    Path(id): Path<String>,
    Query(pairs): Pairs,
) -> Result<Response, Fault> {
    let mut params = Params::new(pairs)?;
    // The store finds a trace wherever it is; the times need only be such.
    time(&mut params, name::START)?;
    time(&mut params, name::END)?;
    flag(&mut params, name::RAW_TRACE)?;
    params.finish()?;
    let id = trace_id(&id)?;
    answer(views.reader, &trees, vec![id]).await
}

/// Which traces are looked for, and how many.
fn search(params: &mut Params) -> Result<(SpanTest, usize), QueryError> {
    let (first, last) = (time(params, name::TIME_MIN)?, time(params, name::TIME_MAX)?);
    let (Some(first), Some(last)) = (first, last) else {
        let why = "query.start_time_min and query.start_time_max are required";
        return Err(QueryError::Request(why.to_owned()));
    };
    if first > last {
        let found = "a time after `query.start_time_max`";
        return Err(QueryError::parameter(
            name::TIME_MIN[0],
            found,
            "an earlier one",
        ));
    }
    let shortest = duration(params, name::DURATION_MIN)?;
    let longest = duration(params, name::DURATION_MAX)?;
    if let (Some(least), Some(most)) = (shortest, longest)
        && least > most
    {
        let found = "more than `query.duration_max`";
        return Err(QueryError::parameter(name::DURATION_MIN[0], found, "less"));
    }
    let test = SpanTest {
        service: given(params, name::SERVICE).map(|(_, service)| service),
        name: given(params, name::OPERATION).map(|(_, name)| name),
        began: Some((first, last)),
        shortest,
        longest,
        attributes: attributes(params)?,
    };
    flag(params, name::RAW)?;
    Ok((test, limit(params)?))
}

/// A parameter by one of its names; an empty one is none.
fn given(params: &mut Params, names: &[&'static str]) -> Option<(&'static str, String)> {
    let mut all = names.iter().map(|name| (*name, params.text(name)));
    // All are known, also behind the one that counts.
    let all: Vec<_> = all.by_ref().collect();
    all.into_iter()
        .find_map(|(name, value)| value.filter(|value| !value.is_empty()).map(|v| (name, v)))
}

/// A time as RFC 3339, in ns since the epoch.
fn time(params: &mut Params, names: &[&'static str]) -> Result<Option<u64>, QueryError> {
    let now = params.now();
    let time = given(params, names).map(|(name, text)| {
        // Grafana does not escape the `+` before a time zone.
        crate::query::parse_time(name, &text.replace(' ', "+"), now)
    });
    time.transpose()
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

fn flag(params: &mut Params, names: &[&'static str]) -> Result<(), QueryError> {
    match given(params, names) {
        Some((name, text)) if !matches!(&*text, "true" | "false" | "1" | "0") => {
            let found = format_args!("`{text}`");
            Err(QueryError::parameter(name, found, "`true` or `false`"))
        }
        _ => Ok(()),
    }
}

fn limit(params: &mut Params) -> Result<usize, QueryError> {
    let Some((name, text)) = given(params, name::LIMIT) else {
        return Ok(TRACES);
    };
    let limit = text.parse().ok().filter(|n| (1..=MAX_TRACES).contains(n));
    limit.ok_or_else(|| {
        let expected = format!("a number from 1 to {MAX_TRACES}");
        QueryError::parameter(name, format_args!("`{text}`"), expected)
    })
}

/// Names and values, as a JSON object of strings.
fn attributes(params: &mut Params) -> Result<Vec<(String, String)>, QueryError> {
    let Some((name, text)) = given(params, name::ATTRIBUTES) else {
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

/// Answers with the spans of traces, while they are read.
async fn answer(
    reader: Reader,
    trees: &std::sync::Arc<Semaphore>,
    traces: Vec<TraceId>,
) -> Result<Response, Fault> {
    if traces.is_empty() {
        return Err(nothing_found());
    }
    let permit = std::sync::Arc::clone(trees).acquire_owned().await;
    let permit = permit.map_err(|e| Fault(StatusCode::SERVICE_UNAVAILABLE, e.to_string()))?;
    let (begun, begins) = oneshot::channel();
    let (pieces, body) = Pieces::new();
    tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        let answer = Answer {
            begun: Some(begun),
            pieces,
            bytes: 0,
            gone: false,
        };
        answer.run(&reader, &traces);
    });
    let failed =
        |e: oneshot::error::RecvError| Fault(StatusCode::INTERNAL_SERVER_ERROR, e.to_string());
    begins.await.map_err(failed)??;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// An answer that is sent while it is read.
struct Answer {
    /// To be told whether there is an answer.
    begun: Option<oneshot::Sender<Result<(), Fault>>>,
    pieces: Pieces,
    bytes: usize,
    /// Nobody takes it any more.
    gone: bool,
}

impl Answer {
    fn run(mut self, reader: &Reader, traces: &[TraceId]) {
        for trace in traces {
            if self.bytes > MAX_BYTES || self.gone {
                break;
            }
            let read = trace_spans(reader, *trace, |data| self.send(&data));
            match (read, self.begun.take()) {
                (Ok(()), begun) => self.begun = begun,
                (Err(error), Some(begun)) => {
                    let fault = Fault(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
                    let _ = begun.send(Err(fault));
                    return;
                }
                // An answer that was begun is broken off, so that nobody takes it for the whole.
                (Err(error), None) => {
                    tracing::warn!("an answer is broken off: {error}");
                    return self.pieces.break_off("broken off");
                }
            }
        }
        match self.begun {
            Some(begun) => _ = begun.send(Err(nothing_found())),
            None if self.gone => {}
            None => _ = self.pieces.send(b"]}}".to_vec()),
        }
    }

    /// Sends the spans of a `TracesData`; false if nobody takes them.
    fn send(&mut self, data: &[u8]) -> bool {
        let mut json = Vec::new();
        otlp_json::write(&schema::TRACES, data, &mut json);
        // The list is sent without what is around it, which stands around all of them.
        const BEFORE: &[u8] = b"{\"resourceSpans\":[";
        let list = json
            .strip_prefix(BEFORE)
            .and_then(|rest| rest.strip_suffix(b"]}"));
        let Some(list) = list else { return true };
        let mut piece = Vec::with_capacity(list.len() + 32);
        match self.begun.take() {
            Some(begun) => {
                let _ = begun.send(Ok(()));
                piece.extend_from_slice(b"{\"result\":");
                piece.extend_from_slice(BEFORE);
            }
            None => piece.push(b','),
        }
        piece.extend_from_slice(list);
        self.bytes += piece.len();
        self.gone = !self.pieces.send(piece);
        !self.gone
    }
}
