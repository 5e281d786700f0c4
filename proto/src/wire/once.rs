//! Names that stand twice: found at hardly any cost where there are none.

use std::collections::HashMap;

/// With more names than these nobody looks through all of them to find out whether one stands twice.
const FEW: usize = 64;
/// So many bytes of fields hold so few names that a filter of one word tells most of them apart.
const SMALL: usize = 320;

/// Which names were seen, about.
#[derive(Debug)]
pub(super) struct Seen {
    filter: Filter,
    count: usize,
}

/// A bit for each name, by its hash.
#[derive(Debug)]
enum Filter {
    Small(u64),
    Large([u64; 16]),
}

impl Seen {
    /// For names that stand in so many bytes.
    #[inline]
    pub(super) fn new(bytes: usize) -> Seen {
        Seen {
            filter: if bytes <= SMALL {
                Filter::Small(0)
            } else {
                Filter::Large([0; 16])
            },
            count: 0,
        }
    }

    /// Notes a name. False if it was surely not seen before.
    #[inline]
    pub(super) fn perhaps(&mut self, name: &str) -> bool {
        self.count += 1;
        let (word, bit) = match &mut self.filter {
            Filter::Small(word) => (word, rough_hash(name.as_bytes()) >> 58),
            Filter::Large(words) => {
                let hash = hash(name.as_bytes());
                // The index has four bits.
                (&mut words[(hash >> 54 & 15) as usize], hash >> 58)
            }
        };
        let known = *word >> bit & 1 != 0;
        *word |= 1 << bit;
        known
    }

    /// How many were seen before the last one; `None` if very many.
    pub(super) fn before(&self) -> Option<usize> {
        (self.count <= FEW).then(|| self.count - 1)
    }
}

/// Of length, first, last and middle byte.
#[inline]
fn rough_hash(name: &[u8]) -> u64 {
    let ([first, ..], [.., last]) = (name, name) else {
        return 0;
    };
    let middle = name[name.len() / 2];
    let word = u64::from(*first) << 24 | u64::from(middle) << 16 | u64::from(*last) << 8;
    (word ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Of length, beginning and end: names of up to 16 bytes count whole.
#[inline]
fn hash(name: &[u8]) -> u64 {
    let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) else {
        let word = name.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        return word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    };
    let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    let mixed = first ^ last.rotate_left(29) ^ (name.len() as u64) << 3;
    (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Messages with names, each name once.
#[derive(Debug, Clone)]
pub(super) enum Once<I: Iterator> {
    /// No name is repeated.
    All(I),
    /// Those that count.
    Chosen(std::vec::IntoIter<I::Item>),
}

/// Of each name the last message, in the place of the first. It takes memory for all of them: only where names repeat.
#[cold]
pub(super) fn once<'a, I>(messages: I, name: impl Fn(&'a [u8]) -> &'a str) -> Once<I>
where
    I: Iterator<Item = &'a [u8]>,
{
    let mut places = HashMap::new();
    let mut chosen = Vec::new();
    for bytes in messages {
        let place = *places.entry(name(bytes)).or_insert(chosen.len());
        match chosen.get_mut(place) {
            Some(known) => *known = bytes,
            None => chosen.push(bytes),
        }
    }
    Once::Chosen(chosen.into_iter())
}

impl<I: Iterator> Iterator for Once<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        match self {
            Once::All(messages) => messages.next(),
            Once::Chosen(messages) => next(messages),
        }
    }
}

#[cold]
fn next<T>(messages: &mut std::vec::IntoIter<T>) -> Option<T> {
    messages.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_seen_is_known_again_and_few_others_are() {
        for (bytes, count) in [(0, 4), (SMALL + 1, 8), (SMALL + 1, 30)] {
            let names: Vec<String> = (0..count)
                .map(|n| format!("http.request.header.{n}"))
                .collect();
            let mut seen = Seen::new(bytes);
            let wrong = names.iter().filter(|name| seen.perhaps(name)).count();
            assert!(wrong <= 4, "{wrong} of {count}");
            assert!(names.iter().all(|name| seen.perhaps(name)));
        }
        let names = [
            "", "a", "b", "ab", "item", "shelf", "price", "user", "user_id",
        ];
        for bytes in [0, SMALL + 1] {
            let mut seen = Seen::new(bytes);
            let wrong = names.iter().filter(|name| seen.perhaps(name)).count();
            assert!(wrong <= 1, "{wrong}");
        }
    }
}
