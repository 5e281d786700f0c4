//! `GET /api/v3/…`: services, operations and traces as Jaeger's query service answers, so that what reads Jaeger reads
//! distlogd (<https://www.jaegertracing.io/docs/latest/architecture/apis/>). Errors, too, look as Jaeger's.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use distlog_proto::{SpanKind, TraceId};
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};

use super::endpoint::{JSON, pairs};
use super::params::Params;
use super::pieces::Pieces;
use super::problem::{Problem, quoted};
use super::{Api, Shared};
use crate::otlp_json::{self, schema};
use crate::query::{MAX_TEXT, SpanTest, trace_spans};
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
    /// All of a search.
    pub const SEARCH: &[&[&str]] = &[
        SERVICE,
        OPERATION,
        ATTRIBUTES,
        TIME_MIN,
        TIME_MAX,
        DURATION_MIN,
        DURATION_MAX,
        LIMIT,
        RAW,
    ];
}

/// The parameters of a request.
fn params(query: RawQuery, names: &[&[&'static str]]) -> Result<Params, Problem> {
    Params::new(pairs(&query.0.unwrap_or_default())?, &names.concat())
}

/// A request that cannot be answered, and why, as Jaeger says it.
pub struct Fault(Problem);

impl<P: Into<Problem>> From<P> for Fault {
    fn from(problem: P) -> Fault {
        Fault(problem.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, why) = (self.0.status(), self.0.detail());
        let error = json!({ "error": { "httpCode": status.as_u16(), "message": why } });
        (status, Json(error)).into_response()
    }
}

fn nothing_found() -> Fault {
    Fault(Problem::not_found("No traces found"))
}

/// The services.
pub async fn services(
    State(Api { views, .. }): Shared,
    query: RawQuery,
) -> Result<Response, Fault> {
    params(query, &[])?;
    let services = views.engine.span_services(TIMEOUT).await?;
    Ok(Json(json!({ "services": services })).into_response())
}

/// The names of the spans of a service.
pub async fn operations(
    State(Api { views, .. }): Shared,
    query: RawQuery,
) -> Result<Response, Fault> {
    let params = params(query, &[&["service"], name::SPAN_KIND])?;
    let service = given(&params, &["service"]).map(|(_, service)| service.to_owned());
    let kind = given(&params, name::SPAN_KIND);
    let kind = kind.map(|(name, text)| {
        let expected = "internal, server, client, producer or consumer";
        SpanKind::from_name(&text.to_lowercase())
            .ok_or_else(|| Problem::parameter(name, quoted(text), expected))
    });
    let kind = kind.transpose()?.map(SpanKind::name);
    let Some(service) = service else {
        let expected = "the name of a service";
        return Err(Problem::parameter("service", "nothing", expected).into());
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
    query: RawQuery,
) -> Result<Response, Fault> {
    let params = params(query, name::SEARCH)?;
    let (test, limit) = search(&params)?;
    let found = views.engine.find_traces(test, limit, TIMEOUT).await?;
    answer(views.reader, &trees, found).await
}

/// A trace.
pub async fn trace(
    State(Api { views, trees, .. }): Shared,
    Path(id): Path<String>,
    query: RawQuery,
) -> Result<Response, Fault> {
    let params = params(query, &[name::START, name::END, name::RAW_TRACE])?;
    // The store finds a trace wherever it is; the times need only be such.
    time(&params, name::START)?;
    time(&params, name::END)?;
    flag(&params, name::RAW_TRACE)?;
    let id = trace_id(&id)?;
    answer(views.reader, &trees, vec![id]).await
}

/// Which traces are looked for, and how many.
fn search(params: &Params) -> Result<(SpanTest, usize), Problem> {
    let (first, last) = (time(params, name::TIME_MIN)?, time(params, name::TIME_MAX)?);
    let (Some(first), Some(last)) = (first, last) else {
        let why = "query.start_time_min and query.start_time_max are required";
        return Err(Problem::bad_request(why));
    };
    if first > last {
        let found = "a time after `query.start_time_max`";
        return Err(Problem::parameter(
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
        return Err(Problem::parameter(name::DURATION_MIN[0], found, "less"));
    }
    let test = SpanTest {
        service: given(params, name::SERVICE).map(|(_, service)| service.to_owned()),
        name: given(params, name::OPERATION).map(|(_, name)| name.to_owned()),
        began: Some((first, last)),
        shortest,
        longest,
        attributes: attributes(params)?,
    };
    flag(params, name::RAW)?;
    Ok((test, limit(params)?))
}

/// A parameter by one of its names; an empty one is none.
fn given<'p>(params: &'p Params, names: &[&'static str]) -> Option<(&'static str, &'p str)> {
    let mut all = names.iter().map(|name| (*name, params.text(name)));
    all.find_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)))
}

/// A time as RFC 3339, in ns since the epoch.
fn time(params: &Params, names: &[&'static str]) -> Result<Option<u64>, Problem> {
    let now = params.now();
    let time = given(params, names).map(|(name, text)| {
        // Grafana does not escape the `+` before a time zone.
        crate::query::parse_time(name, &text.replace(' ', "+"), now)
    });
    Ok(time.transpose()?)
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

fn flag(params: &Params, names: &[&'static str]) -> Result<(), Problem> {
    match given(params, names) {
        Some((name, text)) if !matches!(text, "true" | "false" | "1" | "0") => {
            let found = quoted(text);
            Err(Problem::parameter(name, found, "`true` or `false`"))
        }
        _ => Ok(()),
    }
}

fn limit(params: &Params) -> Result<usize, Problem> {
    let Some((name, text)) = given(params, name::LIMIT) else {
        return Ok(TRACES);
    };
    let limit = text.parse().ok().filter(|n| (1..=MAX_TRACES).contains(n));
    limit.ok_or_else(|| {
        let expected = format!("a number from 1 to {MAX_TRACES}");
        Problem::parameter(name, quoted(text), expected)
    })
}

/// Names and values, as a JSON object of strings.
fn attributes(params: &Params) -> Result<Vec<(String, String)>, Problem> {
    let Some((name, text)) = given(params, name::ATTRIBUTES) else {
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

/// Up to 32 hexadecimal digits; zeros in front may be missing.
fn trace_id(text: &str) -> Result<TraceId, Problem> {
    let is_hex = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = is_hex
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten();
    id.and_then(|id| TraceId::from_bytes(id.to_be_bytes()))
        .ok_or_else(|| {
            let expected = "up to 32 hexadecimal digits, not all zero";
            Problem::parameter("trace_id", quoted(text), expected)
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
    let permit = permit.map_err(Problem::failed)?;
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
    begins.await.map_err(Problem::failed)??;
    Ok(([(header::CONTENT_TYPE, JSON)], body).into_response())
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
                    let _ = begun.send(Err(Problem::failed(error).into()));
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
