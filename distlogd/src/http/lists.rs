//! `GET /api/v1/tasks` and `GET /api/v1/problems`.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, Refusal, Shared};
use crate::intake::now;
use crate::query::problems::Problem;
use crate::query::tasks::{TaskItem, TasksAsk};
use crate::query::{Cursor, Filter, MAX_TIMEOUT, QueryError, TIMEOUT, parse_time};
use crate::values::parse_duration;

/// Items in an answer that says nothing else, and at most.
const LIMITS: (usize, usize) = (20, 10_000);

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Refusal {
        let status = match error {
            QueryError::Parameter { .. } | QueryError::Request(_) | QueryError::Slow => {
                StatusCode::BAD_REQUEST
            }
            QueryError::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal(status, error.to_string())
    }
}

/// A page of a list.
#[derive(Serialize)]
pub struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
    complete: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksQuery {
    #[serde(default)]
    running: bool,
    #[serde(default)]
    failed: bool,
    #[serde(default)]
    lost: bool,
    #[serde(default)]
    cancelled: bool,
    service: Option<String>,
    name: Option<String>,
    min_duration: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemsQuery {
    service: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    timeout: Option<String>,
}

/// A span of time, of two parameters.
fn times(from: Option<&str>, to: Option<&str>, now: u64) -> Result<(u64, u64), QueryError> {
    let begin = from.map_or(Ok(0), |from| parse_time("from", from, now))?;
    let end = to.map_or(Ok(u64::MAX), |to| parse_time("to", to, now))?;
    if begin > end {
        let found = format!("`{}`", to.unwrap_or_default());
        return Err(QueryError::parameter(
            "to",
            found,
            "a time after that of `from`",
        ));
    }
    Ok((begin, end))
}

fn duration(parameter: &'static str, text: &str) -> Result<Duration, QueryError> {
    let expected = "a duration as `500ms`, `2s` or `1h 30m`";
    parse_duration(text)
        .ok_or_else(|| QueryError::parameter(parameter, format_args!("`{text}`"), expected))
}

fn timeout(text: Option<&str>) -> Result<Duration, QueryError> {
    let timeout = text.map_or(Ok(TIMEOUT), |text| duration("timeout", text))?;
    Ok(timeout.min(MAX_TIMEOUT))
}

fn cursor(text: Option<&str>) -> Result<Option<Cursor>, QueryError> {
    text.map(str::parse).transpose()
}

fn limit(limit: Option<usize>) -> Result<usize, QueryError> {
    let limit = limit.unwrap_or(LIMITS.0);
    if (1..=LIMITS.1).contains(&limit) {
        return Ok(limit);
    }
    let expected = format!("a number from 1 to {}", LIMITS.1);
    Err(QueryError::parameter(
        "limit",
        format_args!("`{limit}`"),
        expected,
    ))
}

/// The tasks that began a trace, newest begin first.
pub async fn tasks(
    State(Api { views, .. }): Shared,
    Query(query): Query<TasksQuery>,
) -> Result<Json<Page<TaskItem>>, Refusal> {
    let now = now();
    let (from, to) = times(query.from.as_deref(), query.to.as_deref(), now)?;
    let states = [
        (query.running, "running"),
        (query.failed, "failed"),
        (query.lost, "lost"),
        (query.cancelled, "cancelled"),
    ];
    let min_duration = query.min_duration.as_deref();
    let min_duration =
        min_duration.map_or(Ok(Duration::ZERO), |text| duration("min_duration", text))?;
    let ask = TasksAsk {
        from,
        to,
        states: states
            .iter()
            .filter(|state| state.0)
            .map(|state| state.1)
            .collect(),
        service: query.service,
        name: query.name.map(|name| name.to_lowercase()),
        min_duration: u64::try_from(min_duration.as_nanos()).unwrap_or(u64::MAX),
        now,
    };
    let (cursor, limit) = (cursor(query.cursor.as_deref())?, limit(query.limit)?);
    let timeout = timeout(query.timeout.as_deref())?;
    let page = views.engine.tasks(ask, cursor, limit, timeout).await?;
    Ok(Json(Page {
        items: page.items,
        next: page.next.map(|next| next.to_string()),
        complete: page.complete,
        truncated: false,
    }))
}

/// What fails, the last seen first.
pub async fn problems(
    State(Api { views, .. }): Shared,
    Query(query): Query<ProblemsQuery>,
) -> Result<Json<Page<Problem>>, Refusal> {
    let (from, to) = times(query.from.as_deref(), query.to.as_deref(), now())?;
    let filter = Filter {
        from,
        to,
        service: query.service,
        ..Filter::default()
    };
    let (cursor, limit) = (cursor(query.cursor.as_deref())?, limit(query.limit)?);
    let timeout = timeout(query.timeout.as_deref())?;
    let page = views
        .engine
        .problems(filter, cursor, limit, timeout)
        .await?;
    Ok(Json(Page {
        items: page.items,
        next: page.next.map(|next| next.to_string()),
        complete: page.complete,
        truncated: page.truncated,
    }))
}
