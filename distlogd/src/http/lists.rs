//! `GET /api/v1/tasks` and `GET /api/v1/problems`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::Outcome;
use schemars::JsonSchema;
use serde::Serialize;

use super::answers;
use super::endpoint::{Ask, Content, Endpoint, JSON, NDJSON, Verb};
use super::filter_params::{CURSOR, FROM, PageAsk, Q, SERVICE, TIMEOUT_PARAM, TO, limit, times};
use super::params::{Param, Params};
use super::problem::Problem;
use super::progress::{self, PROGRESS};
use super::shapes::{Flag, Number, Span, Text};
use crate::access::Needs;
use crate::query::problems::{Problem as StoredProblem, ProblemsPage};
use crate::query::tasks::{TaskItem, TasksAsk, TasksPage};
use crate::query::{Counters, Engine, Filter};

/// Items of a page.
const LIMIT: Param<Number> = limit(20, 10_000);
/// No task takes longer.
const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) const STATES: [Param<Flag>; 4] = [
    state("running", "Those that have not ended."),
    state("failed", "Those that failed."),
    state("lost", "Those whose process died."),
    state("cancelled", "Those that were dropped before their end."),
];

pub(super) const OK: Param<Flag> = state("ok", "Those that went well.");

const fn state(name: &'static str, about: &'static str) -> Param<Flag> {
    Param {
        name,
        about,
        examples: &[],
        shape: Flag { default: false },
    }
}

pub(super) const NAME: Param<Text> = Param {
    name: "name",
    about: "A part of the name, in any case.",
    examples: &["order"],
    shape: Text { format: None },
};

pub(super) const MIN_DURATION: Param<Span> = Param {
    name: "min_duration",
    about: "Those that took at least so long.",
    examples: &["2s", "500ms", "1m30s"],
    shape: Span {
        most: MAX_DURATION,
        default: Duration::ZERO,
    },
};

pub(super) const TASKS: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/tasks",
    needs: Needs::Read,
    name: "listTasks",
    title: "List tasks",
    about: "Requests, jobs and other tasks that began a trace, newest first, with `q` those that have a record with these words. One or more of running, failed, lost, \
            cancelled and ok list only these.",
    params: &[
        &STATES[0],
        &STATES[1],
        &STATES[2],
        &STATES[3],
        &OK,
        &SERVICE,
        &NAME,
        &Q,
        &MIN_DURATION,
        &FROM,
        &TO,
        &LIMIT,
        &CURSOR,
        &TIMEOUT_PARAM,
        &PROGRESS,
    ],
    headers: &[],
    contents: &[
        Content {
            status: StatusCode::OK,
            media_type: JSON,
            about: "The tasks, and the cursor of older ones.",
            schema: |generator| generator.subschema_for::<Page<TaskItem>>(),
        },
        LINES,
    ],
    problems: &[],
    answer: |ask| Box::pin(tasks(ask)),
};

pub(super) const PROBLEMS: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/problems",
    needs: Needs::Read,
    name: "listProblems",
    title: "List problems",
    about: "What fails, last seen first: errors and failed tasks, grouped by service, place in the code and kind of \
            error, with how many, since when, and ids of tasks. An error that failed several tasks of a trace counts \
            once.",
    params: &[
        &SERVICE,
        &FROM,
        &TO,
        &LIMIT,
        &CURSOR,
        &TIMEOUT_PARAM,
        &PROGRESS,
    ],
    headers: &[],
    contents: &[
        Content {
            status: StatusCode::OK,
            media_type: JSON,
            about: "The problems, and the cursor of those seen before.",
            schema: |generator| generator.subschema_for::<Page<StoredProblem>>(),
        },
        LINES,
    ],
    problems: &[],
    answer: |ask| Box::pin(problems(ask)),
};

const LINES: Content = Content {
    status: StatusCode::OK,
    media_type: NDJSON,
    about: "One item a line; the last line is an object with `next` and `complete`.",
    schema: answers::text,
};

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
struct Page<T> {
    items: Vec<T>,
    #[serde(flatten)]
    end: End,
}

/// What stands behind the items.
#[derive(Serialize, JsonSchema)]
struct End {
    /// The cursor of the next page.
    next: Option<String>,
    /// Whether there was time for all records.
    complete: bool,
    /// Whether there are more than can be told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// A page, one item a line.
fn lines<T: Serialize>(page: &Page<T>) -> Result<Vec<u8>, Problem> {
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
    written().map_err(Problem::failed)
}

/// Answers with a page as JSON or, one item a line, with progress where it is asked for.
async fn answer<T: Serialize, F>(
    ask: Ask,
    list: impl FnOnce(Engine, Params, Arc<Counters>) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<Page<T>, Problem>> + Send + 'static,
{
    let in_lines = ask.wants_lines();
    let with_progress = ask.params.get(&PROGRESS)?;
    let counters = Arc::<Counters>::default();
    let page = list(ask.api.views.engine, ask.params, Arc::clone(&counters));
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

/// The tasks that the parameters say.
///
/// # Errors
/// If one of them is wrong, or as [`Engine::tasks`].
pub(super) async fn list_tasks(
    engine: Engine,
    params: &Params,
    limit: &Param<Number>,
    counters: &Arc<Counters>,
) -> Result<TasksPage, Problem> {
    let (from, to) = times(params)?;
    let mut states = Vec::new();
    for state in &STATES {
        if params.get(state)? {
            states.push(state.name);
        }
    }
    if params.get(&OK)? {
        states.extend([Outcome::Ok, Outcome::Success].map(Outcome::name));
    }
    let min_duration = params.get(&MIN_DURATION)?.as_nanos();
    let ask = TasksAsk {
        from,
        to,
        states,
        service: params.get(&SERVICE)?,
        name: params.get(&NAME)?.map(|name| name.to_lowercase()),
        phrases: params.get(&Q)?,
        min_duration: u64::try_from(min_duration).unwrap_or(u64::MAX),
        now: params.now(),
    };
    let PageAsk {
        cursor,
        limit,
        timeout,
    } = PageAsk::new(params, limit)?;
    let page = engine.tasks(ask, cursor, limit, timeout, counters);
    Ok(page.await?)
}

/// The tasks that began a trace, newest begin first.
async fn tasks(ask: Ask) -> Result<Response, Problem> {
    let list = |engine, params, counters| async move {
        let page = list_tasks(engine, &params, &LIMIT, &counters).await?;
        let end = End {
            next: page.next.map(|next| next.to_string()),
            complete: page.complete,
            truncated: false,
        };
        let items = page.items;
        Ok(Page { items, end })
    };
    answer(ask, list).await
}

/// The problems that the parameters say.
///
/// # Errors
/// If one of them is wrong, or as [`Engine::problems`].
pub(super) async fn list_problems(
    engine: Engine,
    params: &Params,
    limit: &Param<Number>,
    counters: &Arc<Counters>,
) -> Result<ProblemsPage, Problem> {
    let (from, to) = times(params)?;
    let filter = Filter {
        from,
        to,
        service: params.get(&SERVICE)?,
        ..Filter::default()
    };
    let PageAsk {
        cursor,
        limit,
        timeout,
    } = PageAsk::new(params, limit)?;
    let page = engine.problems(filter, cursor, limit, timeout, counters);
    Ok(page.await?)
}

/// What fails, the last seen first.
async fn problems(ask: Ask) -> Result<Response, Problem> {
    let list = |engine, params, counters| async move {
        let page = list_problems(engine, &params, &LIMIT, &counters).await?;
        let end = End {
            next: page.next.map(|next| next.to_string()),
            complete: page.complete,
            truncated: page.truncated,
        };
        let items = page.items;
        Ok(Page { items, end })
    };
    answer(ask, list).await
}
