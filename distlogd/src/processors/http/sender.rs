//! Sends one request and says what became of its records.

use http::Uri;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::bulk;
use super::config::{Config, Format};
use super::failure::of_status;
use crate::processors::http_client::{
    Body, Destination, Failure, HttpClient, Rejected, Request, TlsError,
};

/// More than this of an answer is not read, and of the bulk API as much more for each item.
const MAX_ANSWER: usize = 64 << 10;
const MAX_ITEM: usize = 1 << 10;

/// `Idempotency-Key`, by draft-ietf-httpapi-idempotency-key-header.
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Why no client can be made of a configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("`{url}` is no address: {reason}")]
    Url { url: String, reason: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The way to the receiver.
#[derive(Debug)]
pub(super) struct Sender {
    client: HttpClient,
    uri: Uri,
    is_bulk: bool,
    destination: String,
}

impl Sender {
    /// Must be called where a runtime of tokio is entered. Connects at the first request.
    pub(super) fn new(config: &Config) -> Result<Sender, OpenError> {
        let is_bulk = matches!(config.format, Format::Elasticsearch(_));
        let uri = match is_bulk {
            true => config.url.with("/_bulk", Some(bulk::FILTER)),
            false => config.url.with("", None),
        };
        let destination = config.url.to_string();
        let uri = uri.map_err(|reason| OpenError::Url {
            url: destination.clone(),
            reason,
        })?;
        let mut headers = config.headers.clone();
        let kind = HeaderValue::from_static("application/x-ndjson");
        headers.entry(CONTENT_TYPE).or_insert(kind);
        let (compression, timeout) = (config.compression, config.timeout);
        let by_tls = config.url.is_https();
        let client = HttpClient::new(by_tls, &config.tls, headers, compression, timeout)?;
        Ok(Sender {
            client,
            uri,
            is_bulk,
            destination,
        })
    }
}

impl Destination for Sender {
    fn name(&self) -> &str {
        &self.destination
    }

    async fn send(&self, request: &Request) -> Result<Rejected, Failure> {
        let Request { body, numbers } = request;
        let (key, max_answer) = match self.is_bulk {
            true => (None, MAX_ANSWER + MAX_ITEM * numbers.len()),
            false => (Some((IDEMPOTENCY_KEY.clone(), key(request))), MAX_ANSWER),
        };
        let answer = self.client.post(&self.uri, key, body.clone(), max_answer);
        let answer = answer.await.map_err(Failure::retry)?;
        if !answer.status.is_success() {
            let (status, headers) = (answer.status, &answer.headers);
            return Err(of_status(status, headers, answer.body.bytes(), body.len()));
        }
        match answer.body {
            Body::Broken(reason) => Err(Failure::retry(format_args!(
                "the connection broke in the middle of an answer: {reason}"
            ))),
            Body::Whole(answer) if self.is_bulk => bulk::read(&answer, numbers),
            Body::TooLong if self.is_bulk => Err(Failure::needs_a_person(format_args!(
                "the answer to {} records has over {max_answer} bytes; is `url` right?",
                numbers.len()
            ))),
            // However long: the status says that they are taken.
            Body::Whole(_) | Body::TooLong => Ok(Rejected::default()),
        }
    }
}

/// The same lines have the same key, a string of structured fields (RFC 9651).
fn key(request: &Request) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", request.digest()))
        .unwrap_or(HeaderValue::from_static("\"\""))
}
