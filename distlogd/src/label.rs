//! Texts that others chose, as labels of metrics.

use std::borrow::Cow;

/// A text as the value of a label has to be: the library writes it as it is, and one quote would make all that is behind
/// it unreadable.
pub(crate) fn value(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    escaped.replace('\n', "\\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_label_is_escaped() {
        assert_eq!(value("shop"), "shop");
        assert_eq!(value("a \"b\"\\c\nd"), "a \\\"b\\\"\\\\c\\nd");
    }
}
