//! Which rows of a block may have a part of a text, by its columns of texts.

use distlog_proto::wire::field::batch;
use distlog_proto::wire::scan::{DecodeError, Scan};

use super::block::{Block, Values};
use super::body::Body;
use super::heads::TEMPLATE;
use super::index;
use super::stream::{Reader, Unpack};
use super::texts::{Column, InPatterns};
use crate::text_part::TextPart;

impl Block {
    /// Keeps the rows in whose texts the part may stand.
    pub(super) fn keep_with(
        &mut self,
        part: &TextPart,
        rows: &mut [bool],
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<()> {
        if self.is_shared(part) {
            return Some(());
        }
        let mut having = vec![false; rows.len()];
        for column in 0..self.columns.len() {
            if let Some(values) = self.values_with(column, part, body, unpack)? {
                self.mark(column, &values, &mut having)?;
            }
        }
        for (row, having) in rows.iter_mut().zip(having) {
            *row &= having;
        }
        Some(())
    }

    /// Whether it stands in the template of a callsite: that is the text of many rows.
    fn is_shared(&self, part: &TextPart) -> bool {
        let mut shared = self.heads.iter().chain(self.between.iter());
        shared.any(|bytes| is_in_template(part, bytes).unwrap_or(true))
    }

    /// For each value of a column whether the part may stand in it; `Some(None)` if it stands in none.
    fn values_with(
        &mut self,
        column: usize,
        part: &TextPart,
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<Option<Vec<bool>>> {
        if !index::is_searched(self.shapes.columns.get(column)?) {
            return Some(None);
        }
        // What stands in the holes of patterns are numbers, hexadecimal ones included, as whole runs of letters and
        // digits. A run of letters that has one no number has is in no hole, and in none in part.
        if part.is_letters() && matches!(self.columns.get(column)?, Values::Unread) {
            let (bytes, count, most) = self.stored(column, body)?;
            let mut input = Reader::new(bytes);
            match Column::having_in_patterns(&mut input, (count, most), part, unpack)? {
                InPatterns::None => return Some(None),
                InPatterns::Values(values) => return Some(Some(values)),
                InPatterns::Unknown => {}
            }
        }
        self.load(column, body, unpack)?;
        Some(match self.columns.get(column)? {
            Values::Texts(texts) => texts.having(part),
            Values::Numbers(_) | Values::Unread => None,
        })
    }
}

/// Whether a part stands in the template of a callsite, in what batches share.
fn is_in_template(part: &TextPart, shared: &[u8]) -> Result<bool, DecodeError> {
    for item in Scan::new("RecordBatch", shared) {
        let item = item?;
        if item.number != batch::CALLSITES {
            continue;
        }
        for field in Scan::new("Callsite", item.bytes()?) {
            let field = field?;
            if field.number == TEMPLATE && part.is_in(field.bytes()?) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
