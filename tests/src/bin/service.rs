//! A service of a chain, as the stories start it: `e2e-service SESSION_DOOR NAME [NEXT]`.
//!
//! It prints its address and answers each request with its name and what the service `NEXT` answers. In the
//! environment, if they are there: `SAMPLE`, the ratio of traces that it records; `INCOMING`, `respect` or `ignore`. A
//! request with the query `error` fails in the last service; one with `force` is recorded from the first service on.
//! What it logs at DEBUG is recorded where a daemon or a caller says so.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::get;
use distlog_layer::{FutureExt, IncomingSampled, to};
use tokio::net::TcpListener;
use tracing::{debug, error, info};
use tracing_subscriber::prelude::*;

/// Its name, and the service that it asks.
type Who = (String, Option<String>);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, receiver, name, rest @ ..] = &arguments[..] else {
        panic!("SESSION_DOOR NAME [NEXT]")
    };
    let mut builder = distlog_layer::builder().service(name);
    if let Ok(ratio) = std::env::var("SAMPLE") {
        builder = builder.sample(ratio.parse().unwrap());
    }
    builder = match std::env::var("INCOMING").as_deref() {
        Ok("respect") => builder.incoming_sampled(IncomingSampled::Respect),
        Ok("ignore") => builder.incoming_sampled(IncomingSampled::Ignore),
        _ => builder,
    };
    let (layer, guard) = builder.connect(receiver).unwrap();
    // What the HTTP libraries say of themselves below that is not part of the story.
    tracing_subscriber::registry()
        .with(layer.with_filter(guard.levels("info").unwrap()))
        .init();
    let app = Router::new()
        .route("/", get(answer))
        .layer(distlog_layer::tower::server())
        .with_state((name.clone(), rest.first().cloned()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, app).await.unwrap();
}

async fn answer(State((name, next)): State<Who>, uri: Uri) -> Result<String, StatusCode> {
    let query = uri.query().unwrap_or_default();
    info!("{name} was asked");
    debug!("{name} looks closer");
    let Some(next) = next else {
        if query == "error" {
            error!("{name} is out of order");
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        return Ok(name);
    };
    if query == "force" {
        info!(distlog.force = true, "{name} is watched");
    }
    let next = format!("{next}?{query}");
    let call = to!(otel.kind = "client", "{name} asks");
    let headers = call.foreign_headers();
    let asking = async move {
        let asked = tokio::task::spawn_blocking(move || ask(&next, &headers)).await;
        asked.unwrap().map_err(|_| StatusCode::BAD_GATEWAY)
    };
    let answer = asking.in_task(call).await?;
    Ok(format!("{name}, {answer}"))
}

fn ask(address: &str, headers: &HeaderMap) -> Result<String, ureq::Error> {
    let mut request = ureq::get(address);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.call()?.body_mut().read_to_string()
}
