//! Reserves stock and has the card charged.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use distlog_layer::{FutureExt, to};
use tracing::{info, warn};

use super::{Charge, Client, Order, ShopError};

pub(super) fn app(payment: String) -> Router {
    Router::new()
        .route("/orders", post(take))
        .with_state(Client::new("payment", payment))
}

async fn take(State(payment): State<Client>, Json(order): Json<Order>) -> Result<(), ShopError> {
    to!("reserve {} items", order.items.len()).in_scope(|| {
        for item in &order.items {
            info!(item = item.as_str(), shelf = item.len(), "reserved");
        }
    });
    let charge = Charge {
        card: order.card,
        cents: 350 * order.items.len() as u32,
    };
    let paid = payment.post("charge the card", "/charge", &charge).await;
    if paid.is_err() {
        let undo = to!("release the stock");
        async { warn!(items = order.items.len(), "the order was not paid") }
            .in_task(undo)
            .await;
    }
    paid
}
