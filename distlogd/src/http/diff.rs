//! `GET /api/v1/diff`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use distlog_proto::TaskId;

use super::MAX_TREES;
use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::filter_params::limit;
use super::params::Param;
use super::problem::Problem;
use super::records::blocking;
use super::shapes::{CursorOf, Id, Number};
use super::tree_part::missing;
use crate::access::Needs;
use crate::query::diff::{Cursor, Diff, compare, stored_outline};
use crate::storage::Storage;
use crate::tree::Outline;

/// Nodes in an answer.
const MAX_NODES: usize = 10_000;
const LIMIT: Param<Number> = limit(MAX_NODES, MAX_NODES);
const A: Param<Id> = tree("a", "The first tree: id of a task or a trace.");
const B: Param<Id> = tree("b", "The second tree.");

const fn tree(name: &'static str, about: &'static str) -> Param<Id> {
    Param {
        name,
        about,
        examples: &["e252a11f-d33d-483d-ba08-bc8f642b2f10"],
        shape: Id,
    }
}

const CURSOR: Param<CursorOf<Cursor>> = Param {
    name: "cursor",
    about: "Where the part before ended, as it says: gives the rest.",
    examples: &[],
    shape: CursorOf::new("diff-cursor"),
};

pub(super) const DIFF: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/diff",
    needs: Needs::Read,
    name: "compareTrees",
    title: "Compare two trees",
    about: "What two tasks do differently: what only one has, what took longer, and where they first differ.",
    params: &[&A, &B, &LIMIT, &CURSOR],
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "The tasks of both trees, side by side.",
        schema: |generator| generator.subschema_for::<Diff>(),
    }],
    problems: &[StatusCode::NOT_FOUND],
    answer: |ask| Box::pin(diff(ask)),
};

/// How two trees differ.
async fn diff(ask: Ask) -> Result<Response, Problem> {
    let Ask { api, params, .. } = ask;
    let (a, b) = (params.get(&A)?, params.get(&B)?);
    let cursor = params.get(&CURSOR)?;
    let limit = params.get(&LIMIT)?;
    // Both trees are in memory.
    let permits = api.trees.acquire_many_owned(MAX_TREES as u32).await;
    let permits = permits.map_err(Problem::failed)?;
    blocking(move || {
        let _permits = permits;
        let storage = &*api.views.storage;
        let cursor = match cursor {
            Some(cursor) => cursor,
            None => Cursor {
                end: storage.positions()?.end,
                skip: 0,
            },
        };
        let outlined = |id| outline(storage, id, cursor.end);
        let (of_a, of_b) = (outlined(&a)?, outlined(&b)?);
        let diff = compare((&a, &of_a), (&b, &of_b), (cursor, limit));
        Ok(Json(diff).into_response())
    })
    .await?
}

fn outline(storage: &dyn Storage, id: &TaskId, end: u64) -> Result<Outline, Problem> {
    stored_outline(storage, id, end)?.ok_or_else(|| missing(id))
}
