//! Whether a row may have words, by its texts as they stand in columns.

#[cfg(any(test, feature = "sqlite"))]
use crate::processors::database::Cell;
use crate::processors::database::Column;

/// The columns that have the texts which [`any_text`](distlog_store::any_text) shows.
pub(super) const COLUMNS: [Column; 7] = [
    Column::Message,
    Column::Template,
    Column::Name,
    Column::Error,
    Column::Fields,
    Column::Context,
    Column::Extra,
];
/// So much of a word is looked for, in bytes.
const MAX_PART: usize = 64;

/// The parts of words that stand in a column of a row which has the words, but for the case of ASCII letters. They have
/// letters, digits and `_` of ASCII alone: JSON escapes none of them.
pub(super) fn parts(words: &[String]) -> Vec<&str> {
    words.iter().filter_map(|word| part(word)).collect()
}

fn part(word: &str) -> Option<&str> {
    // `İ` is an `i` with a dot in lowercase.
    if word.contains('\u{307}') {
        return None;
    }
    // The Kelvin sign is a `k` in lowercase.
    let is_plain = |c: char| c != 'k' && c != 'K' && (c.is_ascii_alphanumeric() || c == '_');
    word.split(|c| !is_plain(c))
        .map(|part| &part[..part.len().min(MAX_PART)])
        .filter(|part| part.len() > 1)
        .max_by_key(|part| part.len())
}

/// Tests rows here, where the database is in this process.
#[cfg(any(test, feature = "sqlite"))]
pub(super) struct RowTest(Vec<distlog_store::TextPart>);

#[cfg(any(test, feature = "sqlite"))]
impl RowTest {
    pub(super) fn new(words: &[String]) -> RowTest {
        let parts = parts(words).into_iter();
        RowTest(parts.filter_map(distlog_store::TextPart::new).collect())
    }

    /// Whether a row may have all words.
    pub(super) fn may_pass(&self, cells: &[Cell<'_>]) -> bool {
        let is_in = |part: &distlog_store::TextPart| {
            COLUMNS
                .iter()
                .any(|column| match cells.get(*column as usize) {
                    Some(Cell::Text(text) | Cell::Json(text)) => part.is_in(text.as_bytes()),
                    _ => false,
                })
        };
        self.0.iter().all(is_in)
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::BatchRef;
    use distlog_store::{any_text, lowercase, words};
    use distlog_testkit::records::{batch, record};
    use proptest::prelude::*;

    use super::*;
    use crate::processors::database::{Row, Scratch};

    #[test]
    fn parts_are_what_every_database_finds() {
        for (word, expected) in [
            ("order", Some("order")),
            ("17", Some("17")),
            ("user_id", Some("user_id")),
            ("token", Some("en")),
            ("größe", Some("gr")),
            ("kk", None),
            ("i\u{307}stanbul", None),
            ("ä", None),
        ] {
            assert_eq!(part(word), expected, "{word}");
        }
    }

    proptest! {
        #[test]
        fn a_row_that_has_a_word_passes(record in record()) {
            let bytes = batch(&record);
            let batch = BatchRef::parse(&bytes).unwrap();
            let record = batch.records().next().unwrap().unwrap();
            let mut all = Vec::new();
            any_text(&record, &mut |text| {
                all.extend(words(text).map(lowercase));
                false
            });
            let mut scratch = Scratch::default();
            let row = Row::new(&record, &mut scratch);
            let cells: Vec<Cell<'_>> = row.cells().collect();
            for word in all {
                let test = RowTest::new(std::slice::from_ref(&word));
                prop_assert!(test.may_pass(&cells), "{}", word);
            }
        }
    }
}
