//! What is known about the file at a flush; kept with the cursor.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::processor::Token;

/// Bytes before the end that are looked at to tell the file from another one that got the same inode.
const TAIL: u64 = 256;

/// A file, and how much of it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// In bytes.
    pub(super) length: u64,
    /// Of the last bytes before `length`.
    tail: u32,
    /// When the file was begun, in milliseconds since the Unix epoch.
    pub(super) begun: u64,
}

impl Mark {
    /// The whole file as it stands.
    pub(super) fn of(file: &File, begun: u64) -> io::Result<Mark> {
        let metadata = file.metadata()?;
        let length = metadata.len();
        Ok(Mark {
            device: metadata.dev(),
            inode: metadata.ino(),
            length,
            tail: tail(file, length)?,
            begun,
        })
    }

    /// Whether this is the file, with everything in it that was durable.
    pub(super) fn fits(&self, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        let same = (metadata.dev(), metadata.ino()) == (self.device, self.inode)
            && metadata.len() >= self.length;
        Ok(same && tail(file, self.length)? == self.tail)
    }

    pub(super) fn to_token(self) -> Token {
        let mut bytes = vec![b'F', 1];
        for number in [self.device, self.inode, self.length, self.begun] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.tail.to_le_bytes());
        Token(bytes)
    }

    /// `None` for the token of another kind of processor.
    pub(super) fn from_token(token: &Token) -> Option<Mark> {
        let (numbers, tail) = token.0.strip_prefix(&[b'F', 1])?.split_at_checked(32)?;
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|bytes| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default());
        let mut next = || numbers.next();
        let (device, inode, length, begun) = (next()?, next()?, next()?, next()?);
        Some(Mark {
            device,
            inode,
            length,
            begun,
            tail: u32::from_le_bytes(tail.try_into().ok()?),
        })
    }
}

fn tail(file: &File, length: u64) -> io::Result<u32> {
    let mut bytes = [0; TAIL as usize];
    let start = length.saturating_sub(TAIL);
    let bytes = &mut bytes[..(length - start) as usize];
    file.read_exact_at(bytes, start)?;
    Ok(crc32c::crc32c(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_mark_survives_as_token_and_knows_its_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\n").unwrap();
        let mark = Mark::of(&file, 7).unwrap();
        assert_eq!(Mark::from_token(&mark.to_token()), Some(mark));
        for broken in [&b""[..], b"F", b"F\x01abc", b"G\x01"] {
            assert_eq!(Mark::from_token(&Token(broken.to_vec())), None);
        }
        file.write_all(b"two\n").unwrap();
        assert!(mark.fits(&file).unwrap());
        file.write_all_at(b"ONE", 0).unwrap();
        assert!(!mark.fits(&file).unwrap());
        file.set_len(2).unwrap();
        assert!(!mark.fits(&file).unwrap());
    }
}
