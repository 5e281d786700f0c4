//! `function` is one of our names, but a word that CEL keeps for itself: the parser gets another word of the same length.

use std::borrow::Cow;

/// What the parser sees instead of [`NAME`].
pub(super) const STAND_IN: &str = "__func__";
/// The name that users write.
pub(super) const NAME: &str = "function";

/// Puts the stand-in where the name stands alone: not in a string or comment, not after a dot.
pub(super) fn replace(text: &str) -> Cow<'_, str> {
    if !text.contains(NAME) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\'' | '"' => string(rest, out.ends_with(['r', 'R'])),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let word = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                if &rest[..word] == NAME && !out.trim_end().ends_with('.') {
                    out.push_str(STAND_IN);
                    rest = &rest[word..];
                    continue;
                }
                word
            }
            c => c.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out.into()
}

/// Length of the string that `text` begins with, quotes included.
pub(super) fn string(text: &str, raw: bool) -> usize {
    let single = &text[..1];
    let quote = if text[1..].starts_with(&single.repeat(2)) {
        single.repeat(3)
    } else {
        single.to_owned()
    };
    let mut at = quote.len();
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(&quote) {
            return at + quote.len();
        }
        at += c.len_utf8();
        if c == '\\' && !raw {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_itself_is_replaced() {
        for (text, seen) in [
            ("function == 'function'", "__func__ == 'function'"),
            (
                r"function == 'a\'function' && function != r'\'",
                r"__func__ == 'a\'function' && __func__ != r'\'",
            ),
            (
                "fields.function == functions && my_function",
                "fields.function == functions && my_function",
            ),
            (
                "'''it's function''' == \"\" + function // function",
                "'''it's function''' == \"\" + __func__ // function",
            ),
            (
                "'ü' == function && 'function",
                "'ü' == __func__ && 'function",
            ),
        ] {
            assert_eq!(replace(text), seen);
        }
    }
}
