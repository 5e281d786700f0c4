//! `GET /api/v1/names`: what conditions may be written with, for who completes them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use distlog_rules::Known;
use schemars::JsonSchema;
use serde::Serialize;

use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::params::Param;
use super::problem::Problem;
use super::shapes::Text;
use crate::access::Needs;

const PREFIX: Param<Text> = Param {
    name: "prefix",
    about: "Only those that begin so.",
    examples: &["sev"],
    shape: Text { format: None },
};

pub(super) const NAMES: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/names",
    needs: Needs::Read,
    name: "listNames",
    title: "List names of conditions",
    about: "What conditions may be written with: names of what records have, constants, functions.",
    params: &[&PREFIX],
    headers: &[],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: JSON,
        about: "The names.",
        schema: |generator| generator.subschema_for::<Names>(),
    }],
    problems: &[],
    answer: |ask| Box::pin(names(ask)),
};

#[derive(Serialize, JsonSchema)]
struct Names {
    names: Vec<Name>,
}

/// A name of conditions.
#[derive(Serialize, JsonSchema)]
struct Name {
    name: &'static str,
    /// `function` of what is called.
    r#type: &'static str,
    /// What it is, in a few words; of a function how it is called.
    about: &'static str,
    /// What it can be, where there are only a few.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(default)]
    values: &'static [&'static str],
}

async fn names(ask: Ask) -> Result<Response, Problem> {
    let prefix = ask.params.get(&PREFIX)?.unwrap_or_default();
    let wanted = distlog_rules::known().filter(|known| known.name.starts_with(&prefix));
    let name = |known: Known| Name {
        name: known.name,
        r#type: known.kind,
        about: known.about,
        values: known.values,
    };
    let names = wanted.map(name).collect();
    Ok(Json(Names { names }).into_response())
}
