//! Phrases: words that stand next to each other in a text of a record.

use distlog_proto::RecordRef;
use distlog_store::{TextPart, any_text, begins_with, is_word, lowercase, words};

use super::QueryError;

/// A text to search for, or a condition, has so many bytes at most.
pub const MAX_TEXT: usize = 16 << 10;
/// A query has so many words at most.
const MAX_WORDS: usize = 64;
/// So many bytes of a word are looked for in batches.
const MAX_PART: usize = 64;

/// Words that stand next to each other.
#[derive(Debug, Clone)]
pub struct Phrase {
    /// In lowercase.
    words: Vec<String>,
    /// The last word is the beginning of one.
    prefix: bool,
    /// A part of a word, as it stands in the bytes of a batch.
    stored: Option<TextPart>,
}

impl Phrase {
    /// Reads phrases: quotes hold the words of one together, a word without quotes is one by itself, `*` behind the
    /// last word stands for any ending.
    ///
    /// # Errors
    /// If there are too many words, or a phrase has none.
    pub fn parse(text: &str) -> Result<Vec<Phrase>, QueryError> {
        if text.len() > MAX_TEXT {
            let found = format!("{} bytes", text.len());
            let expected = format!("at most {MAX_TEXT} bytes");
            return Err(QueryError::parameter("q", found, expected));
        }
        let phrases: Vec<Phrase> = pieces(text).map(Phrase::new).collect::<Result<_, _>>()?;
        let all: usize = phrases.iter().map(|phrase| phrase.words.len()).sum();
        if all > MAX_WORDS {
            let found = format!("{all} words");
            let expected = format!("at most {MAX_WORDS} words");
            return Err(QueryError::parameter("q", found, expected));
        }
        Ok(phrases)
    }

    fn new(text: &str) -> Result<Phrase, QueryError> {
        let text = text.trim_end();
        let words: Vec<String> = words(text).map(lowercase).collect();
        if words.is_empty() {
            return Err(QueryError::parameter(
                "q",
                format_args!("`{text}`"),
                "a word of letters or digits in each phrase",
            ));
        }
        let prefix = text.ends_with('*');
        Ok(Phrase {
            stored: stored_part(&words, prefix).and_then(TextPart::new),
            prefix,
            words,
        })
    }

    /// Its words, in lowercase, without the beginning of one.
    pub fn whole_words(&self) -> impl Iterator<Item = &str> {
        let whole = self.words.len() - usize::from(self.prefix);
        self.words.iter().take(whole).map(String::as_str)
    }

    /// What stands in the bytes of each batch that has it.
    pub fn stored(&self) -> Option<&TextPart> {
        self.stored.as_ref()
    }

    /// Whether the bytes of a batch may hold it.
    pub fn may_be_in(&self, batch: &[u8]) -> bool {
        self.stored.as_ref().is_none_or(|part| part.is_in(batch))
    }

    /// Whether a text of the record has it.
    pub fn is_in(&self, record: &RecordRef<'_>) -> bool {
        any_text(record, &mut |text| self.stands_in(text))
    }

    fn stands_in(&self, text: &str) -> bool {
        let mut from = words(text);
        loop {
            let mut ahead = from.clone();
            if self.matches(&mut ahead) {
                return true;
            }
            if from.next().is_none() {
                return false;
            }
        }
    }

    fn matches<'t>(&self, found: &mut impl Iterator<Item = &'t str>) -> bool {
        let last = self.words.len() - 1;
        self.words.iter().enumerate().all(|(at, word)| {
            found.next().is_some_and(|found| {
                if self.prefix && at == last {
                    begins_with(found, word)
                } else {
                    is_word(found, word)
                }
            })
        })
    }
}

/// The longest part of these words that stands in the bytes of every batch that has them, but for the case of ASCII
/// letters. The rarest is probably the longest.
fn stored_part(words: &[String], prefix: bool) -> Option<&str> {
    // The begin of a word may end within the lowercase of `İ`.
    let (last, others) = words.split_last()?;
    let last = match prefix {
        true => last.trim_end_matches('i'),
        false => last,
    };
    others
        .iter()
        .map(String::as_str)
        .chain([last])
        // What is all digits may be a number, and `İ` is an `i` with a dot in lowercase.
        .filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit()) && !word.contains('\u{307}'))
        // The Kelvin sign is a `k` in lowercase.
        .flat_map(|word| word.split(|c: char| !c.is_ascii() || c == 'k'))
        .map(|part| &part[..part.len().min(MAX_PART)])
        .filter(|part| part.len() > 1)
        .max_by_key(|part| part.len())
}

/// The phrases in a text. A quote that is not closed goes to the end.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '"');
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_in(query: &str, text: &str) -> bool {
        let phrases = Phrase::parse(query).unwrap();
        let found = phrases.iter().all(|phrase| phrase.stands_in(text));
        if found {
            let stored = phrases
                .iter()
                .all(|phrase| phrase.may_be_in(text.as_bytes()));
            assert!(stored, "{query} in {text}");
        }
        found
    }

    #[test]
    fn words_prefixes_and_phrases_are_found() {
        const TEXT: &str =
            "Order 17 of user_id=Größe was REFUSED: card expired, \u{212a}elvin, DİYARBAKIR";
        for query in [
            "order",
            "ORDER 17",
            "\"order 17\"",
            "\"order: 17, of\"",
            "card refused",
            "refu*",
            "\"card exp*\"",
            "\"order 17\"refused",
            "grösse größe*",
            "kelvin",
            "user_id",
            "\"was refused",
            "di*",
            "",
        ] {
            let expected = query != "grösse größe*";
            assert_eq!(all_in(query, TEXT), expected, "{query}");
        }
        for query in [
            "ord",
            "\"17 order\"",
            "\"order of\"",
            "user",
            "expiredd",
            "\"car* exp\"",
        ] {
            assert!(!all_in(query, TEXT), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        for (query, found) in [
            ("--".to_owned(), "`--`"),
            ("order \"\"".to_owned(), "``"),
            ("*".to_owned(), "`*`"),
            ("a ".repeat(65), "65 words"),
            ("a".repeat(MAX_TEXT + 1), "16385 bytes"),
        ] {
            let error = Phrase::parse(&query).unwrap_err().to_string();
            assert!(error.contains(&format!("found {found}, ")), "{error}");
        }
        let long = "ä".repeat(MAX_TEXT / 2);
        assert!(all_in(&long, &long.to_uppercase()));
    }
}
