//! What is known of each block of a sealed segment without reading it, as it stands in the file.
//!
//! One part has the summaries of all blocks, compressed, with a CRC; it is read as a whole and kept in memory. Another
//! has the filters of their words (`filter.rs`), of which a query reads 64 bytes for each word.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use distlog_proto::{Outcome, Severity};

use super::batches::Batches;
use super::columns::{BlockIndex, OUTCOMES, Reader, SEVERITIES, Unpack, Writer};
use super::filter::{self, Probe};

/// Summaries are no longer than this together, in bytes.
const MAX_SUMMARIES: usize = 16 << 20;

const UNKNOWN: u8 = 0;
const KNOWN: u8 = 1;
const KNOWN_BUT_SERVICES: u8 = 2;

/// What is known of a block without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSummary {
    /// The times of its records, in ns since the epoch: what a record says, else when it was received.
    pub times: RangeInclusive<u64>,
    /// Tasks that begin in it.
    pub begins: u32,
    /// The longest duration of a task that ends in it, in ns.
    pub longest: u64,
    counts: Option<Vec<(Arc<str>, u8, u32)>>,
    ends: [u32; OUTCOMES],
    /// Where the filter of its words begins among all, in blocks of it.
    filter_at: u32,
    filter_blocks: u32,
}

impl BlockSummary {
    /// What there is to know of batches; none if they have no records. Nothing is known of their words.
    pub(super) fn of(batches: &Batches) -> Option<BlockSummary> {
        let mut index = BlockIndex::default();
        for (head, batch) in batches.parsed() {
            let service = index.service(batch.source().service.as_bytes());
            for record in head.records(&batch) {
                let time = record.time_or(head.received);
                index.add(time, record.severity, service);
                index.add_task(record.kind, record.outcome, record.duration);
            }
        }
        let (first, last) = index.times?;
        let counts = index.counts.into_iter().flat_map(|(service, counts)| {
            let service: Arc<str> = service.into();
            let counts = counts.into_iter().enumerate();
            counts.map(move |(severity, count)| (Arc::clone(&service), severity as u8, count))
        });
        Some(BlockSummary {
            times: first..=last,
            begins: index.begins,
            longest: index.longest,
            counts: (!index.many_services)
                .then(|| counts.filter(|(.., count)| *count > 0).collect()),
            ends: index.ends,
            filter_at: 0,
            filter_blocks: 0,
        })
    }

    /// Its records by service and severity; none where it has too many services.
    pub fn counts(&self) -> Option<impl Iterator<Item = (&str, Severity, u32)>> {
        let counts = self.counts.as_ref()?.iter();
        Some(counts.map(|(service, severity, count)| {
            (&**service, Severity::new(u32::from(*severity)), *count)
        }))
    }

    /// How many tasks end in it with an outcome.
    pub fn ends(&self, outcome: Outcome) -> u32 {
        self.ends.get(outcome as usize).copied().unwrap_or(0)
    }

    /// How many tasks end in it.
    pub fn ended(&self) -> u64 {
        self.ends.iter().map(|count| u64::from(*count)).sum()
    }

    /// Which block of the filters tells about a word.
    pub(super) fn filter_block(&self, word: &Probe) -> u64 {
        let within = word.block(self.filter_blocks as usize);
        u64::from(self.filter_at) + within as u64
    }
}

/// Gathers the summaries of a segment that is written.
#[derive(Default)]
pub(super) struct Summaries {
    list: Vec<Option<BlockIndex>>,
}

impl Summaries {
    /// Adds the next block.
    pub(super) fn add(&mut self, index: Option<BlockIndex>) {
        self.list.push(index);
    }

    /// The summaries and the filters, as they are written.
    pub(super) fn encode(&self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut out = Writer::default();
        let mut filters = Vec::new();
        for index in &self.list {
            let Some((index, (first, last))) = index.as_ref().and_then(|i| Some((i, i.times?)))
            else {
                out.byte(UNKNOWN);
                continue;
            };
            out.byte(if index.many_services {
                KNOWN_BUT_SERVICES
            } else {
                KNOWN
            });
            out.varint(first);
            out.varint(last - first);
            out.varint(u64::from(index.begins));
            out.varint(index.longest);
            for count in index.ends {
                out.varint(u64::from(count));
            }
            out.varint(index.counts.len() as u64);
            for (service, counts) in &index.counts {
                out.short(service.as_bytes());
                let counted = || counts.iter().enumerate().filter(|(_, count)| **count > 0);
                out.varint(counted().count() as u64);
                for (severity, count) in counted() {
                    out.byte(severity as u8);
                    out.varint(u64::from(*count));
                }
            }
            let filter = filter::build_words(index.words.iter().copied());
            out.varint((filter.len() / filter::BLOCK) as u64);
            filters.extend_from_slice(&filter);
        }
        let mut packed = Writer::default();
        packed.varint(out.bytes.len() as u64);
        packed.run(&out.bytes)?;
        Ok((packed.bytes, filters))
    }
}

/// Reads the summaries of `blocks` blocks. `None` if they are not what was written.
pub(super) fn decode(bytes: &[u8], blocks: usize) -> Option<Vec<Option<BlockSummary>>> {
    let mut input = Reader::new(bytes);
    let len = input.count(MAX_SUMMARIES)?;
    let mut all = Vec::new();
    input.run(len, &mut Unpack::default(), &mut all)?;
    let mut input = Reader::new(&all);
    let mut services: Vec<Arc<str>> = Vec::new();
    let mut filter_at = 0;
    let mut summaries = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        let kind = input.byte()?;
        if kind == UNKNOWN {
            summaries.push(None);
            continue;
        }
        let first = input.varint()?;
        let last = first.checked_add(input.varint()?)?;
        let number = |input: &mut Reader<'_>| u32::try_from(input.varint()?).ok();
        let begins = number(&mut input)?;
        let longest = input.varint()?;
        let mut ends = [0; OUTCOMES];
        for count in &mut ends {
            *count = number(&mut input)?;
        }
        let mut counts = Vec::new();
        for _ in 0..input.count(len)? {
            let service = std::str::from_utf8(input.short()?).ok()?;
            let known = services.iter().find(|known| &***known == service).cloned();
            let service = known.unwrap_or_else(|| {
                let service: Arc<str> = service.into();
                services.push(Arc::clone(&service));
                service
            });
            for _ in 0..input.count(SEVERITIES)? {
                counts.push((Arc::clone(&service), input.byte()?, number(&mut input)?));
            }
        }
        let filter_blocks = number(&mut input)?;
        summaries.push(Some(BlockSummary {
            times: first..=last,
            begins,
            longest,
            counts: (kind == KNOWN).then_some(counts),
            ends,
            filter_at,
            filter_blocks,
        }));
        filter_at = filter_at.checked_add(filter_blocks)?;
    }
    Some(summaries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn summaries_come_back() {
        let mut counts = [0; SEVERITIES];
        (counts[9], counts[17]) = (3, 1);
        let known = BlockIndex {
            times: Some((5, 17)),
            counts: vec![("shop".into(), counts), ("bank".into(), [0; SEVERITIES])],
            begins: 2,
            ends: [0, 1, 2, 3, 4, 5],
            longest: 99,
            words: (0..1000).collect(),
            many_services: false,
        };
        let many = BlockIndex {
            counts: Vec::new(),
            many_services: true,
            ..known.clone()
        };
        let mut summaries = Summaries::default();
        for index in [Some(known), None, Some(many), Some(BlockIndex::default())] {
            summaries.add(index);
        }
        let (bytes, filters) = summaries.encode().unwrap();
        let read = decode(&bytes, 4).unwrap();
        let first = read[0].as_ref().unwrap();
        let counts: Vec<_> = first.counts().unwrap().collect();
        let number = |n| Severity::new(n);
        assert_eq!(counts, [("shop", number(9), 3), ("shop", number(17), 1)]);
        assert_eq!(
            (first.times.clone(), first.begins, first.longest),
            (5..=17, 2, 99)
        );
        assert_eq!(first.ends(Outcome::Failed), 3);
        assert_eq!(read[1], None);
        assert!(read[2].as_ref().unwrap().counts().is_none());
        assert_eq!(read[3], None);
        let last = read[2].as_ref().unwrap();
        let end = (last.filter_at + last.filter_blocks) as usize;
        assert_eq!(filters.len(), end * filter::BLOCK);
        assert!((0..1000).all(|word| (last.filter_block(&Probe::of_word(word)) as usize) < end));
    }

    proptest! {
        #[test]
        fn any_bytes_are_borne(bytes in proptest::collection::vec(any::<u8>(), 0..100), blocks in 0usize..5) {
            let _ = decode(&bytes, blocks);
        }
    }
}
