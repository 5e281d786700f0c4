//! Posts one request and gives the answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::config::{Compression, Tls};
use super::tls::{self, TlsError};
use crate::processors::causes::root_cause;

/// Connections to one receiver, kept open between requests. Redirects are answers like others.
#[derive(Debug)]
pub(crate) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    compression: Compression,
    timeout: Duration,
}

/// What a receiver answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// The body of an answer.
#[derive(Debug, PartialEq, Eq)]
// To the processor `otlp`, the status says it all.
#[cfg_attr(
    not(any(feature = "clickhouse", feature = "http-export")),
    allow(dead_code)
)]
pub(crate) enum Body {
    Whole(Bytes),
    /// It is longer than what is read of it.
    TooLong,
    /// The connection broke before its end.
    Broken(String),
}

impl Body {
    /// What is there of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Body::Whole(bytes) => bytes,
            Body::TooLong | Body::Broken(_) => &[],
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("no connection: {0}")]
    Connection(String),
    #[error("compressing fails: {0}")]
    Compression(#[from] std::io::Error),
}

impl HttpClient {
    /// `by_tls`: whether requests go to `https` addresses. Without it no certificates are needed, and a machine that
    /// has none is no hindrance. `headers` are those of every request.
    ///
    /// # Errors
    /// If certificates cannot be used.
    pub(crate) fn new(
        by_tls: bool,
        tls: &Tls,
        mut headers: HeaderMap,
        compression: Compression,
        timeout: Duration,
    ) -> Result<HttpClient, TlsError> {
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!(
                "distlogd/",
                env!("CARGO_PKG_VERSION")
            )));
        if let Some(encoding) = compression.encoding() {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        let tls = match by_tls {
            true => tls::rustls_config(tls)?,
            false => tls::no_roots()?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(HttpClient {
            client,
            headers,
            compression,
            timeout,
        })
    }

    /// Posts a body, with `more` headers, and reads up to `max_answer` bytes of the answer's body.
    pub(crate) async fn post(
        &self,
        uri: &Uri,
        more: Option<(http::HeaderName, HeaderValue)>,
        body: Bytes,
        max_answer: usize,
    ) -> Result<Answer, RequestError> {
        let body = self.compression.compress(body)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(more);
        tokio::time::timeout(self.timeout, self.send(request, max_answer))
            .await
            .unwrap_or(Err(RequestError::Timeout(self.timeout)))
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        max_answer: usize,
    ) -> Result<Answer, RequestError> {
        let response = self.client.request(request).await;
        let response = response.map_err(|error| RequestError::Connection(root_cause(&error)))?;
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, max_answer).collect().await {
            Ok(body) => Body::Whole(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Body::TooLong,
            Err(error) => Body::Broken(root_cause(&*error)),
        };
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}
