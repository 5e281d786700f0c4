//! The messages in a ZeroMQ connection ([ZMTP 3](https://rfc.zeromq.org/spec/23/)): a greeting of 64 bytes, then frames
//! of flags, length and body. Several frames with the flag MORE and one without are a message.

const GREETING: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// What a connection carries, in pieces that can be passed on.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A part of the greeting, or a command: belongs to the connection.
    Link(Vec<u8>),
    /// A whole message, with all its frames.
    Message(Vec<u8>),
}

/// Cuts one direction of a connection into pieces.
#[derive(Debug, Default)]
pub struct Pieces {
    greeted: usize,
    bytes: Vec<u8>,
}

impl Pieces {
    /// Takes what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next piece, once it is there as a whole.
    pub fn next(&mut self) -> Option<Piece> {
        if self.greeted < GREETING {
            // Either end waits for the other's first bytes: each byte is passed on as it comes.
            let length = self.bytes.len().min(GREETING - self.greeted);
            self.greeted += length;
            return (length > 0).then(|| Piece::Link(self.bytes.drain(..length).collect()));
        }
        let mut length = 0;
        loop {
            let (flags, end) = frame(self.bytes.get(length..)?)?;
            let begun = length > 0;
            length += end;
            if flags & COMMAND != 0 && !begun {
                return Some(Piece::Link(self.bytes.drain(..length).collect()));
            }
            if flags & MORE == 0 {
                return Some(Piece::Message(self.bytes.drain(..length).collect()));
            }
        }
    }
}

/// Flags and whole length of the frame that the bytes begin with, if it is complete.
fn frame(bytes: &[u8]) -> Option<(u8, usize)> {
    let flags = *bytes.first()?;
    let (head, body) = if flags & LONG == 0 {
        (2, usize::from(*bytes.get(1)?))
    } else {
        let length = u64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?);
        (9, usize::try_from(length).ok()?)
    };
    let length = head + body;
    (bytes.len() >= length).then_some((flags, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_the_bytes_come_the_pieces_are_the_same() {
        let mut bytes = vec![7; GREETING];
        let command = [&[COMMAND, 3][..], b"abc"].concat();
        let long = [&[LONG][..], &300u64.to_be_bytes(), &[9; 300]].concat();
        let message = [&[MORE, 2][..], b"to", &long].concat();
        bytes.extend([&command[..], &message, &[0, 0]].concat());
        for step in [1, 2, 7, 64, 1000] {
            let (mut pieces, mut link, mut messages) = (Pieces::default(), Vec::new(), Vec::new());
            for part in bytes.chunks(step) {
                pieces.feed(part);
                while let Some(piece) = pieces.next() {
                    match piece {
                        Piece::Link(bytes) => link.extend(bytes),
                        Piece::Message(bytes) => messages.push(bytes),
                    }
                }
            }
            assert_eq!(link, [&[7; GREETING][..], &command].concat(), "{step}");
            assert_eq!(messages, [message.clone(), vec![0, 0]], "{step}");
        }
    }
}
