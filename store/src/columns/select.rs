//! Reads of a block only the records, and of these only the parts, that somebody wants.

use std::ops::Range;

use distlog_proto::Severity;
use distlog_proto::wire::field::record;
use distlog_proto::wire::{Parts, REMOVED_RECORD};

use super::assemble::Assembly;
use super::block::Block;
use super::body::Body;
use super::operations::{Plan, plan};
use super::rows::{CALLSITE, Rows};
use super::shape::{Message, NO_NAME, ReadShapes, Step};
use super::stream::Unpack;
use crate::format::BatchHeader;
use crate::text_part::TextPart;

/// Which records of a block somebody wants, and what of them. There may be more in what is read than was wanted, of
/// both: who needs it exactly tests the records.
#[derive(Clone, Copy)]
pub struct Selection<'s> {
    /// Records at least so severe.
    pub severity: Severity,
    /// Of these the ones that are wanted.
    pub rows: Rows<'s>,
    /// Of these the ones in which all these parts of texts stand.
    pub texts: &'s [TextPart],
    /// The parts of records that are read.
    pub parts: &'s Parts,
    /// Whether records of a source may be wanted, which is given as a batch without records.
    pub source: &'s dyn Fn(&[u8]) -> bool,
    /// Whether a batch has marks in the places of the records that were not read, as for deleted ones.
    pub marked: bool,
}

impl Selection<'static> {
    /// Everything.
    pub const ALL: Selection<'static> = Selection {
        severity: Severity::UNSET,
        rows: Rows::All,
        texts: &[],
        parts: &Parts::ALL,
        source: &|_| true,
        marked: false,
    };
}

/// A batch of which some records were read.
pub(in super::super) struct SomeRecords<'s> {
    pub(in super::super) header: BatchHeader,
    /// The number of its first record in the store.
    pub(in super::super) first: u64,
    /// Where its bytes are.
    pub(in super::super) range: Range<usize>,
    /// For each record that was read its place in the batch.
    pub(in super::super) places: &'s [u32],
}

/// Appends batches with the wanted records of a block to `out` and shows them. `None` if the block is damaged, as far
/// as it was looked at.
pub(in super::super) fn select(
    body: &mut dyn Body,
    raw: usize,
    wanted: &Selection<'_>,
    unpack: &mut Unpack,
    out: &mut Vec<u8>,
    show: &mut dyn FnMut(SomeRecords<'_>),
) -> Option<()> {
    let mut block = Block::read(body, raw, unpack)?;
    let heads: Vec<bool> = block.heads.iter().map(wanted.source).collect();
    let mut rows = block.rows_of(wanted.severity, wanted.rows, body, unpack)?;
    for part in wanted.texts {
        block.keep_with(part, &mut rows, body, unpack)?;
    }
    if block.raw.len() == 0 && (!rows.contains(&true) || !heads.contains(&true)) {
        return Some(());
    }
    let plans = block.load_parts(wanted.parts, &rows, body, unpack)?;
    block.put_records(&plans, &rows, (&heads, wanted.marked), out, show)
}

impl Block {
    /// Reads the columns of the wanted parts; gives how the records of each shape are put together from these.
    fn load_parts(
        &mut self,
        parts: &Parts,
        rows: &[bool],
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<Vec<Plan>> {
        let kept = (self.shapes.shapes.iter())
            .map(|steps| kept_steps(&self.shapes, steps, parts))
            .collect::<Option<Vec<_>>>()?;
        let mut read = vec![false; self.columns.len()];
        let mut shown = vec![false; self.shapes.shapes.len()];
        for (row, _) in self.rows.iter().zip(rows).filter(|(_, wanted)| **wanted) {
            *shown.get_mut(usize::try_from(row.checked_sub(1)?).ok()?)? = true;
        }
        let shapes = self.shapes.shapes.iter().zip(&kept).zip(&shown);
        for ((steps, kept), _) in shapes.filter(|(_, shown)| **shown) {
            for ((step, column), kept) in steps.iter().zip(kept) {
                if *kept && matches!(step, Step::Value(_)) {
                    *read.get_mut(*column as usize)? = true;
                }
            }
        }
        for (column, _) in read.iter().enumerate().filter(|(_, read)| **read) {
            self.load_some(column, Some(rows), body, unpack)?;
        }
        let is_read = |column: u32| read.get(column as usize).is_some_and(|read| *read);
        let shapes = self.shapes.shapes.iter().zip(&kept);
        shapes
            .map(|(steps, kept)| {
                // What no wanted row has was not read: such rows are passed over.
                let is_there = |at: usize| match steps.get(at) {
                    Some((Step::Value(_), column)) => is_read(*column),
                    _ => true,
                };
                let kept = |at: usize| kept.get(at).is_some_and(|kept| *kept) && is_there(at);
                plan(&self.shapes, steps, kept, is_read)
            })
            .collect()
    }

    /// Appends the records of the rows that are wanted.
    fn put_records(
        &self,
        plans: &[Plan],
        wanted: &[bool],
        (heads, marked): (&[bool], bool),
        out: &mut Vec<u8>,
        show: &mut dyn FnMut(SomeRecords<'_>),
    ) -> Option<()> {
        let mut assembly = Assembly::new(self, plans);
        let (mut raw, mut between) = (self.raw.iter(), self.between.iter());
        let (mut number, mut row) = (0, 0usize);
        let mut places = Vec::new();
        for (batches, first) in self.frames.iter().zip(&self.firsts) {
            let mut first = *first;
            for _ in 0..*batches {
                let start = out.len();
                let header = self.header(number)?;
                places.clear();
                match usize::try_from(*self.batches.head.get(number)?).ok()? {
                    0 => {
                        out.extend_from_slice(raw.next()?);
                        places.extend(0..header.count);
                    }
                    head => {
                        out.extend_from_slice(self.heads.get(head - 1)?);
                        assembly.batch(header.from);
                        let items = usize::try_from(self.items(number)?).ok()?;
                        let items = row..row.checked_add(items)?;
                        row = items.end;
                        let rows = self.rows.get(items.clone())?;
                        let wanted = match *heads.get(head - 1)? {
                            true => wanted.get(items)?,
                            false => &[],
                        };
                        if marked || self.between.len() > 0 {
                            let between = (&mut between, marked);
                            put_all(&mut assembly, rows, wanted, between, out, &mut places)?;
                        } else {
                            put_wanted(&mut assembly, rows, wanted, out, &mut places)?;
                        }
                    }
                }
                if places.is_empty() {
                    out.truncate(start);
                } else {
                    show(SomeRecords {
                        first,
                        range: start..out.len(),
                        places: &places,
                        header,
                    });
                }
                first += u64::from(header.count);
                number += 1;
            }
        }
        Some(())
    }
}

/// Appends those of a batch's records that are wanted, and nothing for the others.
fn put_wanted(
    assembly: &mut Assembly<'_>,
    rows: &[u64],
    wanted: &[bool],
    out: &mut Vec<u8>,
    places: &mut Vec<u32>,
) -> Option<()> {
    let mut next = 0;
    for (at, _) in wanted.iter().enumerate().filter(|(_, wanted)| **wanted) {
        assembly.pass(rows.get(next..at)?)?;
        assembly.record(rows.get(at)?.checked_sub(1)?, out)?;
        places.push(u32::try_from(at).ok()?);
        next = at + 1;
    }
    assembly.pass(rows.get(next..)?)
}

/// Appends those of a batch's records that are wanted, marks for the others if that is asked for, and the callsites
/// that stand between them.
fn put_all<'b>(
    assembly: &mut Assembly<'_>,
    rows: &[u64],
    wanted: &[bool],
    (between, marked): (&mut impl Iterator<Item = &'b [u8]>, bool),
    out: &mut Vec<u8>,
    places: &mut Vec<u32>,
) -> Option<()> {
    let mut place = 0;
    for (at, row) in rows.iter().enumerate() {
        let Some(shape) = row.checked_sub(1) else {
            out.extend_from_slice(between.next()?);
            continue;
        };
        if wanted.get(at).is_some_and(|wanted| *wanted) {
            assembly.record(shape, out)?;
            places.push(place);
        } else {
            assembly.pass(&[*row])?;
            if marked {
                out.extend_from_slice(&REMOVED_RECORD);
            }
        }
        place += 1;
    }
    Some(())
}

/// For each step of a shape whether it makes one of the parts.
fn kept_steps(read: &ReadShapes, steps: &[(Step, u32)], parts: &Parts) -> Option<Vec<bool>> {
    if *parts == Parts::ALL {
        return Some(vec![true; steps.len()]);
    }
    // Who reads a record with two callsites takes the names of the last one.
    let is_site = |column: &u32| {
        let key = read.columns.get(*column as usize);
        key.is_some_and(|key| key.message == Message::Record && key.tag == CALLSITE)
    };
    let sites = steps
        .iter()
        .filter(|(step, column)| matches!(step, Step::Value(_)) && is_site(column));
    let clear = sites.count() <= 1;
    let mut kept = Vec::with_capacity(steps.len());
    let mut at = 0;
    while let Some((step, _)) = steps.get(at) {
        match step {
            // Observed times are differences to times.
            Step::Value(tag) if tag >> 3 == record::TIME => {
                kept.push(parts.has(record::TIME) || parts.has(record::OBSERVED_TIME));
            }
            Step::Value(tag) => kept.push(parts.has(tag >> 3)),
            Step::Open(tag) => {
                let mut depth = 0;
                let len = steps.get(at..)?.iter().position(|(step, _)| {
                    match step {
                        Step::Open(_) => depth += 1,
                        Step::Close => depth -= 1,
                        _ => {}
                    }
                    depth == 0
                })?;
                let message = steps.get(at..=at + len)?;
                let is_kept = parts.has(tag >> 3)
                    && (Message::Record.inner(tag >> 3) != Some(Message::Field)
                        || !clear
                        || names(message).all(|name| name == NO_NAME)
                        || names(message).any(|name| is_wanted(read, name, parts)));
                kept.resize(kept.len() + message.len(), is_kept);
                at += len;
            }
            // Only messages in a record have other steps.
            _ => kept.push(true),
        }
        at += 1;
    }
    Some(kept)
}

/// The names that a field gives itself.
fn names(field: &[(Step, u32)]) -> impl Iterator<Item = u32> {
    field.iter().filter_map(|(step, _)| match step {
        Step::Key(_, name) | Step::Name(name) => Some(*name),
        _ => None,
    })
}

fn is_wanted(read: &ReadShapes, name: u32, parts: &Parts) -> bool {
    let name = read.names.get(name as usize);
    name.and_then(|name| std::str::from_utf8(name).ok())
        .is_none_or(|name| parts.has_field(name))
}
