//! Charges cards.

use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use distlog_layer::{FutureExt, to};
use tracing::{error, info};

use super::{BankError, Charge, ShopError};

/// So long the bank of some cards takes.
const SLOW: Duration = Duration::from_secs(3);

pub(super) fn app() -> Router {
    Router::new().route("/charge", post(charge))
}

async fn charge(Json(charge): Json<Charge>) -> Result<(), ShopError> {
    to!("check the card")
        .in_scope(|| info!(digits = charge.card.len(), "the number is well-formed"));
    let ask = to!(
        cents = charge.cents,
        "ask the bank for {} cents",
        charge.cents
    );
    ask_bank(&charge).in_task(ask).await.map_err(|declined| {
        error!(
            error = &declined as &dyn std::error::Error,
            "payment failed"
        );
        ShopError::Declined(declined)
    })
}

/// This bank declines cards that end in 0002, and takes its time for those that end in 0036.
async fn ask_bank(charge: &Charge) -> Result<(), BankError> {
    if charge.card.ends_with("0002") {
        return Err(BankError { code: 51 });
    }
    if charge.card.ends_with("0036") {
        info!("the bank asks the customer");
        tokio::time::sleep(SLOW).await;
    }
    info!(approval = 7731, "approved");
    Ok(())
}
