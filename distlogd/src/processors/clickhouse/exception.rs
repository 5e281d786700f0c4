//! What errors of ClickHouse mean.

use http::header::HeaderMap;

use crate::processors::http_client::{Answer, Body, Failure, one_line, retry_after};

/// ClickHouse's number of an error (`src/Common/ErrorCodes.cpp`).
const CODE: &str = "x-clickhouse-exception-code";

/// Why a query failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    /// Tables or columns are not there.
    Schema(String),
    Other(Failure),
}

/// The code in the answer's headers.
fn code(headers: &HeaderMap) -> Option<u32> {
    headers.get(CODE)?.to_str().ok()?.parse().ok()
}

/// Whether a query of so many bytes went well: its answer.
///
/// # Errors
/// If it did not.
pub(crate) fn read(answer: Answer, bytes: usize) -> Result<Vec<u8>, Exception> {
    let code = code(&answer.headers);
    let other = |failure| Err(Exception::Other(failure));
    if answer.status.is_success() && code.is_none() {
        return match answer.body {
            Body::Whole(answer) => Ok(answer.to_vec()),
            Body::TooLong => other(Failure::needs_a_person(
                "the answer is none of ClickHouse; is `url` right?",
            )),
            Body::Broken(reason) => other(Failure::retry(format_args!(
                "the connection broke in the middle of an answer: {reason}"
            ))),
        };
    }
    let text = one_line(&String::from_utf8_lossy(answer.body.bytes()));
    let mut reason = format!("ClickHouse answers {}", answer.status);
    if !text.is_empty() {
        reason = format!("{reason}: {text}");
    }
    let advice = |advice: &str| other(Failure::needs_a_person(format_args!("{reason}; {advice}")));
    match (code, answer.status.as_u16()) {
        // No such column, table, database.
        (Some(16 | 60 | 81), _) => Err(Exception::Schema(reason)),
        // Values that cannot be read.
        (Some(6 | 26 | 27 | 33 | 53 | 72 | 117), _) => other(Failure::Refused { reason }),
        (Some(192..=194 | 516), _) | (None, 401 | 407) => {
            advice("are `user` and `password` right?")
        }
        (Some(164 | 291 | 497), _) | (None, 403) => {
            advice("the user may not do this: GRANT it the right, or make the tables for it")
        }
        (None, 413) => other(Failure::TooLarge { reason, bytes }),
        (None, 300..=499) => advice("is `url` right?"),
        (_, _) => other(Failure::Retry {
            reason,
            after: retry_after(&answer.headers),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::http_client::NEEDS_A_PERSON;
    use http::StatusCode;

    fn meaning(status: u16, code: Option<u32>) -> Exception {
        let mut headers = HeaderMap::new();
        if let Some(code) = code {
            headers.insert(CODE, code.into());
        }
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Body::Whole("Code: 1. DB::Exception: no".into()),
        };
        read(answer, 7).unwrap_err()
    }

    #[test]
    fn errors_are_told_apart_by_their_code() {
        for code in [16, 60, 81] {
            assert!(matches!(meaning(404, Some(code)), Exception::Schema(_)));
        }
        assert!(matches!(
            meaning(400, Some(27)),
            Exception::Other(Failure::Refused { .. })
        ));
        // Memory, too many parts, a timeout, one that comes after 200.
        for (status, code) in [(500, 241), (500, 252), (500, 159), (200, 241)] {
            assert!(matches!(
                meaning(status, Some(code)),
                Exception::Other(Failure::Retry { after: None, .. })
            ));
        }
        for (status, code) in [(403, Some(516)), (403, Some(497)), (404, None), (301, None)] {
            assert!(matches!(
                meaning(status, code),
                Exception::Other(Failure::Retry {
                    after: Some(NEEDS_A_PERSON),
                    ..
                })
            ));
        }
    }
}
