//! Counts the records of a block by the text of a field, from that column alone.

use distlog_proto::Severity;
use distlog_proto::wire::field::record;

use super::block::Block;
use super::body::Body;
use super::canonical::BYTES;
use super::rows::Places;
use super::shape::{Message, NO_NAME, Step};
use super::stream::Unpack;
use super::texts::Column;

/// Of a `Field`: a value that is a text, with its wire type.
const STRING: u32 = 7 << 3 | BYTES;

/// Shows how many of the records that are at least so severe have which text in a field, and how many have no such
/// field. `Some(false)` where the columns do not tell, and nothing was shown; `None` if the block is damaged.
pub(in super::super) fn count_texts(
    body: &mut dyn Body,
    raw: usize,
    (least, field): (Severity, &str),
    unpack: &mut Unpack,
    see: &mut dyn FnMut(Option<&str>, u64),
) -> Option<bool> {
    let mut block = Block::read(body, raw, unpack)?;
    let Some(places) = block.places_of(field) else {
        return Some(false);
    };
    let Some(rows) = block.exactly_severe(least, body, unpack)? else {
        return Some(false);
    };
    if let Some(column) = places.column {
        block.load_some(column, Some(&rows), body, unpack)?;
    }
    let Some(counts) = block.count(&places, &rows)? else {
        return Some(false);
    };
    for (text, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        see(text, count);
    }
    Some(true)
}

/// How many fields of a record, and of its task, have a name. `None` where that is not clear, one has not one value, or
/// the record is deleted.
fn fields_named(steps: &[(Step, u32)], name: Option<u32>) -> Option<usize> {
    let (mut fields, mut is_one, mut values) = (0, false, 0);
    for (step, _) in steps {
        match step {
            Step::Open(_) => (is_one, values) = (false, 0),
            // Its callsite does not have its name.
            Step::Key(_, NO_NAME) => return None,
            Step::Key(_, one) | Step::Name(one) if Some(*one) == name => {
                fields += 1;
                is_one = true;
            }
            Step::Close if is_one && values != 1 => return None,
            Step::Close => is_one = false,
            Step::Value(tag) if tag >> 3 == record::REMOVED => return None,
            Step::Value(_) => values += 1,
            _ => {}
        }
    }
    Some(fields)
}

/// Texts, and how often each is there.
type Counts<'b> = Vec<(Option<&'b str>, u64)>;

impl Block {
    /// Where the texts of a field are, if it is clear that no other value is the field's.
    fn places_of(&self, field: &str) -> Option<Places> {
        let names = &self.shapes.names;
        // `a` in front of `a.b` may be a map with an entry `b`.
        let is_before = |name: &Vec<u8>| {
            let rest = field.as_bytes().strip_prefix(name.as_slice());
            rest.is_some_and(|rest| rest.first() == Some(&b'.'))
        };
        if self.raw.len() > 0 || field.is_empty() || names.iter().any(is_before) {
            return None;
        }
        let name = names.iter().position(|name| *name == field.as_bytes());
        let name = name.and_then(|name| u32::try_from(name).ok());
        let places = match name {
            Some(name) => Places::of(self, Message::Field, STRING, name),
            None => Places::none(self),
        };
        let mut shapes = self.shapes.shapes.iter().zip(&places.of_shape);
        let is_clear = shapes
            .all(|(steps, values)| *values <= 1 && fields_named(steps, name) == Some(*values));
        is_clear.then_some(places)
    }

    /// Counts the texts in these rows; `Some(None)` if one is no UTF-8.
    fn count(&self, places: &Places, rows: &[bool]) -> Option<Option<Counts<'_>>> {
        let texts = places.texts(self);
        let (mut missing, mut next) = (0, 0);
        // Of a dictionary how often each text is there; else each text that is.
        let mut counts = match texts {
            Some(Column::Dictionary(texts, _)) => vec![0; texts.len()],
            Some(Column::Plain(_)) | None => Vec::new(),
        };
        let mut each = Vec::new();
        for (row, wanted) in self.rows.iter().zip(rows) {
            let Some(shape) = row.checked_sub(1) else {
                continue;
            };
            let has_one = *places.of_shape.get(usize::try_from(shape).ok()?)? == 1;
            match texts {
                _ if !*wanted => {}
                Some(Column::Dictionary(_, values)) if has_one => {
                    *counts.get_mut(usize::try_from(*values.get(next)?).ok()?)? += 1;
                }
                Some(Column::Plain(texts)) if has_one => each.push((texts.get(next)?, 1)),
                _ => missing += 1,
            }
            next += usize::from(has_one);
        }
        if let Some(Column::Dictionary(texts, _)) = texts {
            each.extend(texts.iter().zip(counts));
        }
        let texts = each.into_iter().map(|(text, count)| {
            let text = std::str::from_utf8(text).ok()?;
            Some((Some(text), count))
        });
        Some(texts.chain([Some((None, missing))]).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use distlog_proto::wire::without_records;
    use distlog_proto::{BatchRef, Record, RecordRef, Value};
    use proptest::prelude::*;

    use super::super::tests::{batch, frames, record, unpack};
    use super::super::{Pack, encode};
    use super::*;
    use crate::format::{BatchesOf, FramesIn};

    /// How many records that are so severe have which value in a field.
    fn plain(raw: &[u8], least: Severity, field: &str) -> Vec<(Option<Value>, u64)> {
        let mut counts: Vec<(Option<Value>, u64)> = Vec::new();
        for (frame, range) in FramesIn::new(raw) {
            for (_, _, body) in BatchesOf::new(&frame, &raw[range.clone()]) {
                let bytes = &raw[range.clone()][body];
                let batch = BatchRef::parse(bytes).unwrap();
                // Of what is deleted there are marks.
                for record in batch.records().flatten() {
                    if record.severity < least {
                        continue;
                    }
                    let value = record.to_record().fields.get(field).cloned();
                    match counts.iter_mut().find(|(known, _)| *known == value) {
                        Some((_, count)) => *count += 1,
                        None => counts.push((value, 1)),
                    }
                }
            }
        }
        counts
    }

    /// The same by columns, where they tell.
    fn counted(raw: &[u8], least: Severity, field: &str) -> Option<BTreeMap<Option<String>, u64>> {
        let body = encode(raw, &mut Pack::default()).unwrap().unwrap().body;
        let mut counts = BTreeMap::new();
        let see = &mut |text: Option<&str>, count| {
            *counts.entry(text.map(str::to_owned)).or_default() += count;
        };
        let wanted = (least, field);
        count_texts(&mut &*body, raw.len(), wanted, &mut unpack(), see)
            .unwrap()
            .then_some(counts)
    }

    fn check(raw: &[u8], least: Severity, field: &str) -> bool {
        let Some(counts) = counted(raw, least, field) else {
            return false;
        };
        let plain = plain(raw, least, field).into_iter().map(|(value, count)| {
            let text = value.map(|value| match value {
                Value::Str(text) => text.to_string(),
                other => panic!("{other:?} is no text"),
            });
            (text, count)
        });
        assert_eq!(counts, plain.collect());
        true
    }

    proptest! {
        #[test]
        fn what_columns_tell_is_what_is_in_the_records(
            records in proptest::collection::vec(record(), 1..12),
            least in prop_oneof![Just(0u32), 1u32..24],
            field in "[a-e]",
        ) {
            let raw = frames(&[vec![batch(&records)]]);
            check(&raw, Severity::new(least), &field);
        }

        #[test]
        fn texts_are_counted(
            rows in proptest::collection::vec((1u32..24, proptest::option::of(0u32..40)), 1..300),
            least in 0u32..24,
        ) {
            let records: Vec<Record> = rows.into_iter().map(|(severity, route)| {
                let mut record = Record { severity: Severity::new(severity), ..Record::default() };
                record.fields.insert("status", u64::from(severity));
                if let Some(route) = route {
                    record.fields.insert("http.route", format!("/route/{route}"));
                }
                record
            }).collect();
            let raw = frames(&[vec![batch(&records)]]);
            let least = Severity::new(least);
            prop_assert!(check(&raw, least, "http.route"));
            prop_assert!(check(&raw, least, "missing"));
            // Its values are no texts.
            prop_assert_eq!(counted(&raw, least, "status"), None);
        }
    }

    #[test]
    fn what_is_deleted_does_not_count() {
        let records: Vec<Record> = (0..40u64)
            .map(|n| {
                let mut record = Record {
                    message: format!("order {n}"),
                    ..Record::default()
                };
                record.fields.insert("route", "/pay");
                record
            })
            .collect();
        let (bytes, count) = batch(&records);
        let goes = |record: &RecordRef<'_>| record.message.ends_with('7');
        let (left, gone) = without_records(&bytes, goes).unwrap();
        assert_eq!(gone, 4);
        let raw = frames(&[vec![(left, count)]]);
        assert_eq!(counted(&raw, Severity::UNSET, "route"), None);
        assert!(check(
            &frames(&[vec![(bytes, count)]]),
            Severity::UNSET,
            "route"
        ));
    }

    #[test]
    fn a_map_may_have_the_name_as_its_entry() {
        let mut record = Record::default();
        record.fields.insert("http", "no map");
        let raw = frames(&[vec![batch(&[record])]]);
        assert_eq!(counted(&raw, Severity::UNSET, "http.route"), None);
        assert!(check(&raw, Severity::UNSET, "http"));
    }
}
