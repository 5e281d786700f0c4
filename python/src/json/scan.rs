//! Finds what a JSON string cannot hold as it is.

/// How many bytes from the first on are neither `"`, `\` nor a control character.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let hit = special(u64::from_le_bytes(*chunk));
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    // What is left is mostly plain: then one look at it is enough.
    let rest = &bytes[at..];
    if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        let [first, last] = [*first, *last].map(|half| u64::from(u32::from_le_bytes(half)));
        if special(first | last << 32) == 0 {
            return bytes.len();
        }
    }
    at + rest
        .iter()
        .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
        .count()
}

/// Bit 7 of the lowest byte that must be escaped, of which there may be none; above it there may be false ones.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |w: u64| w.wrapping_sub(ONES) & !w;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control) & HIGH
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn finds_every_byte_at_every_place() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let expected = if byte < 0x20 || byte == b'"' || byte == b'\\' {
                        at
                    } else {
                        length
                    };
                    assert_eq!(plain(&text), expected, "{byte} at {at} of {length}");
                }
            }
        }
    }
}
