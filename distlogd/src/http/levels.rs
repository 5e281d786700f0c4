//! `/api/v1/levels`: what running programs record on top of what they were started with.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::header::{HeaderName, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use distlog_proto::levels::{Directives, Level};

use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::params::{Known, Param, Params};
use super::problem::{Problem, quoted};
use super::records::blocking;
use super::shapes::{MaybeId, Named, Span, Text};
use crate::access::Needs;
use crate::levels::{LevelOverride, LevelTable, LevelsShown, Scope, SetError, Wanted};
use crate::values::show_duration;

/// Where nothing else is said, levels of services and processes end after this time.
const LASTS: Duration = Duration::from_secs(3600);
/// The same for tasks: a request is over soon.
const TASK_LASTS: Duration = Duration::from_secs(600);
/// The shortest time: programs look that often whether it is over.
const MIN_LASTS: Duration = Duration::from_secs(1);
/// The longest time.
const MAX_LASTS: Duration = Duration::from_secs(30 * 86_400);

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const SERVICE: Param<Named> = Param {
    name: "service",
    about: "The service whose processes have the levels; with `process`, of which that is one.",
    examples: &["orders"],
    shape: Named {
        what: "the name of a service",
    },
};

const PROCESS: Param<Text> = Param {
    name: "process",
    about: "One process: its process id, or its id as a producer.",
    examples: &["4711"],
    shape: Text { format: None },
};

const TASK: Param<MaybeId> = Param {
    name: "task",
    about: "A task, which has the level with all below it, in every process.",
    examples: &["e252a11f-d33d-483d-ba08-bc8f642b2f10/1"],
    shape: MaybeId,
};

const LEVELS: Param<Text> = Param {
    name: "levels",
    about: "Levels by target, on top of what the programs were started with; of a task one level.",
    examples: &["orders=debug,hyper=warn"],
    shape: Text {
        format: Some("level-directives"),
    },
};

const FOR: Param<Span> = Param {
    name: "for",
    about: "How long they last; without it an hour, of a task 10 minutes.",
    examples: &["10m"],
    shape: Span {
        most: MAX_LASTS,
        default: Duration::ZERO,
    },
};

const WHOSE: Known = &[&SERVICE, &PROCESS, &TASK];

pub(super) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/levels",
    needs: Needs::Read,
    name: "getLevels",
    title: "Read the levels of programs",
    about: "What running programs record on top of what they were started with, until when, and which of them said \
            that they apply it.",
    params: &[],
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "The levels.",
        schema: |generator| generator.subschema_for::<LevelsShown>(),
    }],
    problems: &[StatusCode::NOT_IMPLEMENTED],
    answer: |ask| Box::pin(get(ask)),
};

pub(super) const PUT: Endpoint = Endpoint {
    verb: Verb::Put,
    path: "/api/v1/levels",
    needs: Needs::Admin,
    name: "setLevels",
    title: "Set levels of programs",
    about: "Running programs of a `service`, one `process` or all programs for one `task` record by `levels` on top of \
            what they were started with, for a time, in place of what was set of the same before. Programs that are \
            connected by a session and have a filter for levels apply them at once.",
    params: &[&SERVICE, &PROCESS, &TASK, &LEVELS, &FOR],
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "What is set. Programs say soon that they apply it: ask again.",
        schema: |generator| generator.subschema_for::<LevelOverride>(),
    }],
    problems: &[
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::NOT_IMPLEMENTED,
    ],
    answer: |ask| Box::pin(put(ask)),
};

pub(super) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/api/v1/levels",
    needs: Needs::Admin,
    name: "clearLevels",
    title: "Take levels of programs back",
    about: "Takes back what was set of a `service`, a `process` or a `task`; without any of them all that was set. What \
            the configuration has stays.",
    params: WHOSE,
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "What is set now.",
        schema: |generator| generator.subschema_for::<LevelsShown>(),
    }],
    problems: &[
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::NOT_IMPLEMENTED,
    ],
    answer: |ask| Box::pin(delete(ask)),
};

fn table(ask: &Ask) -> Result<Arc<LevelTable>, Problem> {
    ask.api.views.levels.clone().ok_or_else(|| {
        let why = "programs send to daemons, not to a view of a database: ask one of these";
        Problem::new(StatusCode::NOT_IMPLEMENTED, why)
    })
}

/// Only pages of this very server may change something.
fn check_page(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get(FETCH_SITE).map(|site| site.as_bytes());
    if headers.contains_key(ORIGIN) && site != Some(b"same-origin") {
        let why = "pages of another address may not set levels: use `distlogd level`";
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    Ok(())
}

async fn get(ask: Ask) -> Result<Response, Problem> {
    let shown = table(&ask)?.shown(ask.api.views.only.as_ref());
    Ok(Json(shown).into_response())
}

async fn put(ask: Ask) -> Result<Response, Problem> {
    check_page(&ask.headers)?;
    let table = table(&ask)?;
    let params = &ask.params;
    let Some(scope) = scope(params, &table)? else {
        let why = "expected `service`, `process` or `task`: whose levels are set";
        return Err(Problem::bad_request(why));
    };
    let wanted = wanted(params, scope.clone())?;
    let lasts = match (params.get(&FOR)?, &scope) {
        (Duration::ZERO, Scope::Task(_)) => TASK_LASTS,
        (Duration::ZERO, _) => LASTS,
        (lasts, _) => lasts,
    };
    if lasts < MIN_LASTS {
        let found = quoted(params.text(FOR.name).unwrap_or_default());
        return Err(Problem::parameter(FOR.name, found, "at least 1s"));
    }
    let (of, levels) = (in_words(&scope), params.text(LEVELS.name));
    let shown = blocking(move || {
        table.set(wanted, lasts)?;
        Ok::<_, SetError>(one(&table.shown(None), &scope))
    });
    let shown = shown.await?.map_err(|error| problem(&error))?;
    let Some(shown) = shown else {
        let why = "somebody else has taken back what was set";
        return Err(Problem::new(StatusCode::CONFLICT, why));
    };
    tracing::info!(
        levels = levels.unwrap_or_default(),
        "levels of {of} are set for {}",
        show_duration(lasts)
    );
    Ok(Json(shown).into_response())
}

async fn delete(ask: Ask) -> Result<Response, Problem> {
    check_page(&ask.headers)?;
    let table = table(&ask)?;
    let scope = scope(&ask.params, &table)?;
    let of = scope
        .as_ref()
        .map_or_else(|| "everything".to_owned(), in_words);
    let cleared = blocking(move || {
        let cleared = table.clear(scope.as_ref())?;
        Ok::<_, SetError>((cleared, table.shown(None)))
    });
    let (cleared, shown) = cleared.await?.map_err(|error| problem(&error))?;
    if !cleared {
        let why = format!("no levels of {of} were set: `distlogd level` lists what is");
        return Err(Problem::not_found(why));
    }
    tracing::info!("levels of {of} are taken back");
    Ok(Json(shown).into_response())
}

/// What was just set, as it is shown.
fn one(shown: &LevelsShown, scope: &Scope) -> Option<LevelOverride> {
    let mut newest = shown.overrides.iter().rev();
    let is_it = |one: &&LevelOverride| match scope {
        Scope::Service(name) => one.producer.is_none() && one.service.as_ref() == Some(name),
        Scope::Process(id) => one.producer.as_deref() == Some(&*id.to_string()),
        Scope::Task(task) => one.task.as_deref() == Some(&*task.to_string()),
    };
    newest.find(is_it).cloned()
}

fn in_words(scope: &Scope) -> String {
    match scope {
        Scope::Service(name) => format!("the service {}", quoted(name)),
        Scope::Process(id) => format!("the process {id}"),
        Scope::Task(task) => format!("the task {task}"),
    }
}

/// Whose levels are meant; `None`: nobody is named.
fn scope(params: &Params, table: &LevelTable) -> Result<Option<Scope>, Problem> {
    let (service, process) = (params.get(&SERVICE)?, params.get(&PROCESS)?);
    Ok(match (params.get(&TASK)?, process, service) {
        (Some(task), None, None) => Some(Scope::Task(task)),
        (Some(_), ..) => {
            let why =
                "a task has its level in every process: name it without `service` and `process`";
            return Err(Problem::bad_request(why));
        }
        (None, Some(process), service) => {
            let process = table.process(&process, service.as_deref());
            Some(Scope::Process(process.map_err(|error| problem(&error))?))
        }
        (None, None, Some(service)) => Some(Scope::Service(service)),
        (None, None, None) => None,
    })
}

fn wanted(params: &Params, scope: Scope) -> Result<Wanted, Problem> {
    let expected = "levels like `debug` or `orders=debug,hyper=warn`; of a task one level";
    let Some(text) = params.get(&LEVELS)? else {
        return Err(Problem::parameter(LEVELS.name, "nothing", expected));
    };
    let wrong = |error: &dyn std::fmt::Display| {
        Problem::bad_request(format_args!("`{}`: {error}", LEVELS.name)).about(
            LEVELS.name,
            Some(quoted(&text)),
            Some(expected.to_owned()),
        )
    };
    match scope {
        Scope::Task(task) => {
            let level = text
                .trim()
                .parse::<Level>()
                .map_err(|error| wrong(&error))?;
            Ok(Wanted::Task(task, level))
        }
        scope => {
            let directives = text.parse::<Directives>().map_err(|error| wrong(&error))?;
            Ok(Wanted::Directives(scope, directives))
        }
    }
}

fn problem(error: &SetError) -> Problem {
    let status = match error {
        SetError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        SetError::NotConnected(_) => StatusCode::NOT_FOUND,
        SetError::Several(_) => StatusCode::CONFLICT,
        SetError::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, error)
}
