//! The limits of the HTTP API: size of the head of a request and time for it; who is one too many is told so.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;

use super::problem::Problem;
use crate::listen::{Protocol, TooMany};

/// Longest path with query, in bytes: a condition of 16 KiB has three times as many where each byte is escaped.
const MAX_URI: usize = 60_000;
/// Names and values of all headers, in bytes.
const MAX_HEADERS: usize = 16 << 10;

/// How the API is spoken.
pub(super) const PROTOCOL: Protocol = Protocol::Http1 {
    head_timeout: Duration::from_secs(30),
    // Who sends a longer head is answered by `hyper`, without a word, and the connection is closed.
    max_head: Some(128 << 10),
    too_many,
};

/// Whether the head of a request is within the limits.
///
/// # Errors
/// If it is too long.
pub(super) fn check_head(request: &Request) -> Result<(), Problem> {
    let uri = request.uri();
    let query = uri.query().map_or(0, |query| query.len() + 1);
    let length = uri.path().len() + query;
    if length > MAX_URI {
        let why = format!("the path and its parameters have {length} bytes; at most {MAX_URI}");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, why));
    }
    let headers = request.headers().iter();
    let length: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if length > MAX_HEADERS {
        let why = format!("the headers have {length} bytes; at most {MAX_HEADERS}");
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            why,
        ));
    }
    Ok(())
}

fn too_many(too_many: TooMany) -> String {
    let (status, why) = match too_many {
        TooMany::InAll => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many connections are open: close some, or ask again later",
        ),
        TooMany::OfPeer => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many connections of your address are open: close some, or ask again later",
        ),
    };
    let body = Problem::new(status, why).to_json();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {}\r\nretry-after: {}\r\ncache-control: no-store\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        super::problem::PROBLEM,
        super::problem::RETRY_SECONDS,
        body.len(),
    )
}
