//! What is decided at once, and its bytes in the log of decisions.
//!
//! A frame is its length and CRC32C (of what follows), each 4 bytes, and a body: the number of the record that the next
//! decisions begin at; how many trees are decided, and for each its trace id and whether it passes; how many entries
//! follow, and for each the numbers of its records (from, to), those of records outside traces (from, to; 0, 0: none),
//! how many parts it has, and for each the trace id, the numbers of its records (from, to) and how many there are.
//! Numbers are little-endian.

use distlog_proto::TraceId;

/// Longer frames are no frames.
const MAX_FRAME: usize = 256 << 20;
pub(super) const HEAD: usize = 8;

/// Records of one trace that pass: those with numbers from `from` to before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub trace: TraceId,
    pub from: u64,
    pub to: u64,
    /// How many there are.
    pub records: u32,
}

/// Records that pass together, in the order of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// All lie within these numbers.
    pub from: u64,
    pub to: u64,
    /// Within these numbers records outside of traces pass; none, if both are the same.
    pub loose: (u64, u64),
    /// In the order of their trace ids, each once.
    pub parts: Vec<Part>,
}

impl Entry {
    /// The part of a trace.
    pub(super) fn part(&self, trace: TraceId) -> Option<&Part> {
        let at = self.parts.binary_search_by_key(&trace, |part| part.trace);
        at.ok().map(|at| &self.parts[at])
    }

    /// How many records of traces it has.
    pub(super) fn records(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.records)).sum()
    }
}

/// What is decided at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frame {
    /// What was read before this number is in this frame, in an earlier one, or of an open tree.
    pub position: u64,
    /// Whether a tree passes.
    pub decided: Vec<(TraceId, bool)>,
    pub entries: Vec<Entry>,
}

impl Frame {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; HEAD];
        let number = |out: &mut Vec<u8>, n: u64| out.extend_from_slice(&n.to_le_bytes());
        number(&mut out, self.position);
        number(&mut out, self.decided.len() as u64);
        for (trace, passes) in &self.decided {
            out.extend_from_slice(&trace.to_bytes());
            out.push(u8::from(*passes));
        }
        number(&mut out, self.entries.len() as u64);
        for entry in &self.entries {
            let (from, to) = entry.loose;
            for n in [entry.from, entry.to, from, to, entry.parts.len() as u64] {
                number(&mut out, n);
            }
            for part in &entry.parts {
                out.extend_from_slice(&part.trace.to_bytes());
                for n in [part.from, part.to, part.records.into()] {
                    number(&mut out, n);
                }
            }
        }
        let length = (out.len() - HEAD) as u32;
        let crc = crc32c::crc32c(&out[HEAD..]);
        out[..4].copy_from_slice(&length.to_le_bytes());
        out[4..HEAD].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The frame that the bytes begin with, and its length; none if there is no whole one.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
        let mut head = Bytes(bytes);
        let (length, crc) = (head.u32()? as usize, head.u32()?);
        if length > MAX_FRAME || length > head.0.len() {
            return None;
        }
        let mut body = Bytes(&head.0[..length]);
        if crc32c::crc32c(body.0) != crc {
            return None;
        }
        let mut frame = Frame {
            position: body.u64()?,
            ..Frame::default()
        };
        for _ in 0..body.u64()? {
            let trace = body.trace()?;
            let passes = match body.array()? {
                [0] => false,
                [1] => true,
                [_] => return None,
            };
            frame.decided.push((trace, passes));
        }
        for _ in 0..body.u64()? {
            let (from, to) = (body.u64()?, body.u64()?);
            let loose = (body.u64()?, body.u64()?);
            let mut parts = Vec::new();
            for _ in 0..body.u64()? {
                parts.push(Part {
                    trace: body.trace()?,
                    from: body.u64()?,
                    to: body.u64()?,
                    records: u32::try_from(body.u64()?).ok()?,
                });
            }
            let good = from < to && parts.is_sorted_by_key(|part| part.trace);
            frame.entries.push(good.then_some(Entry {
                from,
                to,
                loose,
                parts,
            })?);
        }
        body.0.is_empty().then_some((frame, HEAD + length))
    }
}

/// Bytes that are read from the front.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn trace(&mut self) -> Option<TraceId> {
        TraceId::from_bytes(self.array()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trace() -> impl Strategy<Value = TraceId> {
        any::<[u8; 16]>().prop_filter_map("zero", TraceId::from_bytes)
    }

    fn frame() -> impl Strategy<Value = Frame> {
        let part = (trace(), any::<[u64; 2]>(), any::<u32>());
        let parts = prop::collection::vec(part, 0..5);
        let entry = (0..u64::MAX, any::<[u64; 2]>(), parts).prop_map(|(from, loose, parts)| {
            let mut parts: Vec<Part> = parts
                .into_iter()
                .map(|(trace, [from, to], records)| Part {
                    trace,
                    from,
                    to,
                    records,
                })
                .collect();
            parts.sort_by_key(|part| part.trace);
            Entry {
                from,
                to: from + 1,
                loose: loose.into(),
                parts,
            }
        });
        let decided = prop::collection::vec((trace(), any::<bool>()), 0..5);
        (any::<u64>(), decided, prop::collection::vec(entry, 0..4)).prop_map(
            |(position, decided, entries)| Frame {
                position,
                decided,
                entries,
            },
        )
    }

    proptest! {
        #[test]
        fn a_frame_is_read_as_it_was_written_and_half_of_it_is_none(
            frame in frame(),
            cut in any::<prop::sample::Index>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let mut bytes = frame.encode();
            let length = bytes.len();
            bytes.extend_from_slice(b"more");
            prop_assert_eq!(Frame::decode(&bytes), Some((frame, length)));
            prop_assert_eq!(Frame::decode(&bytes[..cut.index(length)]), None);
            bytes[flip.index(length)] ^= 4;
            prop_assert_eq!(Frame::decode(&bytes), None);
        }

        #[test]
        fn any_bytes_are_a_frame_or_none(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
            bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
            bytes.extend_from_slice(&body);
            if let Some((frame, length)) = Frame::decode(&bytes) {
                prop_assert_eq!(length, bytes.len());
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }
}
