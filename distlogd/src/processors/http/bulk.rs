//! The answer of the bulk API of Elasticsearch and OpenSearch, item by item.
//!
//! `{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"…","reason":"…"}}}]}`
//!
//! What `errors` says is not relied on: each item says what became of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lines::MAX_RECORDS;
use crate::processors::http_client::{Failure, Rejected, one_line};

/// Parts of an answer that are asked for: some 30 bytes an item, where it would have 200.
pub(super) const FILTER: &str =
    "filter_path=errors,error,items.*.status,items.*.error.type,items.*.error.reason";

#[derive(Deserialize)]
struct BulkAnswer {
    items: Items,
}

struct Items(Vec<Item>);

/// What became of one record.
#[derive(Debug, Deserialize)]
struct Outcome {
    status: u16,
    #[serde(default)]
    error: Option<Reason>,
}

#[derive(Debug)]
struct Item(Outcome);

/// An error has a type and a reason; old versions have a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Reason {
    Object {
        #[serde(default)]
        r#type: Option<String>,
        #[serde(default)]
        reason: Option<String>,
    },
    Text(String),
    Other(IgnoredAny),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Object { r#type, reason } => {
                let parts: Vec<&str> = [r#type, reason]
                    .into_iter()
                    .filter_map(|part| part.as_deref())
                    .collect();
                f.write_str(&one_line(&parts.join(": ")))
            }
            Reason::Text(text) => f.write_str(&one_line(text)),
            Reason::Other(_) => f.write_str("it does not say why"),
        }
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Items, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == MAX_RECORDS {
                        return Err(A::Error::custom("more items than any request has"));
                    }
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        struct Action;
        impl<'de> Visitor<'de> for Action {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item like {\"create\":{\"status\":201}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
                let Some((_, outcome)) = map.next_entry::<IgnoredAny, Outcome>()? else {
                    return Err(A::Error::custom("an item is empty"));
                };
                match map.next_key::<IgnoredAny>()? {
                    None => Ok(Item(outcome)),
                    Some(_) => Err(A::Error::custom("an item says two things")),
                }
            }
        }
        deserializer.deserialize_map(Action)
    }
}

/// Which of the records with these numbers will never be taken. All others are durable, those that were there before
/// among them (409).
///
/// # Errors
/// If one is to be presented again, or the answer does not say what became of each.
pub(super) fn read(answer: &[u8], numbers: &[u64]) -> Result<Rejected, Failure> {
    let answer: BulkAnswer = serde_json::from_slice(answer).map_err(|error| {
        Failure::needs_a_person(format!(
            "the answer is none of a bulk API ({error}); are `url` and `format` right?"
        ))
    })?;
    let items = answer.items.0;
    if items.len() != numbers.len() {
        let (said, sent) = (items.len(), numbers.len());
        return Err(Failure::retry(format!(
            "the answer has {said} items for {sent} records"
        )));
    }
    let mut rejected = Rejected::default();
    let mut failure = None;
    for (Item(Outcome { status, error }), number) in items.into_iter().zip(numbers) {
        let reason = || match &error {
            Some(error) => format!("an item is answered {status}: {error}"),
            None => format!("an item is answered {status}"),
        };
        match status {
            200..=299 | 409 => {}
            // Of the index, and not of the record: it is missing, blocked, or not ours to write.
            401 | 403 | 404 => {
                failure.get_or_insert_with(|| {
                    let advice = "is `index` right, and may it be written to?";
                    Failure::needs_a_person(format!("{}; {advice}", reason()))
                });
            }
            400 | 402 | 405..=407 | 410..=428 | 430..=499 => {
                if rejected.numbers.is_empty() {
                    rejected.reason = reason();
                }
                rejected.numbers.push(*number);
            }
            _ => {
                failure.get_or_insert_with(|| Failure::retry(reason()));
            }
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(answer: &str, count: u64) -> Result<Vec<u64>, Failure> {
        let sent: Vec<u64> = (10..10 + count).collect();
        read(answer.as_bytes(), &sent).map(|rejected| rejected.numbers)
    }

    fn reason(answer: &str, count: u64) -> String {
        match numbers(answer, count) {
            Err(Failure::Retry { reason, .. }) => reason,
            other => panic!("{answer}: {other:?}"),
        }
    }

    #[test]
    fn each_item_says_what_became_of_it() {
        let answer = r#"{"took":3,"errors":false,"items":[
            {"create":{"_id":"a","status":201}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"document already exists"}}},
            {"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse\nfield"}}},
            {"index":{"status":200}}]}"#;
        let rejected = read(answer.as_bytes(), &[10, 11, 12, 13]).unwrap();
        assert_eq!(rejected.numbers, [12]);
        assert_eq!(
            rejected.reason,
            "an item is answered 400: mapper_parsing_exception: failed to parse field"
        );
    }

    #[test]
    fn items_that_may_be_taken_later_come_again() {
        for status in [429, 500, 503, 600, 100] {
            let answer = format!(
                r#"{{"items":[{{"create":{{"status":400}}}},{{"create":{{"status":{status},"error":"busy"}}}}]}}"#
            );
            let reason = reason(&answer, 2);
            assert_eq!(reason, format!("an item is answered {status}: busy"));
        }
        for status in [401, 403, 404] {
            let answer = format!(r#"{{"items":[{{"create":{{"status":{status},"error":[1]}}}}]}}"#);
            assert!(reason(&answer, 1).contains("is `index` right"));
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_is_an_error() {
        assert!(reason(r#"{"items":[]}"#, 1).contains("0 items for 1 records"));
        assert!(reason(r#"{"items":[{"create":{"status":201}}]}"#, 2).contains("1 items for 2"));
        let many = format!(
            r#"{{"items":[{}{{}}]}}"#,
            r#"{"c":{"status":201}},"#.repeat(5000)
        );
        assert!(reason(&many, 1).contains("more items"));
        for bad in [
            "",
            "<html>",
            "{}",
            "[]",
            r#"{"items":{}}"#,
            r#"{"items":[{}]}"#,
            r#"{"items":[{"create":{}}]}"#,
            r#"{"items":[{"create":{"status":"201"}}]}"#,
            r#"{"items":[{"create":{"status":201},"index":{"status":400}}]}"#,
            r#"{"items":[{"create":{"status":201}}],"items":[{"create":{"status":201}}]}"#,
            r#"{"items":[{"create":{"status":201}}]"#,
        ] {
            assert!(reason(bad, 1).contains("none of a bulk API"), "{bad}");
        }
    }
}
