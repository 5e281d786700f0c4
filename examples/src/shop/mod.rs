//! A shop of three services: the gateway takes an order, `orders` reserves the stock, `payment` charges the card.
//!
//! Nothing in here passes a task along by hand: the server layer imports the caller's, `call.rs` sends our own.

mod call;
mod gateway;
mod orders;
mod payment;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

pub use call::Client;

/// Which service to run.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Role {
    /// Takes orders from outside.
    Gateway {
        /// Address of the service `orders`.
        #[arg(long)]
        orders: String,
    },
    /// Reserves stock and has the card charged.
    Orders {
        /// Address of the service `payment`.
        #[arg(long)]
        payment: String,
    },
    /// Charges cards.
    Payment,
}

impl Role {
    /// The name of the service.
    pub fn name(&self) -> &'static str {
        match self {
            Role::Gateway { .. } => "gateway",
            Role::Orders { .. } => "orders",
            Role::Payment => "payment",
        }
    }

    /// The service.
    pub fn app(self) -> Router {
        let app = match self {
            Role::Gateway { orders } => gateway::app(orders),
            Role::Orders { payment } => orders::app(payment),
            Role::Payment => payment::app(),
        };
        app.layer(distlog_layer::tower::server())
    }
}

/// What a customer wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Number of the order.
    pub id: u32,
    /// Who orders.
    pub user: String,
    /// What is ordered.
    pub items: Vec<String>,
    /// Number of the card.
    pub card: String,
}

/// What is to be charged.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Charge {
    card: String,
    cents: u32,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error("card declined")]
    Declined(#[source] BankError),
    #[error("{service}: {text}")]
    Answered {
        service: &'static str,
        status: StatusCode,
        text: String,
    },
    #[error("{service} cannot be reached")]
    Unreachable {
        service: &'static str,
        source: reqwest::Error,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("the bank answered code {code}: insufficient funds")]
struct BankError {
    code: u32,
}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        let status = match &self {
            ShopError::Declined(_) => StatusCode::PAYMENT_REQUIRED,
            ShopError::Answered { status, .. } => *status,
            ShopError::Unreachable { .. } => StatusCode::BAD_GATEWAY,
        };
        (status, self.to_string()).into_response()
    }
}
