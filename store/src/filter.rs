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
const PROBES: u32 = 7;

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Both hashes of an id. Ids need not be random, so both halves go into each.
fn hashes(id: &TraceKey) -> (u64, u64) {
    let whole = u128::from_le_bytes(*id);
    let (low, high) = (whole as u64, (whole >> 64) as u64);
    let first = mix(low ^ mix(high.wrapping_add(0x9E37_79B9_7F4A_7C15)));
    (first, mix(first ^ 0xD6E8_FEB8_6659_FD93))
}

fn bits(mut hash: u64) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |_| {
        hash = mix(hash.wrapping_add(0x9E37_79B9_7F4A_7C15));
        (hash % BITS) as usize
    })
}

/// How many blocks hold `ids` ids.
pub(super) fn blocks_for(ids: usize) -> usize {
    (ids * BITS_PER_ID).div_ceil(BITS as usize).max(1)
}

/// Which of `blocks` blocks tells about an id.
pub(super) fn block_of(id: &TraceKey, blocks: usize) -> usize {
    (hashes(id).0 % blocks.max(1) as u64) as usize
}

/// Builds the filter of a segment's traces.
pub(super) fn build(ids: &[TraceKey]) -> Vec<u8> {
    build_of(ids.iter().map(hashes), ids.len())
}

/// Builds the filter of words, of which the hashes are given.
pub(super) fn build_words(words: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
    let count = words.len();
    build_of(words.map(|hash| (hash, mix(hash))), count)
}

fn build_of(hashes: impl Iterator<Item = (u64, u64)>, count: usize) -> Vec<u8> {
    let blocks = blocks_for(count);
    let mut out = vec![0; blocks * BLOCK];
    for (place, hash) in hashes {
        let at = (place % blocks as u64) as usize * BLOCK;
        for bit in bits(hash) {
            out[at + bit / 8] |= 1 << (bit % 8);
        }
    }
    for block in out.chunks_exact_mut(BLOCK) {
        let crc = crc32c::crc32c(&block[..BLOCK - 4]);
        put(block, BLOCK - 4, &crc.to_le_bytes());
    }
    out
}

/// Which of `blocks` blocks tells about a word.
pub(super) fn block_of_word(word: u64, blocks: usize) -> usize {
    (word % blocks.max(1) as u64) as usize
}

/// Whether an id may be in the segment, by the one block that tells.
pub(super) fn may_hold(block: &[u8; BLOCK], id: &TraceKey) -> bool {
    holds(block, hashes(id).1)
}

/// Whether a word may be there, by the one block that tells.
pub(super) fn may_hold_word(block: &[u8; BLOCK], word: u64) -> bool {
    holds(block, mix(word))
}

fn holds(block: &[u8; BLOCK], hash: u64) -> bool {
    if crc32c::crc32c(&block[..BLOCK - 4]) != u32_at(block, BLOCK - 4) {
        return true;
    }
    bits(hash).all(|bit| block[bit / 8] & (1 << (bit % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> TraceKey {
        (u128::from(n) << 64 | 7).to_le_bytes()
    }

    fn ask(filter: &[u8], id: &TraceKey) -> bool {
        let at = block_of(id, filter.len() / BLOCK) * BLOCK;
        let mut block = [0; BLOCK];
        block.copy_from_slice(&filter[at..at + BLOCK]);
        may_hold(&block, id)
    }

    #[test]
    fn finds_what_is_there_and_little_else() {
        let ids: Vec<_> = (0..20_000).map(id).collect();
        let filter = build(&ids);
        assert!(ids.iter().all(|id| ask(&filter, id)));
        let wrong = (20_000..120_000).filter(|n| ask(&filter, &id(*n))).count();
        assert!(wrong < 3_000, "{wrong} of 100000 absent ids pass");
    }

    #[test]
    fn words_are_found() {
        let hash = |n: u32| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes());
        let filter = build_words((0..5000).map(hash));
        let ask = |n: u32| {
            let at = block_of_word(hash(n), filter.len() / BLOCK) * BLOCK;
            let mut block = [0; BLOCK];
            block.copy_from_slice(&filter[at..at + BLOCK]);
            may_hold_word(&block, hash(n))
        };
        assert!((0..5000).all(ask));
        let wrong = (5000..105_000).filter(|n| ask(*n)).count();
        assert!(wrong < 3000, "{wrong} of 100000 absent words pass");
    }

    #[test]
    fn damage_never_says_no() {
        let mut filter = build(&[id(1)]);
        filter.iter_mut().take(BLOCK - 4).for_each(|b| *b = 0);
        assert!(ask(&filter, &id(1)));
    }
}
