//! `GET /api/v1/records`: the newest records that match.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::RecordRef;
use distlog_python::json;

use super::params::{Limit, Params};
use super::pieces::Pieces;
use super::{Api, NDJSON, Refusal, Shared, progress};
use crate::query::{Counters, Cursor, Encode, Engine, Filter, Page, QueryError, Records};
use crate::tree::paint::{Colour, Look};
use crate::tree::put_line;

/// Records of a page.
const LIMIT: Limit = Limit {
    default: 100,
    most: 10_000,
};
/// Records are sent in pieces of about this size, in bytes.
const PIECE: usize = 64 << 10;

/// Which records are wanted.
pub(super) struct RecordsAsk {
    filter: Filter,
    cursor: Option<Cursor>,
    limit: usize,
    timeout: Duration,
}

impl RecordsAsk {
    /// # Errors
    /// If one of the parameters is wrong.
    pub(super) fn new(params: &mut Params, limit: Limit) -> Result<RecordsAsk, QueryError> {
        let filter = params.filter()?;
        let limit = params.limit(limit)?;
        let timeout = params.timeout()?;
        let cursor = params.text("cursor").map(|text| text.parse::<Cursor>());
        Ok(RecordsAsk {
            filter,
            cursor: cursor.transpose()?,
            limit,
            timeout,
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
    ) -> Result<Records, Refusal> {
        let RecordsAsk {
            filter,
            cursor,
            limit,
            timeout,
        } = self;
        // Which blocks there are stands in files.
        let asked = move || engine.newest(filter, cursor, limit, timeout, counters, encode);
        Ok(blocking(asked).await??)
    }
}

/// Lists the newest records that match.
pub async fn records(
    State(Api { views, .. }): Shared,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let mut params = Params::new(pairs)?;
    let ask = RecordsAsk::new(&mut params, LIMIT)?;
    let encode = encode(&mut params)?;
    let lines = wants_lines(&headers);
    let with_progress = progress::is_wanted(&mut params, lines)?;
    params.finish()?;
    let counters = Arc::<Counters>::default();
    let begun = ask.begin(views.engine, Arc::clone(&counters), encode);
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
    let content_type = if lines { NDJSON } else { "application/json" };
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

/// Whether the answer is to be one item a line.
pub(super) fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    accept
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split([',', ';']).any(|part| part.trim() == NDJSON))
}

/// Runs what may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// How records are written: as JSON objects or, for people, as JSON strings of what `tail` prints.
fn encode(params: &mut Params) -> Result<Encode, QueryError> {
    let colour = if params.flag("color")? {
        Colour::On
    } else {
        Colour::Off
    };
    let look = Look::new(colour, params.flag("full")?);
    match params.text("format").as_deref() {
        None | Some("json") => Ok(Arc::new(json::encode)),
        Some("text") => Ok(Arc::new(
            move |record: &RecordRef<'_>, out: &mut Vec<u8>| {
                let mut text = String::new();
                put_line(&mut text, look, record);
                json::write_str(out, text.trim_end_matches('\n'));
            },
        )),
        Some(other) => {
            let found = format_args!("`{other}`");
            Err(QueryError::parameter("format", found, "`json` or `text`"))
        }
    }
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
