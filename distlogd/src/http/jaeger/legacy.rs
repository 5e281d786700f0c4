//! `GET /api/services`, `/api/operations`, `/api/traces`, `/api/dependencies`: the older API of Jaeger, which Grafana's
//! source and Jaeger's UI up to version 2 ask. Parameters that are not known are passed over, as there.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use distlog_proto::TraceId;
use serde_json::{Value, json};

use super::super::endpoint::pairs;
use super::super::params::Params;
use super::super::problem::{Problem, quoted};
use super::super::{Api, Shared};
use super::answer::answer;
use super::ui_model::UiTraces;
use super::{MAX_TRACES, TIMEOUT, attributes, duration, given, limit, trace_id};
use crate::query::SpanTest;

/// Calls of the last day, if nothing is said, in ms.
const LOOKBACK: u64 = 24 * 3_600_000;

/// A request that cannot be answered, and why, as Jaeger says it.
pub struct Fault(Problem);

impl<P: Into<Problem>> From<P> for Fault {
    fn from(problem: P) -> Fault {
        Fault(problem.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let error = json!({ "code": status.as_u16(), "msg": self.0.detail() });
        let body = json!({
            "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [error],
        });
        (status, Json(body)).into_response()
    }
}

/// What is answered with a list.
fn list(data: Vec<Value>, total: usize) -> Response {
    let body = json!({
        "data": data, "total": total, "limit": 0, "offset": 0, "errors": null,
    });
    Json(body).into_response()
}

/// The services.
pub async fn services(State(Api { views, .. }): Shared) -> Result<Response, Fault> {
    let services = views.engine.span_services(TIMEOUT).await?;
    let total = services.len();
    Ok(list(services.into_iter().map(Value::from).collect(), total))
}

/// The names of the spans of a service.
pub async fn operations_of(
    State(Api { views, .. }): Shared,
    Path(service): Path<String>,
) -> Result<Response, Fault> {
    let all = views.engine.span_operations(service, TIMEOUT).await?;
    let mut names: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
    names.dedup();
    let total = names.len();
    Ok(list(names.into_iter().map(Value::from).collect(), total))
}

/// The names of the spans of a service, each with its kind.
pub async fn operations(
    State(Api { views, .. }): Shared,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let params = Params::new(pairs(&query.unwrap_or_default())?)?;
    let service = service(&params)?;
    let kind = given(&params, &["spanKind"]).map(|(_, kind)| kind.to_owned());
    let all = views.engine.span_operations(service, TIMEOUT).await?;
    let operations: Vec<Value> = all
        .into_iter()
        .filter(|(_, of)| kind.as_deref().is_none_or(|kind| kind == *of))
        .map(|(name, kind)| json!({ "name": name, "spanKind": kind }))
        .collect();
    let total = operations.len();
    Ok(list(operations, total))
}

/// The newest traces with a span that is as asked for, or those with these ids.
pub async fn traces(
    State(Api { views, trees, .. }): Shared,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let pairs = pairs(&query.unwrap_or_default())?.into_iter();
    // These may stand there several times.
    let is_repeated = |name: &str| matches!(name, "traceID" | "tag");
    let (repeated, others): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| is_repeated(name));
    let ids = repeated.iter().filter(|(name, _)| name == "traceID");
    let ids: Result<Vec<TraceId>, Problem> = ids.map(|(_, id)| trace_id(id)).collect();
    let ids = ids?;
    let found = if ids.is_empty() {
        let params = Params::new(others)?;
        let mut test = search(&params)?;
        let tags = repeated.iter().filter(|(name, _)| name == "tag");
        for (_, tag) in tags {
            let Some((name, value)) = tag.split_once(':') else {
                let expected = "a name and a value, as `http.route:/orders`";
                return Err(Problem::parameter("tag", quoted(tag), expected).into());
            };
            test.attributes.push((name.to_owned(), value.to_owned()));
        }
        let limit = limit(&params, &["limit"])?;
        views.engine.find_traces(test, limit, TIMEOUT).await?
    } else {
        ids.into_iter().take(MAX_TRACES).collect()
    };
    Ok(answer(views.storage, &trees, found, UiTraces::new(false)).await?)
}

/// A trace.
pub async fn trace(
    State(Api { views, trees, .. }): Shared,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let id = trace_id(&id)?;
    Ok(answer(views.storage, &trees, vec![id], UiTraces::new(true)).await?)
}

/// Which service called which, how often.
pub async fn dependencies(
    State(Api { views, .. }): Shared,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let params = Params::new(pairs(&query.unwrap_or_default())?)?;
    let now = params.now() / 1_000_000;
    let end = number(&params, "endTs")?.unwrap_or(now);
    let lookback = number(&params, "lookback")?.unwrap_or(LOOKBACK);
    let of = given(&params, &["service"]).map(|(_, service)| service.to_owned());
    let (from, to) = (end.saturating_sub(lookback), end.saturating_add(1));
    let nanos = |millis: u64| millis.saturating_mul(1_000_000);
    let times = nanos(from)..nanos(to);
    let calls = views.engine.calls(times, TIMEOUT).await?;
    let calls = calls.into_iter();
    let links: Vec<Value> = calls
        .filter(|((parent, child), _)| {
            of.as_ref().is_none_or(|of| of == parent || of == child)
        })
        .map(|((parent, child), count)| {
            json!({ "parent": parent, "child": child, "callCount": count })
        })
        .collect();
    Ok(list(links, 0))
}

fn service(params: &Params) -> Result<String, Problem> {
    let service = given(params, &["service"]).map(|(_, service)| service.to_owned());
    service.ok_or_else(|| Problem::bad_request("parameter 'service' is required"))
}

/// Which traces are looked for.
fn search(params: &Params) -> Result<SpanTest, Problem> {
    let micros = |time: u64| time.saturating_mul(1000);
    let first = number(params, "start")?.map_or(0, micros);
    let last = number(params, "end")?.map_or(u64::MAX, micros);
    Ok(SpanTest {
        service: Some(service(params)?),
        name: given(params, &["operation"]).map(|(_, name)| name.to_owned()),
        began: Some((first, last)),
        shortest: duration(params, &["minDuration"])?,
        longest: duration(params, &["maxDuration"])?,
        attributes: attributes(params, &["tags"])?,
    })
}

/// A whole number.
fn number(params: &Params, name: &'static str) -> Result<Option<u64>, Problem> {
    let number = given(params, &[name]).map(|(name, text)| {
        text.parse().map_err(|_| {
            let expected = "a whole number";
            Problem::parameter(name, quoted(text), expected)
        })
    });
    number.transpose()
}
