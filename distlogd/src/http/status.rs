//! `GET /api/v1/status`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::params::Param;
use super::problem::Problem;
use super::records::blocking;
use super::shapes::Number;
use crate::access::Needs;
use crate::status::Status;

const PRODUCERS: Param<Number> = Param {
    name: "producers",
    about: "At most so many producers, those that sent last.",
    examples: &[],
    shape: Number {
        least: 0,
        most: 1000,
        default: 20,
    },
};

pub(super) const STATUS: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/status",
    needs: Needs::ReadAll,
    name: "getStatus",
    title: "Read the status",
    about: "How the daemon does: receivers, processors and how far they are behind, producers and what they dropped, \
            the store.",
    params: &[&PRODUCERS],
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "The status.",
        schema: |generator| generator.subschema_for::<Status>(),
    }],
    problems: &[],
    answer: |ask| Box::pin(status(ask)),
};

/// How the daemon does.
async fn status(ask: Ask) -> Result<Response, Problem> {
    let producers = ask.params.get(&PRODUCERS)?;
    // It reads the store.
    let status = blocking(move || (ask.api.views.status)(producers)).await??;
    Ok(Json(status).into_response())
}
