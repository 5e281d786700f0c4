//! Which records were seen: a bit for each, by producer and offset, or by run, thread and number.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Deserializer};

/// Bits of a page.
const PAGE: u64 = 1 << 15;

/// A set of numbers, of which many lie close together.
#[derive(Debug, Default)]
pub struct Bits {
    pages: HashMap<u64, Box<[u64; (PAGE / 64) as usize]>>,
    count: u64,
    last: Option<u64>,
}

impl Bits {
    /// Adds a number; false if it was there.
    pub fn add(&mut self, number: u64) -> bool {
        let page = self
            .pages
            .entry(number / PAGE)
            .or_insert_with(|| Box::new([0; (PAGE / 64) as usize]));
        let (word, bit) = (&mut page[(number % PAGE / 64) as usize], 1 << (number % 64));
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(new);
        self.last = self.last.max(Some(number));
        new
    }

    /// Whether it is there.
    pub fn has(&self, number: u64) -> bool {
        self.pages
            .get(&(number / PAGE))
            .is_some_and(|page| page[(number % PAGE / 64) as usize] & (1 << (number % 64)) != 0)
    }

    /// The greatest.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// All, in no order.
    fn iter(&self) -> impl Iterator<Item = u64> {
        self.pages.iter().flat_map(|(page, words)| {
            let bits = move |(at, word): (usize, &u64)| {
                let (at, word) = (page * PAGE + at as u64 * 64, *word);
                (0..64)
                    .filter(move |bit| word & (1 << bit) != 0)
                    .map(move |bit| at + bit)
            };
            words.iter().enumerate().flat_map(bits)
        })
    }
}

/// Numbers for each key.
#[derive(Debug)]
pub struct SeenSet<K> {
    of: HashMap<K, Bits>,
    /// What was added and was there already, each time that it was.
    pub repeated: Vec<(K, u64)>,
}

impl<K> Default for SeenSet<K> {
    fn default() -> SeenSet<K> {
        SeenSet {
            of: HashMap::new(),
            repeated: Vec::new(),
        }
    }
}

impl<K: Eq + Hash + Copy> SeenSet<K> {
    /// Adds one; false if it was there.
    pub fn add(&mut self, key: K, number: u64) -> bool {
        let new = self.of.entry(key).or_default().add(number);
        if !new {
            self.repeated.push((key, number));
        }
        new
    }

    /// Adds what another has. What both have is not repeated by that.
    pub fn absorb(&mut self, other: &SeenSet<K>) {
        for (key, bits) in &other.of {
            let own = self.of.entry(*key).or_default();
            bits.iter().for_each(|number| _ = own.add(number));
        }
        self.repeated.extend_from_slice(&other.repeated);
    }

    /// How often something was added that was there already.
    pub fn twice(&self) -> u64 {
        self.repeated.len() as u64
    }

    /// Whether it was added.
    pub fn has(&self, key: K, number: u64) -> bool {
        self.of(key).is_some_and(|bits| bits.has(number))
    }

    /// The numbers of a key.
    pub fn of(&self, key: K) -> Option<&Bits> {
        self.of.get(&key)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.of.keys().copied()
    }

    /// How many different ones were added.
    pub fn count(&self) -> u64 {
        self.of.values().map(|bits| bits.count).sum()
    }

    /// What is here and not in `other`.
    pub fn without<'a>(&'a self, other: &'a SeenSet<K>) -> impl Iterator<Item = (K, u64)> + 'a {
        self.of.iter().flat_map(move |(key, bits)| {
            let there = other.of(*key);
            bits.iter()
                .filter(move |number| there.is_none_or(|there| !there.has(*number)))
                .map(move |number| (*key, number))
        })
    }
}

/// What a record is known by, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// Producer.
    #[serde(default, deserialize_with = "producer")]
    pub producer: [u8; 16],
    /// Offset at the producer.
    #[serde(default)]
    pub offset: u64,
}

impl Identity {
    /// Length of its bytes.
    pub const BYTES: usize = 24;

    /// For a file.
    pub fn to_bytes(self) -> [u8; Identity::BYTES] {
        let mut bytes = [0; Identity::BYTES];
        bytes[..16].copy_from_slice(&self.producer);
        bytes[16..].copy_from_slice(&self.offset.to_le_bytes());
        bytes
    }

    /// From a file.
    pub fn from_bytes(bytes: &[u8; Identity::BYTES]) -> Identity {
        let (producer, offset) = bytes.split_at(16);
        Identity {
            producer: producer.try_into().unwrap(),
            offset: u64::from_le_bytes(offset.try_into().unwrap()),
        }
    }
}

/// Hex digits, whatever stands between them.
fn producer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16)
        .map(u128::to_be_bytes)
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_twice_or_missing_is_known() {
        let (mut one, mut other) = (SeenSet::default(), SeenSet::default());
        for number in [0, 63, 64, PAGE - 1, PAGE, 1 << 40] {
            assert!(one.add('a', number));
            assert!(other.add('a', number) && !other.add('a', number));
        }
        one.add('b', 5);
        assert_eq!((one.count(), one.twice(), other.twice()), (7, 0, 6));
        assert_eq!(one.of('a').unwrap().last(), Some(1 << 40));
        assert_eq!(one.without(&other).collect::<Vec<_>>(), [('b', 5)]);
        assert_eq!(other.without(&one).count(), 0);
        assert!(one.has('b', 5) && !other.has('b', 5));
        other.absorb(&one);
        assert_eq!((other.count(), other.twice()), (7, 6));
    }

    #[test]
    fn an_identity_is_read_from_json_and_from_its_own_bytes() {
        let text = r#"{"producer":"00000000-0000-0000-0000-0000000001ff","offset":7,"x":1}"#;
        let mut expected = Identity {
            producer: 0x1ff_u128.to_be_bytes(),
            offset: 7,
        };
        assert_eq!(serde_json::from_str::<Identity>(text).unwrap(), expected);
        assert_eq!(Identity::from_bytes(&expected.to_bytes()), expected);
        expected = Identity {
            producer: [0; 16],
            offset: 0,
        };
        assert_eq!(serde_json::from_str::<Identity>("{}").unwrap(), expected);
    }
}
