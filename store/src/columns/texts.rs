//! Columns of texts and other bytes.
//!
//! One of: a dictionary and the places in it; patterns and the numbers that stand in them (`order # of customer #`);
//! all of them one after the other. Numbers in texts are most of what differs between the messages of a program, and as
//! columns of numbers they take a third of what they take as text.

use std::borrow::Cow;
use std::io;

use hashbrown::HashMap;

use super::numbers;
use super::pattern::{self, Hole};
use super::stream::{Reader, Unpack, Writer};
use super::text_list::Texts;
use crate::text_part::TextPart;
use crate::words::words;

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;
const PATTERNS: u8 = 2;

/// A column whose values hardly repeat after so many gets no dictionary.
const SAMPLE: usize = 256;
/// More patterns than this are no patterns.
const MAX_PATTERNS: usize = 1024;

/// Numbers below this are noted when a word has one.
const SMALL: usize = 4096;

/// The different values of a column, and for each of its values which one it is.
pub(super) fn distinct(texts: &Texts, most: usize) -> Option<(Texts, Vec<u64>)> {
    let mut places: HashMap<&[u8], u64> = HashMap::new();
    let mut values = Texts::default();
    let mut at = Vec::with_capacity(texts.len());
    for text in texts.iter() {
        let next = values.len() as u64;
        let place = *places.entry(text).or_insert(next);
        if place == next {
            if values.len() == most || (at.len() >= SAMPLE && values.len() > at.len() / 8 * 7) {
                return None;
            }
            values.push(text);
        }
        at.push(place);
    }
    Some((values, at))
}

/// A column as it is written.
pub(super) struct Encoded<'t> {
    values: Values<'t>,
    /// Of a dictionary which value each text is.
    places: Option<Vec<u64>>,
}

/// Different texts, or all of them.
enum Values<'t> {
    Patterns(Patterns),
    Plain(Cow<'t, Texts>),
}

impl<'t> Encoded<'t> {
    pub(super) fn of(texts: &'t Texts) -> Encoded<'t> {
        let (texts, places) = match distinct(texts, texts.len() / 2 + 1) {
            Some((values, places)) if texts.len() > 1 => (Cow::Owned(values), Some(places)),
            _ => (Cow::Borrowed(texts), None),
        };
        let values = match Patterns::of(&texts) {
            Some(patterns) => Values::Patterns(patterns),
            None => Values::Plain(texts),
        };
        Encoded { values, places }
    }

    pub(super) fn put(&self, out: &mut Writer) -> io::Result<()> {
        if let Some(places) = &self.places {
            out.byte(DICTIONARY);
            out.varint(places.iter().max().map_or(0, |last| last + 1));
            self.put_values(out)?;
            return numbers::put(places, out);
        }
        self.put_values(out)
    }

    fn put_values(&self, out: &mut Writer) -> io::Result<()> {
        match &self.values {
            Values::Patterns(patterns) => {
                out.byte(PATTERNS);
                patterns.put(out)
            }
            Values::Plain(texts) => {
                out.byte(PLAIN);
                texts.put(out)
            }
        }
    }

    /// Shows the words of all texts, each at least once.
    pub(super) fn words(&self, show: &mut dyn FnMut(&str)) {
        match &self.values {
            Values::Patterns(patterns) => patterns.words(show),
            Values::Plain(texts) => texts
                .iter()
                .flat_map(|text| words(std::str::from_utf8(text).unwrap_or_default()))
                .for_each(show),
        }
    }
}

/// Texts as patterns and numbers.
struct Patterns {
    patterns: Texts,
    /// Which pattern each text has.
    places: Vec<u64>,
    /// For each pattern, for each hole, the numbers.
    numbers: Vec<Vec<Vec<u64>>>,
}

impl Patterns {
    fn of(texts: &Texts) -> Option<Patterns> {
        if texts.len() < 16 || texts.bytes.iter().any(|byte| *byte >= pattern::FIRST) {
            return None;
        }
        let most = MAX_PATTERNS.min(texts.len() / 8);
        let mut known: HashMap<Vec<u8>, u64> = HashMap::new();
        let mut found = Patterns {
            patterns: Texts::default(),
            places: Vec::with_capacity(texts.len()),
            numbers: Vec::new(),
        };
        let (mut pattern, mut holes) = (Vec::new(), Vec::new());
        for text in texts.iter() {
            pattern::split(text, &mut pattern, &mut holes);
            let place = match known.get(&pattern) {
                Some(place) => *place,
                None if known.len() == most => return None,
                None => {
                    let place = known.len() as u64;
                    known.insert(pattern.clone(), place);
                    found.patterns.push(&pattern);
                    found.numbers.push(vec![Vec::new(); holes.len()]);
                    place
                }
            };
            found.places.push(place);
            let columns = found.numbers.get_mut(place as usize)?;
            for (column, number) in columns.iter_mut().zip(&holes) {
                column.push(*number);
            }
        }
        Some(found)
    }

    /// Shows the words of all texts: those without numbers once for each pattern.
    fn words(&self, show: &mut dyn FnMut(&str)) {
        let mut word = Vec::new();
        for (pattern, columns) in self.patterns.iter().zip(&self.numbers) {
            let Some(recipes) = pattern::words(pattern, show) else {
                continue;
            };
            for recipe in recipes {
                let numbered = recipe.iter().find_map(|(_, hole)| columns.get((*hole)?.1));
                let holes = recipe.iter().filter(|(_, hole)| hole.is_some()).count();
                let mut shown = [0u64; SMALL / 64];
                for text in 0..numbered.map_or(0, Vec::len) {
                    // Most words have one number, and that is small and repeats.
                    if holes == 1
                        && let Some(number) = numbered.and_then(|numbers| numbers.get(text))
                        && *number < SMALL as u64
                    {
                        let (at, bit) = ((number / 64) as usize, 1 << (number % 64));
                        let before = shown[at];
                        shown[at] |= bit;
                        if before & bit != 0 {
                            continue;
                        }
                    }
                    word.clear();
                    for (letters, hole) in &recipe {
                        word.extend_from_slice(letters);
                        if let Some((hole, column)) = hole
                            && let Some(number) = columns.get(*column).and_then(|c| c.get(text))
                        {
                            hole.put(*number, &mut word);
                        }
                    }
                    show(std::str::from_utf8(&word).unwrap_or_default());
                }
            }
        }
    }

    fn put(&self, out: &mut Writer) -> io::Result<()> {
        out.varint(self.patterns.len() as u64);
        self.patterns.put(out)?;
        numbers::put(&self.places, out)?;
        for column in self.numbers.iter().flatten() {
            numbers::put(column, out)?;
        }
        Ok(())
    }
}

/// In which values of a column a part of a text stands, by its patterns.
pub(super) enum InPatterns {
    /// It has none, or they do not tell.
    Unknown,
    None,
    Values(Vec<bool>),
}

/// Of values in some places what is known of these.
fn of_places(known: &[bool], places: &[u64]) -> Vec<bool> {
    let of = |place: &u64| known.get(*place as usize).is_some_and(|known| *known);
    places.iter().map(of).collect()
}

/// For each value of a column whether it is wanted; `None` where most are. It is asked where that makes a difference.
pub(super) type WantedValues<'w> = &'w dyn Fn() -> Option<Vec<bool>>;

/// A column that is read.
pub(super) enum Column {
    Plain(Texts),
    Dictionary(Texts, Vec<u64>),
}

impl Column {
    /// Reads a column of `count` values that are `most` bytes at most together.
    pub(super) fn take(
        input: &mut Reader<'_>,
        count: usize,
        most: usize,
        unpack: &mut Unpack,
    ) -> Option<Column> {
        Column::take_some(input, count, most, &|| None, unpack)
    }

    /// The same where only some values are wanted: in the place of others may be nothing.
    pub(super) fn take_some(
        input: &mut Reader<'_>,
        count: usize,
        most: usize,
        wanted: WantedValues<'_>,
        unpack: &mut Unpack,
    ) -> Option<Column> {
        match input.byte()? {
            DICTIONARY => {
                let values = input.count(count)?;
                let kind = input.byte()?;
                let texts = take_values(kind, input, values, most, &|| None, unpack)?;
                let mut places = Vec::new();
                numbers::take(input, count, unpack, &mut places)?;
                let good = places.iter().all(|place| *place < values as u64);
                good.then_some(Column::Dictionary(texts, places))
            }
            kind => take_values(kind, input, count, most, wanted, unpack).map(Column::Plain),
        }
    }

    /// What the patterns of a column tell about where a part stands that is all letters ([`TextPart::is_letters`]): its
    /// numbers are not read.
    pub(super) fn having_in_patterns(
        input: &mut Reader<'_>,
        (count, most): (usize, usize),
        part: &TextPart,
        unpack: &mut Unpack,
    ) -> Option<InPatterns> {
        let kind = input.byte()?;
        let is_dictionary = kind == DICTIONARY;
        let kind = if is_dictionary {
            input.count(count)?;
            input.byte()?
        } else {
            kind
        };
        if kind != PATTERNS {
            return Some(InPatterns::Unknown);
        }
        let patterns = take_pattern_list(input, most, unpack)?;
        let Some(having) = patterns.having(part) else {
            return Some(InPatterns::None);
        };
        if is_dictionary {
            return Some(InPatterns::Unknown);
        }
        let mut places = Vec::new();
        numbers::take(input, count, unpack, &mut places)?;
        Some(InPatterns::Values(of_places(&having, &places)))
    }

    /// For each value whether a part of a text stands in it; `None` if it stands in none.
    pub(super) fn having(&self, part: &TextPart) -> Option<Vec<bool>> {
        match self {
            Column::Plain(texts) => texts.having(part),
            Column::Dictionary(texts, places) => Some(of_places(&texts.having(part)?, places)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Column::Plain(texts) => texts.len(),
            Column::Dictionary(_, places) => places.len(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map_while(|at| self.get(at))
    }

    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        match self {
            Column::Plain(texts) => texts.get(at),
            Column::Dictionary(texts, places) => texts.get(*places.get(at)? as usize),
        }
    }
}

fn take_values(
    kind: u8,
    input: &mut Reader<'_>,
    count: usize,
    most: usize,
    wanted: WantedValues<'_>,
    unpack: &mut Unpack,
) -> Option<Texts> {
    match kind {
        PLAIN => Texts::take(input, count, most, unpack),
        PATTERNS => take_patterns(input, count, most, wanted, unpack),
        _ => None,
    }
}

fn take_pattern_list(input: &mut Reader<'_>, most: usize, unpack: &mut Unpack) -> Option<Texts> {
    let patterns = input.count(MAX_PATTERNS)?;
    Texts::take(input, patterns, most, unpack)
}

fn take_patterns(
    input: &mut Reader<'_>,
    count: usize,
    most: usize,
    wanted: WantedValues<'_>,
    unpack: &mut Unpack,
) -> Option<Texts> {
    let patterns = take_pattern_list(input, most, unpack)?;
    let mut places = Vec::new();
    numbers::take(input, count, unpack, &mut places)?;
    let mut uses = vec![0usize; patterns.len()];
    for place in &places {
        *uses.get_mut(usize::try_from(*place).ok()?)? += 1;
    }
    // The numbers of all columns, one column after the other; of each pattern its parts and where its columns are.
    let mut numbers = Vec::new();
    let mut columns = Vec::with_capacity(patterns.len());
    for (pattern, uses) in patterns.iter().zip(&uses) {
        let parts = pattern::parts(pattern)?;
        let start = numbers.len();
        if uses.checked_mul(parts.len())? > most + patterns.len() {
            return None;
        }
        for (_, hole) in &parts {
            if *hole != Hole::None {
                numbers::take(input, *uses, unpack, &mut numbers)?;
            }
        }
        columns.push((parts, start, *uses, 0usize));
    }
    let wanted = wanted();
    let mut texts = Texts::default();
    for (value, place) in places.into_iter().enumerate() {
        let (parts, start, uses, next) = columns.get_mut(place as usize)?;
        let mut at = *start + *next;
        *next += 1;
        let is_wanted =
            (wanted.as_ref()).is_none_or(|wanted| wanted.get(value).is_some_and(|w| *w));
        for (text, hole) in parts.iter().filter(|_| is_wanted) {
            texts.bytes.extend_from_slice(text);
            if *hole != Hole::None {
                hole.put(*numbers.get(at)?, &mut texts.bytes);
                at += *uses;
            }
        }
        if texts.bytes.len() > most {
            return None;
        }
        texts.ends.push(texts.bytes.len() as u32);
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round<T: AsRef<[u8]>>(values: &[T]) -> usize {
        let mut texts = Texts::default();
        values.iter().for_each(|value| texts.push(value.as_ref()));
        let mut out = Writer::default();
        Encoded::of(&texts).put(&mut out).unwrap();
        let mut input = Reader::new(&out.bytes);
        let mut unpack = Unpack::default();
        let column =
            Column::take(&mut input, values.len(), texts.bytes.len(), &mut unpack).unwrap();
        for (at, value) in values.iter().enumerate() {
            assert_eq!(column.get(at), Some(value.as_ref()), "{at}");
        }
        assert_eq!(column.get(values.len()), None);
        out.bytes.len()
    }

    #[test]
    fn what_repeats_takes_little() {
        let routes: Vec<String> = (0..4000)
            .map(|n| format!("/route/{}", n * 7 % 16))
            .collect();
        assert!(round(&routes) < 2500);
        let messages: Vec<String> = (0..4000u64)
            .map(|n| {
                format!(
                    "order {} of customer-{:04} took {} ms",
                    n * 7919,
                    n * 31 % 997,
                    n % 50
                )
            })
            .collect();
        assert!(round(&messages) < 4000 * 6);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..100)
        ) {
            round(&values);
        }

        #[test]
        fn any_texts_come_back(values in proptest::collection::vec("[a0-9.]{0,24}", 0..200)) {
            round(&values);
        }

        #[test]
        fn numbers_in_texts_come_back(values in proptest::collection::vec((any::<u64>(), 0u64..1000), 0..200)) {
            let texts: Vec<String> = values.iter().map(|(a, b)| format!("a {a:05} b{b:03}.0{a}")).collect();
            round(&texts);
        }

        #[test]
        fn any_column_is_borne(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0usize..400) {
            let mut unpack = Unpack::default();
            let _ = Column::take(&mut Reader::new(&bytes), count, 1 << 16, &mut unpack);
        }
    }
}
