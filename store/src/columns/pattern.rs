//! Divides a text into a pattern and the numbers that stand in it.
//!
//! A word of digits is a number, one of hexadecimal digits, too; each begins a hole in the pattern, which says how it
//! is written. The bytes of holes stand in no UTF-8 text.

/// Bytes from this one on are holes.
pub(super) const FIRST: u8 = 0xfd;
/// A hole: digits without zeros in front.
const NUMBER: u8 = 0xff;
/// A hole, followed by how many digits it has.
const DIGITS: u8 = 0xfe;
/// A hole, followed by how many hexadecimal digits it has, in lower case.
const HEX: u8 = 0xfd;

/// Numbers have at most so many digits, decimal and hexadecimal.
const MAX_DIGITS: usize = 18;
const MAX_HEX: usize = 16;
/// Shorter words are seldom hexadecimal.
const MIN_HEX: usize = 4;

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// The text ends here.
    None,
    Number,
    Digits(usize),
    Hex(usize),
}

const DIGIT: u8 = 1;
/// `a`–`f`.
const HEX_LETTER: u8 = 2;
const LETTER: u8 = 4;

/// What each byte is in a word; 0 for what stands in none.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        class[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' => HEX_LETTER,
            b'g'..=b'z' | b'A'..=b'Z' => LETTER,
            _ => 0,
        };
        byte += 1;
    }
    class
};

/// Divides a text into `pattern` and `holes`. It must have no byte from [`FIRST`] on.
pub(super) fn split(text: &[u8], pattern: &mut Vec<u8>, holes: &mut Vec<u64>) {
    pattern.clear();
    holes.clear();
    // Up to here the text is in the pattern.
    let mut copied = 0;
    // Most words have no digit: what is looked for is the next digit, and then the word around it.
    while let Some(digit) = text[copied..].iter().position(u8::is_ascii_digit) {
        let digit = copied + digit;
        let in_word = |byte: &&u8| CLASS[usize::from(**byte)] != 0;
        let before = text[copied..digit].iter().rev().take_while(in_word).count();
        let behind = text[digit..].iter().take_while(in_word).count();
        let (start, end) = (digit - before, digit + behind);
        pattern.extend_from_slice(&text[copied..start]);
        copied = end;
        let word = &text[start..end];
        let classes = word
            .iter()
            .fold(0, |classes, byte| classes | CLASS[usize::from(*byte)]);
        if classes == DIGIT | HEX_LETTER && word.len() >= MIN_HEX {
            for part in word.chunks(MAX_HEX) {
                pattern.extend_from_slice(&[HEX, part.len() as u8]);
                holes.push(number(part, 16));
            }
        } else {
            // Digits behind a point are as many as the number is exact.
            let fraction = start > 0 && text[start - 1] == b'.';
            digits(word, fraction, pattern, holes);
        }
    }
    pattern.extend_from_slice(&text[copied..]);
}

fn digits(word: &[u8], fraction: bool, pattern: &mut Vec<u8>, holes: &mut Vec<u64>) {
    let mut rest = word;
    while !rest.is_empty() {
        let letters = rest.iter().take_while(|b| !b.is_ascii_digit()).count();
        let (letters, digits) = rest.split_at(letters);
        pattern.extend_from_slice(letters);
        let run = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        let (part, after) = digits.split_at(run.min(MAX_DIGITS));
        rest = after;
        if part.is_empty() {
            continue;
        }
        if fraction || (part[0] == b'0' && part.len() > 1) {
            pattern.extend_from_slice(&[DIGITS, part.len() as u8]);
        } else {
            pattern.push(NUMBER);
        }
        holes.push(number(part, 10));
    }
}

fn number(digits: &[u8], base: u64) -> u64 {
    digits.iter().fold(0, |n, digit| {
        let value = match digit {
            b'a'..=b'f' => digit - b'a' + 10,
            digit => digit.wrapping_sub(b'0'),
        };
        n.wrapping_mul(base).wrapping_add(u64::from(value))
    })
}

/// The parts of a pattern: each a text and the hole behind it. `None` if it is no pattern.
pub(super) fn parts(pattern: &[u8]) -> Option<Vec<(&[u8], Hole)>> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.iter().position(|byte| *byte >= FIRST) {
        let (text, hole) = rest.split_at(at);
        let digits = |most| hole.get(1).map(|n| usize::from(*n)).filter(|n| *n <= most);
        let (hole, len) = match hole[0] {
            NUMBER => (Hole::Number, 1),
            DIGITS => (Hole::Digits(digits(MAX_DIGITS)?), 2),
            _ => (Hole::Hex(digits(MAX_HEX)?), 2),
        };
        parts.push((text, hole));
        rest = &rest[at + len..];
    }
    parts.push((rest, Hole::None));
    Some(parts)
}

/// A word of a pattern that has numbers: letters, and behind them the hole and its place among the holes of the
/// pattern.
pub(super) type Recipe = Vec<(Vec<u8>, Option<(Hole, usize)>)>;

/// The words of a pattern: shows those without numbers, gives the others. `None` if it is no pattern, or no text.
pub(super) fn words(pattern: &[u8], show: &mut dyn FnMut(&str)) -> Option<Vec<Recipe>> {
    // A digit for each hole: it is a part of a word as any digit is.
    let mut text = Vec::with_capacity(pattern.len());
    let mut holes = Vec::new();
    for (letters, hole) in parts(pattern)? {
        text.extend_from_slice(letters);
        if hole != Hole::None {
            holes.push((text.len(), hole));
            text.push(b'0');
        }
    }
    let text = std::str::from_utf8(&text).ok()?;
    let mut holes = holes.into_iter().enumerate().peekable();
    let mut recipes = Vec::new();
    for word in crate::words::words(text) {
        let mut at = word.as_ptr() as usize - text.as_ptr() as usize;
        let end = at + word.len();
        if holes.peek().is_none_or(|(_, (hole, _))| *hole >= end) {
            show(word);
            continue;
        }
        let mut recipe = Recipe::new();
        while let Some((place, (hole_at, hole))) = holes.next_if(|(_, (hole, _))| *hole < end) {
            let letters = text.as_bytes().get(at..hole_at)?;
            recipe.push((letters.to_vec(), Some((hole, place))));
            at = hole_at + 1;
        }
        recipe.push((text.as_bytes().get(at..end)?.to_vec(), None));
        recipes.push(recipe);
    }
    Some(recipes)
}

impl Hole {
    /// Appends a number as it was written.
    pub(super) fn put(self, number: u64, out: &mut Vec<u8>) {
        let (base, mut len) = match self {
            Hole::None => return,
            Hole::Number => (
                10,
                number.checked_ilog10().map_or(1, |log| log as usize + 1),
            ),
            Hole::Digits(len) => (10, len),
            Hole::Hex(len) => (16, len),
        };
        let start = out.len();
        out.resize(start + len, b'0');
        let mut number = number;
        while number > 0 && len > 0 {
            len -= 1;
            out[start + len] = b"0123456789abcdef"[(number % base) as usize];
            number /= base;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(text: &str) -> (String, usize) {
        let (mut pattern, mut holes) = (Vec::new(), Vec::new());
        split(text.as_bytes(), &mut pattern, &mut holes);
        let mut back = Vec::new();
        let mut numbers = holes.iter();
        for (text, hole) in parts(&pattern).unwrap() {
            back.extend_from_slice(text);
            if hole != Hole::None {
                hole.put(*numbers.next().unwrap(), &mut back);
            }
        }
        assert_eq!(back, text.as_bytes(), "{pattern:?} {holes:?}");
        let shown = pattern.escape_ascii().to_string();
        (shown, holes.len())
    }

    #[test]
    fn numbers_are_found() {
        let shown = |text: &str| round(text).0;
        assert_eq!(
            shown("order 17 took 0.060 ms"),
            r"order \xff took \xff.\xfe\x03 ms"
        );
        assert_eq!(
            shown("by 00cafe12 at db16, v2"),
            r"by \xfd\x08 at \xfd\x04, v\xff"
        );
        assert_eq!(shown("000 face 0"), r"\xfe\x03 face \xff");
        assert_eq!(round("0123456789012345678901234567890123456789").1, 3);
        assert_eq!(round("0123456789abcdef0123456789abcdef01").1, 3);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "[ .0-9a-gé-]{0,60}") {
            round(&text);
        }
    }
}
