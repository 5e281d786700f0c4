//! `GET /api/v1/tasks/{id}`.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::TaskId;
use distlog_python::json as record_json;
use serde_json::json;
use tokio::sync::oneshot;

use super::answers;
use super::endpoint::{Ask, Content, Endpoint, JSON, NDJSON, TEXT, Verb};
use super::look_params::{COLOR, FULL, look};
use super::params::Param;
use super::pieces::{Live, Pieces};
use super::problem::Problem;
use super::shapes::{CursorOf, Id, Number, OneOf};
use super::tree_part::{Cursor, TreePart, left_out, missing};
use crate::access::{Needs, Services};
use crate::query::stored_tree::each_record;
use crate::storage::Storage;
use crate::tree::paint::Look;
use crate::tree::{DEPTH, Gone, MAX_DEPTH};

/// An answer has so many tasks and records at most.
const MAX_ITEMS: usize = 500_000;
/// A piece of records, in bytes.
const CHUNK: usize = 64 << 10;

#[derive(Default, Clone, Copy)]
enum Format {
    #[default]
    Json,
    Text,
    Records,
    Outline,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Format::Json => JSON,
            Format::Text => TEXT,
            Format::Records | Format::Outline => NDJSON,
        }
    }
}

pub(super) const ID: Param<Id> = Param {
    name: "id",
    about: "Id of a task or a trace, as lists and records have it.",
    examples: &["e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2"],
    shape: Id,
};

pub(super) const DEPTH_PARAM: Param<Number> = Param {
    name: "depth",
    about: "Levels of tasks; 2 gives an overview of a large tree.",
    examples: &[],
    shape: Number {
        least: 1,
        most: MAX_DEPTH,
        default: DEPTH,
    },
};

pub(super) const CURSOR: Param<CursorOf<Cursor>> = Param {
    name: "cursor",
    about: "Where the part before ended, as it says: gives the rest.",
    examples: &[],
    shape: CursorOf::new("tree-cursor"),
};

const FORMAT: Param<OneOf<Format>> = Param {
    name: "format",
    about: "`text` draws the tree, `records` lists its records in order of time, `outline` gives tasks and records in \
            few words.",
    examples: &[],
    shape: OneOf {
        values: &[
            ("json", Format::Json),
            ("text", Format::Text),
            ("records", Format::Records),
            ("outline", Format::Outline),
        ],
    },
};

const LIMIT: Param<Number> = Param {
    name: "limit",
    about: "At most so many tasks and records.",
    examples: &[],
    shape: Number {
        least: 1,
        most: MAX_ITEMS,
        default: MAX_ITEMS,
    },
};

pub(super) const TREE: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/tasks/{id}",
    needs: Needs::Read,
    name: "getTree",
    title: "Read a task's tree",
    about: "All that happened in a task, over all processes: its subtasks and records. Of a bare trace id the whole \
            trace, of ID/1/2 that task and what is below it. A long one comes in parts.",
    params: &[&ID, &FORMAT, &DEPTH_PARAM, &LIMIT, &CURSOR, &COLOR, &FULL],
    headers: &[],
    contents: &[
        Content {
            status: StatusCode::OK,
            media_type: JSON,
            about: "The tree, with `format=json`.",
            schema: answers::tree,
        },
        Content {
            status: StatusCode::OK,
            media_type: TEXT,
            about: "The tree as people read it, with `format=text`.",
            schema: answers::text,
        },
        Content {
            status: StatusCode::OK,
            media_type: NDJSON,
            about: "The records, one a line, with `format=records`; the tree in few words with `format=outline`: a \
                    line that says what is outlined, one for each task and record in the order of the tree with how \
                    deep it stands, and at last the cursor of the next part.",
            schema: answers::text,
        },
    ],
    problems: &[StatusCode::NOT_FOUND],
    answer: |ask| Box::pin(tree(ask)),
};

/// What of a tree is wanted.
struct TreeAsk {
    format: Format,
    look: Look,
    depth: usize,
    limit: u64,
}

/// The tree of a task: of the whole trace for a bare trace id, else of the task and what is below it.
async fn tree(ask: Ask) -> Result<Response, Problem> {
    let Ask { api, params, .. } = ask;
    let id = params.get(&ID)?;
    let cursor = params.get(&CURSOR)?;
    let format = params.get(&FORMAT)?;
    let wanted = TreeAsk {
        format,
        look: look(&params)?,
        depth: params.get(&DEPTH_PARAM)?,
        limit: params.get(&LIMIT)? as u64,
    };
    let permit = api.trees.acquire_owned().await.map_err(Problem::failed)?;
    let (begun, begins) = oneshot::channel();
    let (pieces, body) = Pieces::new();
    tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        let answer = Answer {
            storage: api.views.storage,
            only: api.views.only,
            id,
            wanted,
            begun: Some(begun),
            pieces,
        };
        answer.run(cursor);
    });
    let content_type = begins.await.map_err(Problem::failed)??;
    let mut response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
    if matches!(format, Format::Outline) {
        // Who shows it is near: compressing it would take longer than sending it.
        response.extensions_mut().insert(Live);
    }
    Ok(response)
}

/// An answer that is written while it is read.
struct Answer {
    storage: Arc<dyn Storage>,
    /// What who asks is limited to.
    only: Option<Services>,
    id: TaskId,
    wanted: TreeAsk,
    /// To be told whether there is an answer, and what it is.
    begun: Option<oneshot::Sender<Result<&'static str, Problem>>>,
    pieces: Pieces,
}

impl Answer {
    fn run(mut self, cursor: Option<Cursor>) {
        let said = match self.wanted.format {
            Format::Records => self.records(),
            _ => self.tree(cursor),
        };
        match (said, self.begun.take()) {
            (Ok(()), _) => {}
            (Err(problem), Some(begun)) => _ = begun.send(Err(problem)),
            // An answer that was begun is broken off, so that nobody takes it for the whole.
            (Err(problem), None) => {
                tracing::warn!("an answer is broken off: {}", problem.detail());
                self.pieces.break_off("broken off");
            }
        }
    }

    fn begin(&mut self, content_type: &'static str) {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(Ok(content_type));
        }
    }

    fn records(&mut self) -> Result<(), Problem> {
        let (storage, id) = (Arc::clone(&self.storage), self.id.clone());
        let mut out = Vec::new();
        let mut gone = false;
        each_record(&*storage, &id, |record| {
            record_json::encode(record, &mut out);
            out.push(b'\n');
            self.begin(NDJSON);
            if out.len() >= CHUNK {
                gone = !self.pieces.send(std::mem::take(&mut out));
            }
            !gone
        })?;
        if self.begun.is_some() {
            return Err(missing(&self.id));
        }
        if !gone {
            self.pieces.send(out);
        }
        Ok(())
    }

    fn tree(&mut self, cursor: Option<Cursor>) -> Result<(), Problem> {
        let mut part = TreePart::find(&*self.storage, &self.id, cursor)?;
        let TreeAsk {
            format,
            look,
            depth,
            limit,
        } = self.wanted;
        self.begin(format.media_type());
        let pass = &mut |piece| self.pieces.send(piece);
        let written = match format {
            Format::Text => part.draw(depth, limit, look, pass),
            Format::Outline => {
                part.write_outline((&self.id, self.only.as_ref()), depth, limit, pass)
            }
            Format::Json | Format::Records => part.write_json(depth, limit, pass),
        };
        let Ok(rest) = written else {
            let Gone = Gone;
            return Ok(());
        };
        let next = rest.as_ref().map(|rest| rest.next.to_string());
        let left_out = self.only.as_ref().map(left_out);
        let end = match format {
            Format::Text => {
                let left_out = left_out.map_or(String::new(), |what| format!("… {what}\n"));
                let rest = rest.map(|rest| {
                    let next = rest.next;
                    format!("… {rest}: distlogd tree {} --cursor {next}\n", self.id)
                });
                [left_out, rest.unwrap_or_default()].concat()
            }
            Format::Outline => format!("{}\n", json!({ "next": next })),
            Format::Json | Format::Records => {
                let left_out = left_out.map(|what| format!(",\"left_out\":{}", json!(what)));
                format!(
                    "{},\"next\":{}}}",
                    left_out.unwrap_or_default(),
                    json!(next)
                )
            }
        };
        if !end.is_empty() {
            self.pieces.send(end.into_bytes());
        }
        Ok(())
    }
}
