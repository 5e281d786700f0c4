//! Takes a JSON array of `{"url": …, "arguments": …}` at `/test` and posts each `arguments` to its `url`, with the
//! trace headers of a subtask of its own.
//!
//! ```sh
//! cargo run --release --bin relay -- --listen 127.0.0.1:5000
//! ```

use std::error::Error;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use clap::Parser;
use distlog_examples::listen;
use distlog_layer::{FutureExt, to};
use serde::Deserialize;

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:5000")]
    listen: String,
    /// The session receiver of distlogd.
    #[arg(long, default_value = "tcp://127.0.0.1:5011")]
    distlogd: String,
}

#[derive(Deserialize)]
struct Onward {
    url: String,
    #[serde(default)]
    arguments: serde_json::Value,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { listen, distlogd } = Arguments::parse();
    let _guard = listen::log_to(&distlogd, "relay")?;
    let app = Router::new()
        .route("/test", post(relay))
        .layer(distlog_layer::tower::server());
    listen::serve("relay", &listen, app).await?;
    Ok(())
}

async fn relay(Json(requests): Json<Vec<Onward>>) -> Result<(), (StatusCode, String)> {
    let client = reqwest::Client::new();
    for Onward { url, arguments } in requests {
        let task = to!(
            otel.kind = "client",
            url.full = url.as_str(),
            "post to {}",
            url
        );
        let request = client
            .post(&url)
            .headers(task.foreign_headers())
            .json(&arguments);
        let sent = async { request.send().await?.error_for_status() }
            .in_task(task)
            .await;
        sent.map_err(|error| (StatusCode::BAD_GATEWAY, error.to_string()))?;
    }
    Ok(())
}
