//! Takes orders from outside.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use distlog_layer::{FutureExt, to, val};
use tracing::info;

use super::{Client, Order, ShopError};

pub(super) fn app(orders: String) -> Router {
    Router::new()
        .route("/order", post(order))
        .with_state(Client::new("orders", orders))
}

/// Answers with the id of the task, so that whoever asks for help can name it.
async fn order(
    State(orders): State<Client>,
    Json(order): Json<Order>,
) -> Result<String, (axum::http::HeaderMap, ShopError)> {
    let task = to!(user = order.user.as_str(), "handle order {}", order.id);
    let id = distlog_layer::current()
        .id()
        .map(|id| id.to_string())
        .unwrap_or_default();
    let handled = async {
        info!(items = ?val(&order.items), "order received");
        orders.post("order the goods", "/orders", &order).await?;
        info!("order confirmed");
        Ok(())
    };
    match handled.in_task(task).await {
        Ok(()) => Ok(id),
        Err(error) => {
            let mut headers = axum::http::HeaderMap::new();
            headers.extend(
                id.parse()
                    .map(|id| (axum::http::HeaderName::from_static("x-task-id"), id)),
            );
            Err((headers, error))
        }
    }
}
