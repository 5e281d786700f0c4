//! Requests by gRPC.

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::answer::{Accepted, Failure};
use super::config::Config;
use super::fault::OpenError;
use crate::processors::causes::{root_cause, with_causes};
use crate::processors::http_client::{Compression, NEEDS_A_PERSON, tonic_config};
use crate::rpc::{BytesCodec, Signal, status};

/// A channel to the receiver; it connects, and connects again, as need be.
#[derive(Debug)]
pub(super) struct Grpc {
    channel: Channel,
    compression: Option<CompressionEncoding>,
    metadata: MetadataMap,
    timeout: std::time::Duration,
}

impl Grpc {
    pub fn new(config: &Config) -> Result<Grpc, OpenError> {
        let bad = |reason: String| OpenError::Endpoint {
            endpoint: config.endpoint.to_string(),
            reason,
        };
        let mut endpoint = Endpoint::from(config.endpoint.with("", None).map_err(bad)?);
        if config.endpoint.is_https() {
            endpoint = endpoint
                .tls_config(tonic_config(&config.tls)?)
                .map_err(|error| bad(with_causes(&error)))?;
        }
        let endpoint = endpoint.connect_timeout(config.timeout).tcp_nodelay(true);
        Ok(Grpc {
            channel: endpoint.connect_lazy(),
            compression: match config.compression {
                Compression::None => None,
                Compression::Gzip => Some(CompressionEncoding::Gzip),
                Compression::Zstd => Some(CompressionEncoding::Zstd),
            },
            metadata: MetadataMap::from_headers(config.headers.clone()),
            timeout: config.timeout,
        })
    }

    pub async fn send(&self, signal: Signal, body: Bytes) -> Result<Accepted, Failure> {
        match tokio::time::timeout(self.timeout, self.call(signal, body)).await {
            Ok(Ok(response)) => Ok(Accepted::decode(&response)),
            Ok(Err(status)) => Err(failure(signal, &status)),
            Err(_) => Err(Failure::Retry {
                reason: format!("no answer within {:?}", self.timeout),
                after: None,
            }),
        }
    }

    async fn call(&self, signal: Signal, body: Bytes) -> Result<Bytes, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd);
        if let Some(encoding) = self.compression {
            client = client.send_compressed(encoding);
        }
        client
            .ready()
            .await
            .map_err(|error| Status::from_error(Box::new(error)))?;
        let path = PathAndQuery::from_static(signal.method());
        let request = Request::from_parts(self.metadata.clone(), Default::default(), body);
        client
            .unary(request, path, BytesCodec)
            .await
            .map(tonic::Response::into_inner)
    }
}

/// What a status means, by the table in the specification of OTLP/gRPC.
fn failure(signal: Signal, answer: &Status) -> Failure {
    let delay = status::retry_delay(answer.details());
    let broken =
        std::error::Error::source(answer).filter(|source| source.is::<tonic::transport::Error>());
    if let Some(broken) = broken {
        return Failure::Retry {
            reason: format!("no connection: {}", root_cause(broken)),
            after: delay,
        };
    }
    let mut reason = format!("the receiver answers {:?}", answer.code());
    for text in [
        answer.message().to_owned(),
        std::error::Error::source(answer)
            .map(with_causes)
            .unwrap_or_default(),
    ] {
        if !text.is_empty() && !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
    }
    match answer.code() {
        // A server made with tonic says so of a request that is larger than it likes: no later attempt is smaller.
        Code::OutOfRange if answer.message().contains("message length too large") => {
            Failure::Refused { reason }
        }
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Failure::Retry {
            reason,
            after: delay,
        },
        Code::ResourceExhausted if delay.is_some() => Failure::Retry {
            reason,
            after: delay,
        },
        // What the connection says when it breaks, and not the receiver.
        Code::Unknown if std::error::Error::source(answer).is_some() => Failure::Retry {
            reason,
            after: None,
        },
        Code::Unimplemented => Failure::Unimplemented { signal, reason },
        // These do not speak of the records: dropping them helps nobody.
        Code::Unauthenticated | Code::PermissionDenied | Code::NotFound => Failure::Retry {
            reason,
            after: Some(NEEDS_A_PERSON),
        },
        _ => Failure::Refused { reason },
    }
}
