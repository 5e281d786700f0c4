//! Writes protobuf fields to the end of a buffer. What proto3 leaves out (zero, empty) is left out here, too.

/// A varint without tag.
#[inline]
pub fn raw_varint(buf: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buf.push(value as u8 | 0x80);
        value >>= 7;
    }
    buf.push(value as u8);
}

/// How many bytes [`raw_varint`] writes.
#[inline]
pub fn varint_len(value: u64) -> usize {
    ((63 - (value | 1).leading_zeros() as usize) * 9 + 73) / 64
}

#[inline]
fn tag(buf: &mut Vec<u8>, field: u32, wire_type: u32) {
    raw_varint(buf, u64::from(field << 3 | wire_type));
}

/// An integer, unless it is 0.
#[inline]
pub fn varint(buf: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        varint_always(buf, field, value);
    }
}

/// An integer, 0 included: within a `oneof`.
#[inline]
pub fn varint_always(buf: &mut Vec<u8>, field: u32, value: u64) {
    tag(buf, field, 0);
    raw_varint(buf, value);
}

/// A word of 8 bytes, unless it is 0.
#[inline]
pub fn fixed64(buf: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        fixed64_always(buf, field, value);
    }
}

/// A word of 8 bytes, 0 included: within a `oneof`.
#[inline]
pub fn fixed64_always(buf: &mut Vec<u8>, field: u32, value: u64) {
    tag(buf, field, 1);
    buf.extend_from_slice(&value.to_le_bytes());
}

/// A word of 4 bytes, unless it is 0.
#[inline]
pub fn fixed32(buf: &mut Vec<u8>, field: u32, value: u32) {
    if value != 0 {
        tag(buf, field, 5);
        buf.extend_from_slice(&value.to_le_bytes());
    }
}

/// Bytes or a string, unless empty.
#[inline]
pub fn bytes(buf: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        bytes_always(buf, field, bytes);
    }
}

/// Bytes or a string, also if empty: within a `oneof`, or where a field is repeated.
#[inline]
pub fn bytes_always(buf: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    tag(buf, field, 2);
    raw_varint(buf, bytes.len() as u64);
    buf.extend_from_slice(bytes);
}

/// A field with a length in front, whose content `write` appends: a nested message, a text that is formatted in place.
///
/// One byte is kept for the length; only content of 128 bytes and more is moved to make room for a longer one.
#[inline]
pub fn nested<R>(buf: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    tag(buf, field, 2);
    let at = buf.len();
    buf.push(0);
    let result = write(buf);
    let len = buf.len() - at - 1;
    match buf.get_mut(at) {
        Some(byte) if len < 0x80 => *byte = len as u8,
        _ => widen(buf, at, len),
    }
    result
}

#[cold]
fn widen(buf: &mut Vec<u8>, at: usize, len: usize) {
    let more = varint_len(len as u64) - 1;
    let end = buf.len();
    buf.resize(end + more, 0);
    buf.copy_within(at + 1..end, at + 1 + more);
    let mut rest = len as u64;
    for byte in &mut buf[at..=at + more] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    buf[at + more] &= 0x7f;
}

/// The integer encoding of `sint64`.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
