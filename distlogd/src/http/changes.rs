//! `GET /api/v1/changes`: that the store has changed, as server-sent events. Who shows a list asks anew then.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Views;
use super::endpoint::{Ask, Content, EVENTS, Endpoint, Verb};
use super::params::Param;
use super::pieces::Live;
use super::problem::Problem;
use super::records::blocking;
use super::shapes::RecordNumber;
use super::tail::{LAST_EVENT_ID, TIMEOUT};
use crate::access::Needs;
use crate::shutdown::Phase;

/// How often it is looked whether the store has changed, and said at most.
const INTERVAL: Duration = Duration::from_millis(200);
/// The same where somebody else's database must be asked.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

const FROM: Param<RecordNumber> = Param {
    name: "from",
    about: "The `end` that is known: nothing is said until there is more. Without it the first event comes at once.",
    examples: &[],
    shape: RecordNumber,
};

pub(super) const CHANGES: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/changes",
    needs: Needs::Read,
    name: "followChanges",
    title: "Follow changes",
    about: "That records came or went, as server-sent events, at most five a second. The id of an event is the number \
            in the store of the newest record.",
    params: &[&FROM, &TIMEOUT],
    headers: &[&LAST_EVENT_ID],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: EVENTS,
        about: "What the store holds, as a JSON object.",
        schema: event,
    }],
    problems: &[],
    answer: |ask| Box::pin(changes(ask)),
};

/// What the store holds.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
struct Held {
    /// The number that the next record gets.
    end: u64,
    /// The number of the oldest record.
    first: u64,
    /// How many deletions took effect since the daemon began.
    deletions: u64,
}

impl Held {
    async fn now(views: &Views) -> Result<Held, Problem> {
        let positions = match views.storage.live() {
            Some(reader) => reader.first()..reader.end(),
            None => {
                let storage = Arc::clone(&views.storage);
                blocking(move || storage.positions()).await??
            }
        };
        Ok(Held {
            end: positions.end,
            first: positions.start,
            deletions: views.deletions.as_ref().map_or(0, |all| all.asked()),
        })
    }

    fn event(&self) -> Event {
        // Numbers can always be written.
        let data = serde_json::to_string(self).unwrap_or_default();
        let newest = self.end.saturating_sub(1).to_string();
        Event::default().id(newest).data(data)
    }
}

/// An event.
fn event(generator: &mut SchemaGenerator) -> Schema {
    let held = generator.subschema_for::<Held>();
    json_schema!({
        "type": "object",
        "required": ["id", "data"],
        "properties": {
            "id": { "type": "string", "description": "The number in the store of the newest record." },
            "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": held },
        },
    })
}

async fn changes(ask: Ask) -> Result<Response, Problem> {
    let Ask { api, params, .. } = ask;
    let timeout = params.get(&TIMEOUT)?;
    let last = params.get(&LAST_EVENT_ID)?;
    let from = last
        .map(|last| last.saturating_add(1))
        .or(params.get(&FROM)?);
    let permit = api.changes.try_acquire_owned().map_err(|_| {
        Problem::busy("changes are followed by too many already: close a page, or ask again later")
    })?;
    let held = Held::now(&api.views).await?;
    let interval = match api.views.storage.live() {
        Some(_) => INTERVAL,
        None => POLL_INTERVAL,
    };
    let (sender, receiver) = mpsc::channel(1);
    let (told, gone) = (sender.clone(), sender);
    let tell = async move {
        let _permit = permit;
        let (first, mut known) = if from == Some(held.end) {
            (Event::default().comment("following"), held)
        } else {
            (held.event(), held)
        };
        let mut next = Some(first);
        loop {
            if let Some(event) = next.take()
                && told.send(Ok::<_, Infallible>(event)).await.is_err()
            {
                return;
            }
            tokio::time::sleep(interval).await;
            // What cannot be read now is asked for again.
            if let Ok(held) = Held::now(&api.views).await
                && held != known
            {
                next = Some(held.event());
                known = held;
            }
        }
    };
    let too_late = async move {
        match timeout {
            Duration::ZERO => std::future::pending().await,
            timeout => tokio::time::sleep(timeout).await,
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = tell => {}
            () = gone.closed() => {}
            () = too_late => {}
            () = api.shutdown.wait_for(Phase::Abort) => {}
        }
    });
    let events = Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default());
    let mut response = events.into_response();
    response.extensions_mut().insert(Live);
    Ok(response)
}
