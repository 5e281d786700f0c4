//! `GET /api/v1/status`.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::{Api, Refusal, Shared};
use crate::status::Status;

/// Producers in an answer.
const PRODUCERS: usize = 20;
const MAX_PRODUCERS: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// At most so many producers.
    producers: Option<usize>,
}

/// How the daemon does.
pub async fn status(
    State(Api { views, .. }): Shared,
    Query(query): Query<StatusQuery>,
) -> Result<Json<Status>, Refusal> {
    let producers = query.producers.unwrap_or(PRODUCERS).min(MAX_PRODUCERS);
    // It reads the store.
    let reading = tokio::task::spawn_blocking(move || views.status.read(producers));
    let status = reading.await;
    status
        .map(Json)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
