//! Calls another service of the shop.

use axum::http::StatusCode;
use distlog_layer::{FutureExt, to};
use serde::Serialize;

use super::ShopError;

/// One other service.
#[derive(Debug, Clone)]
pub struct Client {
    service: &'static str,
    address: String,
    http: reqwest::Client,
}

impl Client {
    /// For the service at an address like `http://127.0.0.1:8080`.
    pub fn new(service: &'static str, address: String) -> Client {
        Client {
            service,
            address,
            http: reqwest::Client::new(),
        }
    }

    /// Posts JSON in a task of its own, so that the called service's task has its place below it. `goal` says what for,
    /// in the same words for each call.
    pub(super) async fn post(
        &self,
        goal: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(), ShopError> {
        let Client {
            service,
            address,
            http,
        } = self;
        let task = to!(otel.kind = "client", otel.name = goal, "{}", goal);
        let headers = task.foreign_headers();
        let call = async {
            let unreachable = |source| ShopError::Unreachable { service, source };
            let response = http
                .post(format!("{address}{path}"))
                .headers(headers)
                .json(body)
                .send()
                .await
                .map_err(unreachable)?;
            let status =
                StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
            if status.is_success() {
                return Ok(());
            }
            let text = response.text().await.map_err(unreachable)?;
            Err(ShopError::Answered {
                service,
                status,
                text,
            })
        };
        call.in_task(task).await
    }
}
