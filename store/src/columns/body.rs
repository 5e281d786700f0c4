//! The bytes of a columnar block, read as they are asked for.

use std::ops::Range;

/// So many bytes at the begin of a block are probably all that its records share.
pub(in super::super) const HEAD: usize = 8 << 10;

/// The bytes of a block.
pub(in super::super) trait Body {
    /// How many there are.
    fn len(&self) -> usize;
    /// Some of them. `None` if they are not there, or cannot be read.
    fn get(&mut self, range: Range<usize>) -> Option<&[u8]>;
}

/// What is in memory as a whole.
impl Body for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn get(&mut self, range: Range<usize>) -> Option<&[u8]> {
        <[u8]>::get(self, range)
    }
}
