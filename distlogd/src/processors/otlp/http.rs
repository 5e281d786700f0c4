//! Requests as protobuf over HTTP.

use std::io::Write;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::answer::{Accepted, Failure, NEEDS_A_PERSON};
use super::config::{Compression, Config, uri};
use super::fault::{OpenError, root_cause};
use super::tls;
use crate::rpc::{Signal, status};

/// More than this of an answer is not read.
const MAX_ANSWER: usize = 64 << 10;
/// More than this of an answer is not repeated.
const MAX_REASON: usize = 300;

/// Connections to the receiver, kept open between requests.
#[derive(Debug)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    traces: Uri,
    logs: Uri,
    headers: HeaderMap,
    compression: Compression,
    timeout: Duration,
}

impl Http {
    pub fn new(config: &Config) -> Result<Http, OpenError> {
        let uri = |path: &str| {
            uri(&config.endpoint, path).map_err(|reason| OpenError::Endpoint {
                endpoint: config.endpoint.clone(),
                reason,
            })
        };
        let (traces, logs) = (uri(Signal::Traces.path())?, uri(Signal::Logs.path())?);
        let mut headers = HeaderMap::new();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("distlogd/", env!("CARGO_PKG_VERSION"))),
        );
        headers.extend(config.headers.clone());
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        match config.compression {
            Compression::None => None,
            Compression::Gzip => headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
            Compression::Zstd => headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd")),
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.timeout));
        // Without `https` no certificates are needed, and a machine that has none is no hindrance.
        let tls = match traces.scheme_str() {
            Some("https") => tls::rustls_config(&config.tls)?,
            _ => tls::no_roots()?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Http {
            client,
            traces,
            logs,
            headers,
            compression: config.compression,
            timeout: config.timeout,
        })
    }

    pub async fn send(&self, signal: Signal, body: Bytes) -> Result<Accepted, Failure> {
        match tokio::time::timeout(self.timeout, self.post(signal, body)).await {
            Ok(result) => result,
            Err(_) => Err(retry(format!("no answer within {:?}", self.timeout))),
        }
    }

    async fn post(&self, signal: Signal, body: Bytes) -> Result<Accepted, Failure> {
        let body = compress(self.compression, body)
            .map_err(|error| retry(format!("compressing fails: {error}")))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = match signal {
            Signal::Traces => self.traces.clone(),
            Signal::Logs => self.logs.clone(),
        };
        *request.headers_mut() = self.headers.clone();
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| retry(format!("no connection: {}", root_cause(&error))))?;
        let (head, body) = response.into_parts();
        let answer = Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map(|body| body.to_bytes());
        if head.status.is_success() {
            return Ok(Accepted::decode(&answer.unwrap_or_default()));
        }
        Err(failure(
            signal,
            head.status,
            &head.headers,
            &answer.unwrap_or_default(),
        ))
    }
}

fn retry(reason: String) -> Failure {
    Failure::Retry {
        reason,
        after: None,
    }
}

/// What a status means, by the specification of OTLP/HTTP.
fn failure(signal: Signal, status: StatusCode, headers: &HeaderMap, answer: &[u8]) -> Failure {
    let reason = match explanation(headers, answer) {
        text if text.is_empty() => format!("the receiver answers {status}"),
        text => format!("the receiver answers {status}: {text}"),
    };
    match status.as_u16() {
        429 | 502 | 503 | 504 => Failure::Retry {
            reason,
            after: headers.get(RETRY_AFTER).and_then(retry_after),
        },
        404 | 405 | 501 => Failure::Unimplemented { signal, reason },
        // These do not speak of the records: dropping them helps nobody.
        401 | 403 | 407 | 300..=399 => Failure::Retry {
            reason,
            after: Some(NEEDS_A_PERSON),
        },
        _ => Failure::Refused { reason },
    }
}

/// What an answer says is wrong: a `google.rpc.Status` if it is protobuf, else text.
fn explanation(headers: &HeaderMap, answer: &[u8]) -> String {
    let is_protobuf = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().ends_with(b"protobuf"));
    let text = if is_protobuf {
        status::message(answer)
    } else {
        String::from_utf8_lossy(answer).into_owned()
    };
    let text = text.trim();
    text.chars()
        .take(MAX_REASON)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Seconds, or a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    let until = Duration::from_secs(u64::try_from(date.timestamp()).ok()?);
    Some(until.saturating_sub(now))
}

fn compress(compression: Compression, body: Bytes) -> std::io::Result<Bytes> {
    match compression {
        Compression::None => Ok(body),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(
                Vec::with_capacity(body.len() / 4),
                flate2::Compression::fast(),
            );
            encoder.write_all(&body)?;
            encoder.finish().map(Bytes::from)
        }
        Compression::Zstd => zstd::bulk::compress(&body, 1).map(Bytes::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text| retry_after(&HeaderValue::from_static(text));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(read("Wed, 06 Nov 2222 08:49:37 GMT") > Some(Duration::from_secs(1 << 30)));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-3"), None);
    }

    #[test]
    fn answers_are_told_apart() {
        let mut headers = HeaderMap::new();
        let meaning = |status: u16, headers: &HeaderMap| {
            failure(
                Signal::Logs,
                StatusCode::from_u16(status).unwrap(),
                headers,
                b"<b>no</b>\n",
            )
        };
        let reason = "the receiver answers 400 Bad Request: <b>no</b>".to_owned();
        assert_eq!(meaning(400, &headers), Failure::Refused { reason });
        assert!(matches!(meaning(413, &headers), Failure::Refused { .. }));
        assert!(matches!(meaning(500, &headers), Failure::Refused { .. }));
        for status in [404, 405, 501] {
            assert!(matches!(
                meaning(status, &headers),
                Failure::Unimplemented {
                    signal: Signal::Logs,
                    ..
                }
            ));
        }
        for status in [401, 403, 308] {
            assert!(matches!(
                meaning(status, &headers),
                Failure::Retry {
                    after: Some(NEEDS_A_PERSON),
                    ..
                }
            ));
        }
        headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
        for status in [429, 502, 503, 504] {
            assert!(
                matches!(meaning(status, &headers), Failure::Retry { after: Some(after), .. } if after.as_secs() == 3)
            );
        }
    }
}
