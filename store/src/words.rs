//! The words of a record's texts: what a search compares, and what an index of words holds.
//!
//! A word is a maximal run of letters, digits (Unicode's) and `_`. Words are compared without case: by the lowercase
//! of each character. (Not that of the whole text: a Greek sigma has two, by its place.)

use distlog_proto::wire::FieldsRef;
use distlog_proto::{RecordRef, ValueRef};
use xxhash_rust::xxh3::xxh3_64;

/// The words of a text, in order.
pub fn words(text: &str) -> Words<'_> {
    Words { rest: text }
}

/// Iterates over the words of a text. Made by [`words`].
#[derive(Debug, Clone)]
pub struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let start = find(self.rest, true)?;
        let rest = &self.rest[start..];
        let end = find(rest, false).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

/// Where the first character is that is part of a word, or is not.
fn find(text: &str, wanted: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii() {
            if (byte.is_ascii_alphanumeric() || byte == b'_') == wanted {
                return Some(at);
            }
            at += 1;
        } else {
            let c = text[at..].chars().next()?;
            if c.is_alphanumeric() == wanted {
                return Some(at);
            }
            at += c.len_utf8();
        }
    }
    None
}

/// A word as it is compared.
pub fn lowercase(word: &str) -> String {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// The hash of a word as it is compared. It stands in files: XXH3, 64 bits
/// (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>).
pub(super) fn hash(word: &str) -> u64 {
    let mut short = [0; 64];
    match short.get_mut(..word.len()) {
        Some(short) if word.is_ascii() => {
            short.copy_from_slice(word.as_bytes());
            short.make_ascii_lowercase();
            xxh3_64(short)
        }
        _ => xxh3_64(lowercase(word).as_bytes()),
    }
}

/// Whether a word is another one, which is in lowercase.
pub fn is_word(word: &str, lowercase: &str) -> bool {
    if word.is_ascii() {
        word.eq_ignore_ascii_case(lowercase)
    } else {
        word.chars()
            .flat_map(char::to_lowercase)
            .eq(lowercase.chars())
    }
}

/// Whether a word begins with another one, which is in lowercase.
pub fn begins_with(word: &str, lowercase: &str) -> bool {
    let mut word = word.chars().flat_map(char::to_lowercase);
    lowercase.chars().all(|c| word.next() == Some(c))
}

/// Shows the texts of a record that are searched, until `show` gives true; whether it did.
///
/// They are the message, the template, the names of task and event, the message of the status, the error with its
/// causes and traceback, and all strings and whole numbers in the fields and in the context of the task. (A number has
/// no sign here: `-` is part of no word.)
pub fn any_text(record: &RecordRef<'_>, show: &mut dyn FnMut(&str) -> bool) -> bool {
    let texts = [
        record.message,
        record.callsite.template,
        record.name,
        record.status_message,
    ];
    texts.into_iter().any(|text| shown(text, show))
        || any_in(record.fields, show)
        || record.task.is_some_and(|task| any_in(task.context, show))
        || record.error().is_some_and(|error| {
            [error.kind, error.message, error.traceback]
                .into_iter()
                .chain(error.chain())
                .any(|text| shown(text, show))
        })
        || record
            .otlp()
            .is_some_and(|otlp| shown(otlp.event_name, show))
}

fn shown(text: &str, show: &mut dyn FnMut(&str) -> bool) -> bool {
    !text.is_empty() && show(text)
}

fn any_in(fields: FieldsRef<'_>, show: &mut dyn FnMut(&str) -> bool) -> bool {
    fields.iter().any(|(_, value)| any_of(value, show))
}

fn any_of(value: ValueRef<'_>, show: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        ValueRef::Str(text) | ValueRef::Text(text) => shown(text, show),
        ValueRef::I64(number) => show(decimal(number.unsigned_abs(), &mut [0; 20])),
        ValueRef::U64(number) => show(decimal(number, &mut [0; 20])),
        ValueRef::List(list) => list.iter().any(|item| any_of(item, show)),
        ValueRef::Map(map) => any_in(map, show),
        ValueRef::Null | ValueRef::Bool(_) | ValueRef::F64(_) | ValueRef::Bytes(_) => false,
    }
}

/// A number in digits, without an allocation.
pub(super) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::BatchWriter;
    use distlog_proto::{BatchRef, ErrorInfo, Record, Task, TaskId, Value};

    use super::*;

    #[test]
    fn words_are_runs_of_letters_digits_and_underscores() {
        for (text, expected) in [
            ("", &[][..]),
            (" -- ", &[]),
            ("order 17 paid", &["order", "17", "paid"]),
            ("user_id=leo@a.b", &["user_id", "leo", "a", "b"]),
            ("Größe:5µs", &["Größe", "5µs"]),
            ("日本 log\n", &["日本", "log"]),
            ("…x…", &["x"]),
        ] {
            assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn case_does_not_count() {
        for (word, other) in [
            ("Order", "oRDER"),
            ("GRÖSSE", "größse"),
            ("ΣΑΣ", "σασ"),
            ("\u{212a}elvin", "kelvin"),
            ("İstanbul", "İSTANBUL"),
        ] {
            assert_eq!(
                is_word(word, &lowercase(other)),
                lowercase(word) == lowercase(other),
                "{word}"
            );
        }
        assert!(is_word("\u{212a}elvin", "kelvin"));
        assert!(!is_word("order", "orders"));
        assert!(begins_with("ORDERS", "ord") && begins_with("ord", "ord"));
        assert!(!begins_with("or", "ord"));
    }

    #[test]
    fn all_texts_of_a_record_are_shown() {
        let mut record = Record {
            message: "message".into(),
            name: "name".into(),
            status_message: "status".into(),
            error: Some(ErrorInfo {
                kind: "kind".into(),
                message: "reason".into(),
                chain: vec!["cause".into()],
                traceback: "traceback".into(),
            }),
            ..Record::default()
        };
        record.callsite.template = "template".into();
        let list = Value::List(vec![Value::from("item"), Value::I64(-17), Value::F64(0.5)]);
        record.fields = [("a", list), ("b", Value::U64(u64::MAX))]
            .into_iter()
            .collect();
        let mut task = Task::from(&TaskId::random());
        task.context = [("user", Value::from("leo"))].into_iter().collect();
        record.task = Some(task);
        let mut writer = BatchWriter::new();
        writer.push(&record);
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let record = batch.records().next().unwrap().unwrap();
        let mut texts = Vec::new();
        let all = any_text(&record, &mut |text| {
            texts.push(text.to_owned());
            false
        });
        assert!(!all);
        texts.sort_unstable();
        let expected = [
            "17",
            "18446744073709551615",
            "cause",
            "item",
            "kind",
            "leo",
            "message",
            "name",
            "reason",
            "status",
            "template",
            "traceback",
        ];
        assert_eq!(texts, expected);
        assert!(any_text(&record, &mut |text| text == "leo"));
    }
}
