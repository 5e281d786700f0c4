//! `POST /api/v1/reload`: the daemon reads its configuration again and takes it, whole or not at all.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::response::{IntoResponse, Response};

use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::problem::Problem;
use super::records::blocking;
use crate::access::Needs;
use crate::reload::{Changes, ReloadError};

pub(super) const RELOAD: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/api/v1/reload",
    needs: Needs::Admin,
    name: "reload",
    title: "Read the configuration again",
    about: "The daemon reads its configuration file again and takes it: whole, or not at all. Processors that did not \
            change do not stop. What listens, the path of the store, sources and `drain` change with a restart. No web \
            page may ask.",
    params: &[],
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "What changed.",
        schema: |generator| generator.subschema_for::<Changes>(),
    }],
    problems: &[
        StatusCode::CONFLICT,
        StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::NOT_IMPLEMENTED,
    ],
    answer: |ask| Box::pin(reload(ask)),
};

async fn reload(ask: Ask) -> Result<Response, Problem> {
    if ask.headers.contains_key(ORIGIN) {
        let why = "web pages may not reload: use `distlogd reload`";
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    let Some(reload) = ask.api.views.reload else {
        let why = "a view of a database has no rules and processors to read again";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, why));
    };
    let changes = blocking(move || reload()).await?;
    let changes = changes.map_err(|error| {
        let status = match error {
            ReloadError::NoFile => StatusCode::NOT_IMPLEMENTED,
            ReloadError::Faulty(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ReloadError::NeedsRestart(_) => StatusCode::CONFLICT,
            ReloadError::Worker(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error)
    })?;
    Ok(Json(changes).into_response())
}
