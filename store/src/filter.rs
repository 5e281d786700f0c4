//! A blocked Bloom filter over trace ids or words: one block of 64 bytes answers whether one may be in a segment, or in
//! a block of it.
//!
//! A block is 480 bits and a CRC of them, so that damage makes the answer "maybe" and never a wrong "no". With 12 bits
//! per id about one in a hundred absent ids passes.

use super::format::{put, u32_at};
use super::options::TraceKey;

pub(super) const BLOCK: usize = 64;
const BITS: u64 = 480;
const BITS_PER_ID: usize = 12;
const PROBES: usize = 7;

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// An id or a word, as filters know it: made once, asked of many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    place: u64,
    bits: [u16; PROBES],
}

impl Probe {
    /// Ids need not be random, so both halves go into both hashes.
    pub(super) fn of_trace(id: &TraceKey) -> Probe {
        let whole = u128::from_le_bytes(*id);
        let (low, high) = (whole as u64, (whole >> 64) as u64);
        let place = mix(low ^ mix(high.wrapping_add(0x9E37_79B9_7F4A_7C15)));
        Probe::new(place, mix(place ^ 0xD6E8_FEB8_6659_FD93))
    }

    /// That of a word, of which the hash is given.
    pub(super) fn of_word(hash: u64) -> Probe {
        Probe::new(hash, mix(hash))
    }

    fn new(place: u64, mut hash: u64) -> Probe {
        let bits = std::array::from_fn(|_| {
            hash = mix(hash.wrapping_add(0x9E37_79B9_7F4A_7C15));
            (hash % BITS) as u16
        });
        Probe { place, bits }
    }

    /// Which of `blocks` blocks tells.
    pub(super) fn block(&self, blocks: usize) -> usize {
        (self.place % blocks.max(1) as u64) as usize
    }

    /// Whether it may be there, by the block that tells.
    pub(super) fn may_be_in(&self, block: &[u8; BLOCK]) -> bool {
        self.has_bits(block) || !is_sound(block)
    }

    fn has_bits(&self, block: &[u8; BLOCK]) -> bool {
        let mut bits = self.bits.iter().map(|bit| usize::from(*bit));
        bits.all(|bit| block[bit / 8] & (1 << (bit % 8)) != 0)
    }
}

fn is_sound(block: &[u8; BLOCK]) -> bool {
    crc32c::crc32c(&block[..BLOCK - 4]) == u32_at(block, BLOCK - 4)
}

/// How many blocks hold `ids` ids.
pub(super) fn blocks_for(ids: usize) -> usize {
    (ids * BITS_PER_ID).div_ceil(BITS as usize).max(1)
}

/// Builds the filter of a segment's traces.
pub(super) fn build(ids: &[TraceKey]) -> Vec<u8> {
    build_of(ids.iter().map(Probe::of_trace), ids.len())
}

/// Builds the filter of words, of which the hashes are given.
pub(super) fn build_words(words: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
    let count = words.len();
    build_of(words.map(Probe::of_word), count)
}

fn build_of(probes: impl Iterator<Item = Probe>, count: usize) -> Vec<u8> {
    let blocks = blocks_for(count);
    let mut out = vec![0; blocks * BLOCK];
    for probe in probes {
        let at = probe.block(blocks) * BLOCK;
        for bit in probe.bits {
            out[at + usize::from(bit / 8)] |= 1 << (bit % 8);
        }
    }
    for block in out.chunks_exact_mut(BLOCK) {
        let crc = crc32c::crc32c(&block[..BLOCK - 4]);
        put(block, BLOCK - 4, &crc.to_le_bytes());
    }
    out
}

/// A filter in memory.
#[derive(Debug)]
pub(super) struct Filter(Box<[[u8; BLOCK]]>);

impl Filter {
    /// That of which the bytes were read. A damaged block of it may hold everything.
    pub(super) fn new(bytes: &[u8]) -> Filter {
        let (blocks, _) = bytes.as_chunks();
        let sound = |block: &[u8; BLOCK]| {
            if is_sound(block) {
                *block
            } else {
                [0xFF; BLOCK]
            }
        };
        Filter(blocks.iter().map(sound).collect())
    }

    /// Whether something may be in what it is about.
    pub(super) fn may_hold(&self, probe: &Probe) -> bool {
        let block = self.0.get(probe.block(self.0.len()));
        block.is_none_or(|block| probe.has_bits(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> TraceKey {
        (u128::from(n) << 64 | 7).to_le_bytes()
    }

    /// In memory, and by the one block that tells.
    fn ask(filter: &[u8], probe: &Probe) -> bool {
        let (blocks, _) = filter.as_chunks();
        let held = probe.may_be_in(&blocks[probe.block(blocks.len())]);
        assert_eq!(Filter::new(filter).may_hold(probe), held);
        held
    }

    #[test]
    fn finds_what_is_there_and_little_else() {
        let ids: Vec<_> = (0..2000).map(id).collect();
        let filter = build(&ids);
        let ask = |id: &TraceKey| ask(&filter, &Probe::of_trace(id));
        assert!(ids.iter().all(ask));
        let wrong = (2000..12_000).filter(|n| ask(&id(*n))).count();
        assert!(wrong < 300, "{wrong} of 10000 absent ids pass");
    }

    #[test]
    fn words_are_found() {
        let hash = |n: u32| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes());
        let filter = build_words((0..1000).map(hash));
        let ask = |n: u32| ask(&filter, &Probe::of_word(hash(n)));
        assert!((0..1000).all(ask));
        let wrong = (1000..11_000).filter(|n| ask(*n)).count();
        assert!(wrong < 300, "{wrong} of 10000 absent words pass");
    }

    #[test]
    fn damage_never_says_no() {
        let mut filter = build(&[id(1)]);
        filter.iter_mut().take(BLOCK - 4).for_each(|b| *b = 0);
        assert!(ask(&filter, &Probe::of_trace(&id(1))));
    }
}
