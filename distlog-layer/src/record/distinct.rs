//! Encoded fields in which each name stands once: the last value counts.

use distlog_proto::wire::field::{record, task};
use distlog_proto::wire::scan::{Payload, Scan};
use tracing_core::field::FieldSet;

/// One `Field` of a sequence.
#[derive(Clone, Copy)]
struct Entry<'a> {
    /// With its tag and length.
    whole: &'a [u8],
    /// Its number in the surrounding message.
    number: u32,
    key: Key<'a>,
}

/// How a `Field` is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key<'a> {
    Name(&'a [u8]),
    /// The place of its name in the callsite, counted from 1.
    Index(usize),
    /// It is none.
    None,
}

impl<'a> Entry<'a> {
    /// What it is called. `names`: those of its callsite.
    fn name(&self, names: &FieldSet) -> Option<&'a [u8]> {
        match self.key {
            Key::Index(index) => {
                let field = names.iter().nth(index.saturating_sub(1))?;
                Some(field.name().as_bytes())
            }
            Key::Name(name) => Some(name),
            Key::None => (self.number == record::MESSAGE).then_some(b"message"),
        }
    }
}

/// Appends fields to others, of which those with the same names go. Those that would make it longer than `limit` bytes
/// are left out.
pub(crate) fn set(all: &mut Vec<u8>, new: &[u8], limit: usize) {
    for entry in entries(new) {
        let at = entries(all).find_map(|known| {
            let start = known.whole.as_ptr() as usize - all.as_ptr() as usize;
            (known.key == entry.key).then_some(start..start + known.whole.len())
        });
        if let Some(at) = at {
            all.drain(at);
        }
        if all.len() + entry.whole.len() <= limit {
            all.extend_from_slice(entry.whole);
        }
    }
}

/// Removes the fields of `out`, from `from` on, that a later one has the name of; of several messages it keeps the
/// last. For callsites that say a name twice, which few do.
pub(crate) fn keep_last(out: &mut Vec<u8>, from: usize, names: &FieldSet) {
    let tail = out.split_off(from);
    let all: Vec<_> = entries(&tail)
        .map(|entry| (entry.name(names), entry.number, entry.whole))
        .collect();
    for (at, (name, number, whole)) in all.iter().enumerate() {
        let repeated = all[at + 1..]
            .iter()
            .any(|(later, later_number, _)| later == name && later_number == number);
        if name.is_none() || !repeated {
            out.extend_from_slice(whole);
        }
    }
}

/// The fields of a message, whole.
fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut scan = Scan::new("Record", bytes);
    std::iter::from_fn(move || {
        let before = scan.rest;
        let field = scan.next()?.ok()?;
        let key = match field.payload {
            Payload::Bytes(bytes) if matches!(field.number, record::FIELDS | task::CONTEXT) => {
                key(bytes)
            }
            _ => Key::None,
        };
        Some(Entry {
            whole: &before[..before.len() - scan.rest.len()],
            number: field.number,
            key,
        })
    })
}

fn key(field: &[u8]) -> Key<'_> {
    match Scan::new("Field", field).next() {
        Some(Ok(first)) => match (first.number, first.payload) {
            (1, Payload::Varint(index)) => Key::Index(index as usize),
            (2, Payload::Bytes(name)) => Key::Name(name),
            _ => Key::None,
        },
        _ => Key::None,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use distlog_proto::wire::encode::{self, Scalar};
    use proptest::prelude::*;

    use super::*;

    fn field(out: &mut Vec<u8>, name: &str, value: i64) {
        encode::scalar(
            out,
            task::CONTEXT,
            encode::Key::Name(name),
            Scalar::I64(value),
        );
    }

    proptest! {
        /// Against a list of pairs.
        #[test]
        fn each_name_has_its_last_value(sets in prop::collection::vec((0..5u8, any::<i64>()), 0..40)) {
            let (mut all, mut known) = (Vec::new(), Vec::<(String, i64)>::new());
            for (name, value) in sets {
                let name = "n".repeat(name.into());
                let mut new = Vec::new();
                field(&mut new, &name, value);
                set(&mut all, &new, usize::MAX);
                known.retain(|(known, _)| *known != name);
                known.push((name, value));
            }
            let mut expected = Vec::new();
            known.iter().for_each(|(name, value)| field(&mut expected, name, *value));
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn what_does_not_fit_leaves_no_old_value_behind() {
        let (mut all, mut new) = (Vec::new(), Vec::new());
        field(&mut all, "a", 1);
        field(&mut new, "a", i64::MAX);
        let limit = all.len();
        set(&mut all, &new, limit);
        assert!(all.is_empty());
    }
}
