//! Why a request is not answered, as RFC 9457 writes it.

use std::fmt::Display;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::escape::{lines, one_line, put_cut};
use crate::listen::Refused;
use crate::query::QueryError;
use crate::storage::StorageError;

/// The media type of a problem.
pub(super) const PROBLEM: &str = "application/problem+json";
/// Who was refused because others are served asks again after so many seconds.
pub(super) const RETRY_SECONDS: u64 = 2;
/// Longest quote of a request, in bytes.
const MAX_QUOTE: usize = 200;

/// Longest text of what was found, in bytes.
const MAX_FOUND: usize = 500;

/// Why a request is not answered.
#[derive(Debug)]
pub struct Problem(Box<Fields>);

/// A problem as RFC 9457 has it. `parameter`, `found` and `expected` are there where a parameter is wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Fields {
    /// `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// What the status means.
    title: &'static str,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong and what to do, in a sentence for people.
    detail: String,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    parameter: Option<String>,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    found: Option<String>,
    /// What it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    expected: Option<String>,
}

impl Problem {
    /// A status, and a sentence for people.
    pub(super) fn new(status: StatusCode, detail: impl Display) -> Problem {
        Problem(Box::new(Fields {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            // It may quote the request, and people see it.
            detail: lines(&detail.to_string()),
            parameter: None,
            found: None,
            expected: None,
        }))
    }

    pub(super) fn bad_request(detail: impl Display) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A parameter is wrong.
    pub(super) fn parameter(
        name: &str,
        found: impl Display,
        expected: impl Into<String>,
    ) -> Problem {
        let mut quote = String::new();
        put_cut(&mut quote, MAX_FOUND, found);
        let (found, expected) = (quote, expected.into());
        let detail = format!("`{name}` is wrong: found {found}, expected {expected}");
        Problem::bad_request(detail).about(name, Some(found), Some(expected))
    }

    /// Nothing of what was asked for is stored.
    pub(super) fn not_found(detail: impl Display) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// Others are served now.
    pub(super) fn busy(detail: impl Display) -> Problem {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
    }

    /// A fault of the daemon, or of its disk.
    pub(super) fn failed(error: impl Display) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }

    /// Adds which parameter is wrong.
    pub(super) fn about(
        mut self,
        parameter: &str,
        found: Option<String>,
        expected: Option<String>,
    ) -> Problem {
        self.0.parameter = Some(lines(parameter));
        self.0.found = found.map(|found| lines(&found));
        self.0.expected = expected;
        self
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn to_json(&self) -> String {
        // Texts and numbers can always be written.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The sentence for people.
    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }
}

/// Whether who was refused so may ask again: it is said when.
pub(super) fn comes_again(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// A text of a request as it is quoted: cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    let mut quote = "`".to_owned();
    put_cut(&mut quote, MAX_QUOTE, one_line(text));
    quote.push('`');
    quote
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Problem {
        let status = match error {
            QueryError::Parameter {
                parameter,
                found,
                expected,
            } => return Problem::parameter(parameter, found, expected),
            QueryError::Request(_) => StatusCode::BAD_REQUEST,
            QueryError::Slow => StatusCode::UNPROCESSABLE_ENTITY,
            QueryError::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            QueryError::Thread(_) => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::Storage(error) => return error.into(),
            QueryError::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error)
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Problem {
        match error {
            StorageError::Store(_) => Problem::failed(error),
            StorageError::Database(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error),
        }
    }
}

impl From<Refused> for Problem {
    fn from(Refused(status, why): Refused) -> Problem {
        Problem::new(status, why)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if comes_again(status) {
            headers.insert(RETRY_AFTER, RETRY_SECONDS.into());
        }
        response
    }
}
