//! Charges cards.

use axum::routing::post;
use axum::{Json, Router};
use distlog_layer::to;
use tracing::{error, info};

use super::{BankError, Charge, ShopError};

pub(super) fn app() -> Router {
    Router::new().route("/charge", post(charge))
}

async fn charge(Json(charge): Json<Charge>) -> Result<(), ShopError> {
    to!("check the card")
        .in_scope(|| info!(digits = charge.card.len(), "the number is well-formed"));
    to!(
        cents = charge.cents,
        "ask the bank for {} cents",
        charge.cents
    )
    .run(|| ask_bank(&charge))
    .map_err(|declined| {
        error!(
            error = &declined as &dyn std::error::Error,
            "payment failed"
        );
        ShopError::Declined(declined)
    })
}

/// This bank declines cards that end in 0002.
fn ask_bank(charge: &Charge) -> Result<(), BankError> {
    if charge.card.ends_with("0002") {
        return Err(BankError { code: 51 });
    }
    info!(approval = 7731, "approved");
    Ok(())
}
