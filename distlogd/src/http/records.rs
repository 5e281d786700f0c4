//! `GET /api/v1/records`: the newest records that match.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::RecordRef;
use distlog_python::json;

use super::answers;
use super::endpoint::{Ask, Content, Endpoint, JSON, NDJSON, Verb};
use super::filter_params::{
    CURSOR, FILTER, FROM, PageAsk, Q, SERVICE, SEVERITY, TIMEOUT_PARAM, TO, filter, limit,
};
use super::look_params::{COLOR, FULL, look};
use super::params::{Param, Params};
use super::pieces::{Live, Pieces};
use super::problem::Problem;
use super::progress::{self, PROGRESS};
use super::shapes::{Number, OneOf};
use crate::access::Needs;
use crate::query::{Counters, Encode, Engine, Filter, Page, Records};
use crate::tree::put_line;

/// Records of a page.
const LIMIT: Param<Number> = limit(100, 10_000);
const FORMAT: Param<OneOf<bool>> = Param {
    name: "format",
    about: "`text`: each item is a string for people, as `distlogd tail` prints the record.",
    examples: &[],
    shape: OneOf {
        values: &[("json", false), ("text", true)],
    },
};
/// Records are sent in pieces of about this size, in bytes.
const PIECE: usize = 64 << 10;

pub(super) const RECORDS: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/records",
    needs: Needs::Read,
    name: "findRecords",
    title: "Find records",
    about: "The newest records that match, newest first, page by page.",
    params: &[
        &Q,
        &FILTER,
        &SERVICE,
        &SEVERITY,
        &FROM,
        &TO,
        &LIMIT,
        &CURSOR,
        &TIMEOUT_PARAM,
        &FORMAT,
        &COLOR,
        &FULL,
        &PROGRESS,
    ],
    headers: &[],
    contents: &[
        Content {
            status: StatusCode::OK,
            media_type: JSON,
            about: "The records, and the cursor of older ones.",
            schema: answers::records,
        },
        Content {
            status: StatusCode::OK,
            media_type: NDJSON,
            about: "One record a line; the last line is an object with `next` and `complete`. With `progress=true` \
                    also lines as `{\"progress\":{\"blocks\":12,\"of\":400,\"found\":3}}`.",
            schema: answers::text,
        },
    ],
    problems: &[StatusCode::UNPROCESSABLE_ENTITY],
    answer: |ask| Box::pin(records(ask)),
};

/// Which records are wanted.
pub(super) struct RecordsAsk {
    filter: Filter,
    page: PageAsk,
}

impl RecordsAsk {
    /// # Errors
    /// If one of the parameters is wrong.
    pub(super) fn new(params: &Params, limit: &Param<Number>) -> Result<RecordsAsk, Problem> {
        Ok(RecordsAsk {
            filter: filter(params)?,
            page: PageAsk::new(params, limit)?,
        })
    }

    /// Begins the query.
    ///
    /// # Errors
    /// As [`Engine::newest`].
    pub(super) async fn begin(
        self,
        engine: Engine,
        counters: Arc<Counters>,
        encode: Encode,
    ) -> Result<Records, Problem> {
        let RecordsAsk { filter, page } = self;
        // Which blocks there are stands in files.
        let PageAsk {
            cursor,
            limit,
            timeout,
        } = page;
        let asked = move || engine.newest(filter, cursor, limit, timeout, counters, encode);
        Ok(blocking(asked).await??)
    }
}

/// Lists the newest records that match.
async fn records(ask: Ask) -> Result<Response, Problem> {
    let wanted = RecordsAsk::new(&ask.params, &LIMIT)?;
    let encode = encode(&ask.params)?;
    let with_progress = ask.params.get(&PROGRESS)?;
    let lines = with_progress || ask.wants_lines();
    let counters = Arc::<Counters>::default();
    let begun = wanted.begin(ask.api.views.engine, Arc::clone(&counters), encode);
    let mut records = begun.await?;
    let (pieces, body) = Pieces::new();
    if with_progress {
        tokio::spawn(send_with_progress(records, counters, pieces));
    } else {
        // A client that goes away drops this, and so cancels the query.
        let outcome = records.running().outcome().await?;
        let page = records.page(outcome);
        tokio::task::spawn_blocking(move || send(page, &pieces, lines));
    }
    let media_type = if lines { NDJSON } else { JSON };
    let mut response = ([(header::CONTENT_TYPE, media_type)], body).into_response();
    if with_progress {
        response.extensions_mut().insert(Live);
    }
    Ok(response)
}

/// Runs what may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Problem::failed)
}

/// How records are written: as JSON objects or, for people, as JSON strings of what `tail` prints.
fn encode(params: &Params) -> Result<Encode, Problem> {
    let look = look(params)?;
    if !params.get(&FORMAT)? {
        return Ok(Arc::new(json::encode));
    }
    Ok(Arc::new(
        move |record: &RecordRef<'_>, out: &mut Vec<u8>| {
            let mut text = String::new();
            put_line(&mut text, look, record);
            json::write_str(out, text.trim_end_matches('\n'));
        },
    ))
}

async fn send_with_progress(mut records: Records, counters: Arc<Counters>, pieces: Pieces) {
    let mut ticks = tokio::time::interval(progress::INTERVAL);
    // The first tick comes at once.
    ticks.tick().await;
    let outcome = loop {
        tokio::select! {
            outcome = records.running().outcome() => break outcome,
            _ = ticks.tick() => {
                if !pieces.offer(progress::line(counters.progress())) {
                    return;
                }
            }
        }
    };
    match outcome {
        Ok(outcome) => {
            let page = records.page(outcome);
            tokio::task::spawn_blocking(move || send(page, &pieces, true));
        }
        Err(error) => {
            tracing::warn!("a query is broken off: {error}");
            pieces.break_off("broken off");
        }
    }
}

/// Sends a page.
fn send(mut page: Page, pieces: &Pieces, lines: bool) {
    let mut out = Vec::new();
    if !lines {
        out.extend_from_slice(b"{\"items\":[");
    }
    let mut first = true;
    loop {
        match page.next() {
            Ok(Some(record)) => {
                if !lines && !first {
                    out.push(b',');
                }
                first = false;
                out.extend_from_slice(&record);
                if lines {
                    out.push(b'\n');
                }
                if out.len() >= PIECE && !pieces.send(std::mem::take(&mut out)) {
                    return;
                }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!("an answer is broken off: {error}");
                pieces.break_off("broken off");
                return;
            }
        }
    }
    let next = page
        .cursor()
        .map_or("null".to_owned(), |next| format!("\"{next}\""));
    let opening = if lines { "{" } else { "]," };
    let end = format!(
        "{opening}\"next\":{next},\"complete\":{}}}\n",
        page.complete()
    );
    out.extend_from_slice(end.as_bytes());
    pieces.send(out);
}
