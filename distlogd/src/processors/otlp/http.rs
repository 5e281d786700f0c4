//! Requests as protobuf over HTTP.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{StatusCode, Uri};

use super::answer::{Accepted, Failure};
use super::config::Config;
use super::fault::OpenError;
use crate::processors::http_client::{HttpClient, NEEDS_A_PERSON, one_line, retry_after};
use crate::rpc::{Signal, status};

/// More than this of an answer is not read.
const MAX_ANSWER: usize = 64 << 10;
/// The way to the receiver.
#[derive(Debug)]
pub(super) struct Http {
    client: HttpClient,
    traces: Uri,
    logs: Uri,
}

impl Http {
    pub fn new(config: &Config) -> Result<Http, OpenError> {
        let uri = |path: &str| {
            config
                .endpoint
                .with(path, None)
                .map_err(|reason| OpenError::Endpoint {
                    endpoint: config.endpoint.to_string(),
                    reason,
                })
        };
        let (traces, logs) = (uri(Signal::Traces.path())?, uri(Signal::Logs.path())?);
        let mut headers = config.headers.clone();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let by_tls = config.endpoint.is_https();
        let (compression, timeout) = (config.compression, config.timeout);
        let client = HttpClient::new(by_tls, &config.tls, headers, compression, timeout)?;
        Ok(Http {
            client,
            traces,
            logs,
        })
    }

    pub async fn send(&self, signal: Signal, body: Bytes) -> Result<Accepted, Failure> {
        let uri = match signal {
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
        };
        let answer = self.client.post(uri, None, body, MAX_ANSWER).await;
        let answer = answer.map_err(|error| Failure::Retry {
            reason: error.to_string(),
            after: None,
        })?;
        let body = answer.body.bytes();
        if answer.status.is_success() {
            return Ok(Accepted::decode(body));
        }
        Err(failure(signal, answer.status, &answer.headers, body))
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
            after: retry_after(headers),
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
    one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        headers.insert("retry-after", HeaderValue::from_static("3"));
        for status in [429, 502, 503, 504] {
            assert!(
                matches!(meaning(status, &headers), Failure::Retry { after: Some(after), .. } if after.as_secs() == 3)
            );
        }
    }
}
