//! `GET /api/v1/tasks` and `GET /api/v1/problems`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::params::{Limit, Params};
use super::records::wants_lines;
use super::{Api, NDJSON, Refusal, Shared, progress};
use crate::query::problems::ProblemsPage;
use crate::query::tasks::{TasksAsk, TasksPage};
use crate::query::{Counters, Cursor, Engine, Filter};

/// Items of a page.
const LIMIT: Limit = Limit {
    default: 20,
    most: 10_000,
};
/// No task takes longer.
const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A page of a list.
#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    #[serde(flatten)]
    end: End,
}

/// What stands behind the items.
#[derive(Serialize)]
struct End {
    next: Option<String>,
    complete: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// A page, one item a line.
fn lines<T: Serialize>(page: &Page<T>) -> Result<Vec<u8>, Refusal> {
    let written = || -> Result<Vec<u8>, serde_json::Error> {
        let mut lines = Vec::new();
        for item in &page.items {
            serde_json::to_writer(&mut lines, item)?;
            lines.push(b'\n');
        }
        serde_json::to_writer(&mut lines, &page.end)?;
        lines.push(b'\n');
        Ok(lines)
    };
    written().map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Answers with a page as JSON or, one item a line, with progress where it is asked for.
async fn answer<T: Serialize, F>(
    headers: &HeaderMap,
    pairs: Vec<(String, String)>,
    list: impl FnOnce(Params, Arc<Counters>) -> F,
) -> Result<Response, Refusal>
where
    F: Future<Output = Result<Page<T>, Refusal>> + Send + 'static,
{
    let mut params = Params::new(pairs)?;
    let in_lines = wants_lines(headers);
    let with_progress = progress::is_wanted(&mut params, in_lines)?;
    let counters = Arc::<Counters>::default();
    let page = list(params, Arc::clone(&counters));
    if with_progress {
        return progress::answer(counters, async move { lines(&page.await?) }).await;
    }
    // A client that goes away drops this, and so cancels the query.
    let page = page.await?;
    if in_lines {
        return Ok(([(header::CONTENT_TYPE, NDJSON)], lines(&page)?).into_response());
    }
    Ok(Json(page).into_response())
}

/// Which page: cursor, limit and timeout.
fn page(params: &mut Params, limit: Limit) -> Result<(Option<Cursor>, usize, Duration), Refusal> {
    let cursor = params.text("cursor").map(|text| text.parse());
    Ok((cursor.transpose()?, params.limit(limit)?, params.timeout()?))
}

/// The tasks that the parameters say.
///
/// # Errors
/// If one of them is wrong, or as [`Engine::tasks`].
pub(super) async fn list_tasks(
    engine: Engine,
    mut params: Params,
    limit: Limit,
    counters: &Arc<Counters>,
) -> Result<TasksPage, Refusal> {
    let (from, to) = params.times()?;
    let mut states = Vec::new();
    for state in ["running", "failed", "lost", "cancelled"] {
        if params.flag(state)? {
            states.push(state);
        }
    }
    let min_duration = params.duration("min_duration", MAX_DURATION)?;
    let min_duration = min_duration.unwrap_or_default().as_nanos();
    let ask = TasksAsk {
        from,
        to,
        states,
        service: params.text("service"),
        name: params.text("name").map(|name| name.to_lowercase()),
        min_duration: u64::try_from(min_duration).unwrap_or(u64::MAX),
        now: params.now(),
    };
    let (cursor, limit, timeout) = page(&mut params, limit)?;
    params.finish()?;
    let page = engine.tasks(ask, cursor, limit, timeout, counters);
    Ok(page.await?)
}

/// The tasks that began a trace, newest begin first.
pub async fn tasks(
    State(Api { views, .. }): Shared,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let list = |params, counters| async move {
        let page = list_tasks(views.engine, params, LIMIT, &counters).await?;
        let end = End {
            next: page.next.map(|next| next.to_string()),
            complete: page.complete,
            truncated: false,
        };
        let items = page.items;
        Ok(Page { items, end })
    };
    answer(&headers, pairs, list).await
}

/// The problems that the parameters say.
///
/// # Errors
/// If one of them is wrong, or as [`Engine::problems`].
pub(super) async fn list_problems(
    engine: Engine,
    mut params: Params,
    limit: Limit,
    counters: &Arc<Counters>,
) -> Result<ProblemsPage, Refusal> {
    let (from, to) = params.times()?;
    let filter = Filter {
        from,
        to,
        service: params.text("service"),
        ..Filter::default()
    };
    let (cursor, limit, timeout) = page(&mut params, limit)?;
    params.finish()?;
    let page = engine.problems(filter, cursor, limit, timeout, counters);
    Ok(page.await?)
}

/// What fails, the last seen first.
pub async fn problems(
    State(Api { views, .. }): Shared,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let list = |params, counters| async move {
        let page = list_problems(views.engine, params, LIMIT, &counters).await?;
        let end = End {
            next: page.next.map(|next| next.to_string()),
            complete: page.complete,
            truncated: page.truncated,
        };
        let items = page.items;
        Ok(Page { items, end })
    };
    answer(&headers, pairs, list).await
}
