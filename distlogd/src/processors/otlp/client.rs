//! Sends one request and says what became of it, whichever way it travels.

use bytes::Bytes;

use super::answer::{Accepted, Failure};
use super::config::{Config, Protocol};
use super::fault::OpenError;
use super::grpc::Grpc;
use super::http::Http;
use crate::rpc::Signal;

/// The way to the receiver.
#[derive(Debug)]
pub(super) enum Client {
    Grpc(Grpc),
    Http(Box<Http>),
}

impl Client {
    /// Must be called where a runtime of tokio is entered. Connects at the first request.
    pub fn new(config: &Config) -> Result<Client, OpenError> {
        match config.protocol {
            Protocol::Grpc => Grpc::new(config).map(Client::Grpc),
            Protocol::HttpProtobuf => {
                Http::new(config).map(|client| Client::Http(Box::new(client)))
            }
        }
    }

    /// Sends a request.
    pub async fn send(&self, signal: Signal, request: Bytes) -> Result<Accepted, Failure> {
        match self {
            Client::Grpc(client) => client.send(signal, request).await,
            Client::Http(client) => client.send(signal, request).await,
        }
    }
}
