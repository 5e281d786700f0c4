//! What an answer that is no success means.

use http::StatusCode;
use http::header::{HeaderMap, LOCATION};

use crate::processors::http_client::{Failure, one_line, retry_after};

/// What a status other than 2xx means for a request of so many bytes.
pub(in crate::processors) fn of_status(
    status: StatusCode,
    headers: &HeaderMap,
    answer: &[u8],
    bytes: usize,
) -> Failure {
    let reason = match one_line(&String::from_utf8_lossy(answer)) {
        text if text.is_empty() => format!("the receiver answers {status}"),
        text => format!("the receiver answers {status}: {text}"),
    };
    match status.as_u16() {
        400 | 422 => Failure::Refused { reason },
        413 => Failure::TooLarge { reason, bytes },
        501 | 505 => Failure::needs_a_person(reason + "; " + advice(status)),
        // 409: it still works on the same request (draft-ietf-httpapi-idempotency-key-header).
        408 | 409 | 423 | 425 | 429 | 500..=599 => Failure::Retry {
            reason,
            after: retry_after(headers),
        },
        300..=399 => {
            let to = headers.get(LOCATION).map(|to| to.as_bytes());
            let to = one_line(&String::from_utf8_lossy(to.unwrap_or(b"nowhere")));
            Failure::needs_a_person(format!(
                "{reason}; it redirects to {to}, which is not followed: put that into `url` if it is right"
            ))
        }
        _ => Failure::needs_a_person(reason + "; " + advice(status)),
    }
}

/// What a person can do. Records are not at fault, and dropping them helps nobody.
fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 407 => "`headers: { authorization: … }` is missing or wrong",
        403 => "what `headers` say who sends is may not do this: give it the right there",
        404 | 405 | 410 | 501 => "is `url` right? nothing there takes records by POST",
        415 => "it does not take such a body: are `format` and `compression` right?",
        _ => "are `url` and `format` right?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::http_client::NEEDS_A_PERSON;

    fn meaning(status: u16, headers: &HeaderMap) -> Failure {
        of_status(
            StatusCode::from_u16(status).unwrap(),
            headers,
            b"<b>no</b>\n",
            7,
        )
    }

    #[test]
    fn only_a_few_statuses_are_about_the_records() {
        let mut headers = HeaderMap::new();
        let reason = "the receiver answers 400 Bad Request: <b>no</b>".to_owned();
        assert_eq!(meaning(400, &headers), Failure::Refused { reason });
        assert!(matches!(meaning(422, &headers), Failure::Refused { .. }));
        assert!(matches!(
            meaning(413, &headers),
            Failure::TooLarge { bytes: 7, .. }
        ));
        headers.insert("retry-after", "3".parse().unwrap());
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 599] {
            assert!(
                matches!(meaning(status, &headers), Failure::Retry { after: Some(after), .. } if after.as_secs() == 3),
                "{status}"
            );
        }
    }

    #[test]
    fn a_person_is_told_what_to_do() {
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://elsewhere/".parse().unwrap());
        for (status, words) in [
            (401, "authorization"),
            (403, "the right"),
            (404, "`url`"),
            (405, "`url`"),
            (501, "`url`"),
            (415, "`compression`"),
            (418, "`format`"),
            (301, "https://elsewhere/"),
            (307, "not followed"),
        ] {
            match meaning(status, &headers) {
                Failure::Retry { reason, after } => {
                    assert_eq!(after, Some(NEEDS_A_PERSON), "{status}");
                    assert!(reason.contains(words), "{reason}");
                }
                other => panic!("{status}: {other:?}"),
            }
        }
    }
}
