//! Texts as PostgreSQL takes them: neither `text` nor `jsonb` can hold the character U+0000.

use std::borrow::Cow;

/// Stands for U+0000: its picture.
const NUL: &str = "\u{2400}";
/// As JSON writes U+0000.
const ESCAPED_NUL: &str = "\\u0000";

/// A text without U+0000.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) {
        Cow::Owned(text.replace('\0', NUL))
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON without an escaped U+0000.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPED_NUL) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = escape.strip_prefix(ESCAPED_NUL) {
            out.push_str(NUL);
            rest = after;
        } else {
            // The character behind the backslash begins no escape of its own.
            let end = escape
                .char_indices()
                .nth(2)
                .map_or(escape.len(), |(at, _)| at);
            out.push_str(&escape[..end]);
            rest = &escape[end..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The longest service in bytes: longer values do not fit into an index.
const MAX_INDEXED: usize = 1000;

/// A text that stands in an index, cut where it is too long.
pub(crate) fn indexed(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_INDEXED {
        return Cow::Borrowed(text);
    }
    let ends = (0..=MAX_INDEXED).rev();
    let end = ends.into_iter().find(|end| text.is_char_boundary(*end));
    Cow::Owned(format!("{}…", &text[..end.unwrap_or_default()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_visibly_and_nothing_else() {
        assert_eq!(plain("a\0b\0"), "a␀b␀");
        assert_eq!(plain("ab"), "ab");
        for (text, expected) in [
            (r#"{"a":"\u0000"}"#, r#"{"a":"␀"}"#),
            (r#"{"a":"\\u0000"}"#, r#"{"a":"\\u0000"}"#),
            (r#"{"a":"\\\u0000\u00001"}"#, r#"{"a":"\\␀␀1"}"#),
            (r#"{"\u0000":"\n\"\u0001"}"#, r#"{"␀":"\n\"\u0001"}"#),
        ] {
            assert_eq!(json(text), expected);
            let _: serde_json::Value = serde_json::from_str(&json(text)).unwrap();
        }
    }

    #[test]
    fn what_is_indexed_has_an_end() {
        assert_eq!(indexed("shop"), "shop");
        let long = "ä".repeat(4000);
        let cut = indexed(&long);
        assert!(cut.len() < 1010 && cut.ends_with("ä…"));
    }
}
