//! `GET /api/v3/…`: services, operations, traces in OTLP JSON, and their summaries. Errors, too, look as Jaeger's.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use distlog_proto::{SpanKind, TraceId};
use serde_json::json;

use super::super::params::Params;
use super::super::problem::{Problem, quoted};
use super::super::{Api, Shared};
use super::answer::{Face, answer};
use super::summary::summaries;
use super::{TIMEOUT, attributes, duration, given, limit, params, trace_id};
use crate::otlp_json::{self, schema};
use crate::query::SpanTest;

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
    let (test, limit) = search(&params(query, name::SEARCH)?)?;
    let found = views.engine.find_traces(test, limit, TIMEOUT).await?;
    Ok(answer(views.storage, &trees, found, Otlp::default()).await?)
}

/// The newest traces with a span that is as asked for, summed up: what Jaeger's UI lists.
pub async fn trace_summaries(
    State(Api { views, trees, .. }): Shared,
    query: RawQuery,
) -> Result<Response, Fault> {
    let (test, limit) = search(&params(query, name::SEARCH)?)?;
    let found = views.engine.find_traces(test, limit, TIMEOUT).await?;
    let summaries = summaries(views.storage, &trees, found).await?;
    Ok(Json(json!({ "summaries": summaries })).into_response())
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
    Ok(answer(views.storage, &trees, vec![id], Otlp::default()).await?)
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
        attributes: attributes(params, name::ATTRIBUTES)?,
    };
    flag(params, name::RAW)?;
    Ok((test, limit(params, name::LIMIT)?))
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

fn flag(params: &Params, names: &[&'static str]) -> Result<(), Problem> {
    match given(params, names) {
        Some((name, text)) if !matches!(text, "true" | "false" | "1" | "0") => {
            let found = quoted(text);
            Err(Problem::parameter(name, found, "`true` or `false`"))
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

    fn nothing(&self) -> Result<Vec<u8>, Problem> {
        Err(Problem::not_found("No traces found"))
    }
}
