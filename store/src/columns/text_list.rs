//! Texts, or other bytes, one after the other.

use std::io;

use super::numbers;
use super::stream::{Reader, Unpack, Writer};
use crate::text_part::TextPart;

/// Values of any length, one after the other.
#[derive(Debug, Default, Clone)]
pub(super) struct Texts {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<u32>,
}

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
    }

    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = match at.checked_sub(1) {
            Some(before) => self.ends[before],
            None => 0,
        };
        self.bytes.get(start as usize..end as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map_while(|at| self.get(at))
    }

    pub(super) fn put(&self, out: &mut Writer) -> io::Result<()> {
        let mut before = 0;
        let lengths: Vec<u64> = self
            .ends
            .iter()
            .map(|end| u64::from(end - std::mem::replace(&mut before, *end)))
            .collect();
        numbers::put(&lengths, out)?;
        out.run(&self.bytes)
    }

    pub(super) fn take(
        input: &mut Reader<'_>,
        count: usize,
        most: usize,
        unpack: &mut Unpack,
    ) -> Option<Texts> {
        let mut lengths = Vec::new();
        numbers::take(input, count, unpack, &mut lengths)?;
        let mut texts = Texts::default();
        let mut end = 0u64;
        for length in lengths {
            end = end.checked_add(length).filter(|end| *end <= most as u64)?;
            texts.ends.push(end as u32);
        }
        input.run(end as usize, unpack, &mut texts.bytes)?;
        Some(texts)
    }

    /// For each value whether a part of a text stands in it; `None` if it stands in none.
    pub(super) fn having(&self, part: &TextPart) -> Option<Vec<bool>> {
        let mut having = None;
        let mut from = 0;
        while let Some(found) = part.find(&self.bytes, from) {
            let value = self
                .ends
                .partition_point(|end| *end as usize <= found.start);
            let end = self
                .ends
                .get(value)
                .map_or(self.bytes.len(), |end| *end as usize);
            from = if found.end <= end {
                let having = having.get_or_insert_with(|| vec![false; self.len()]);
                if let Some(value) = having.get_mut(value) {
                    *value = true;
                }
                end
            } else {
                // It stands in two of them.
                found.start + 1
            };
        }
        having
    }
}
