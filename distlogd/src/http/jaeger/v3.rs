//! `GET /api/v3/…`: services, operations, traces in OTLP JSON, and their summaries. Errors, too, look as Jaeger's.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use distlog_proto::{SpanKind, TraceId};
use serde_json::json;

use super::super::params::Params;
use super::super::{Api, Refusal, Shared};
use super::answer::{Face, answer};
use super::summary::summaries;
use super::{Pairs, TIMEOUT, attributes, duration, given, limit, trace_id};
use crate::otlp_json::{self, schema};
use crate::query::{QueryError, SpanTest};

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
    Ok(answer(views.reader, &trees, found, Otlp::default()).await?)
}

/// The newest traces with a span that is as asked for, summed up: what Jaeger's UI lists.
pub async fn trace_summaries(
    State(Api { views, trees, .. }): Shared,
    Query(pairs): Pairs,
) -> Result<Response, Fault> {
    let mut params = Params::new(pairs)?;
    let (test, limit) = search(&mut params)?;
    params.finish()?;
    let found = views.engine.find_traces(test, limit, TIMEOUT).await?;
    let summaries = summaries(views.reader, &trees, found).await?;
    Ok(Json(json!({ "summaries": summaries })).into_response())
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
    Ok(answer(views.reader, &trees, vec![id], Otlp::default()).await?)
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
        attributes: attributes(params, name::ATTRIBUTES)?,
    };
    flag(params, name::RAW)?;
    Ok((test, limit(params, name::LIMIT)?))
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

fn flag(params: &mut Params, names: &[&'static str]) -> Result<(), QueryError> {
    match given(params, names) {
        Some((name, text)) if !matches!(&*text, "true" | "false" | "1" | "0") => {
            let found = format_args!("`{text}`");
            Err(QueryError::parameter(name, found, "`true` or `false`"))
        }
        _ => Ok(()),
    }
}

/// Spans in OTLP JSON.
#[derive(Default)]
struct Otlp {
    begun: bool,
}

/// What stands around the spans of one part, and around all.
const BEFORE: &[u8] = b"{\"resourceSpans\":[";
const BEHIND: &[u8] = b"]}";

impl Face for Otlp {
    fn spans(&mut self, _: TraceId, data: &[u8], out: &mut Vec<u8>) {
        let mut json = Vec::new();
        otlp_json::write(&schema::TRACES, data, &mut json);
        let list = json.strip_prefix(BEFORE);
        let Some(list) = list.and_then(|rest| rest.strip_suffix(BEHIND)) else {
            return;
        };
        if std::mem::replace(&mut self.begun, true) {
            out.push(b',');
        } else {
            out.extend_from_slice(b"{\"result\":");
            out.extend_from_slice(BEFORE);
        }
        out.extend_from_slice(list);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(BEHIND);
        out.push(b'}');
    }

    fn nothing(&self) -> Result<Vec<u8>, Refusal> {
        Err(Refusal(StatusCode::NOT_FOUND, "No traces found".to_owned()))
    }
}
