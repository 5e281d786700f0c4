//! Finds the place in the file of a place in a scalar: a fault in a condition has its place in the decoded text.

use crate::yaml::{Node, Place};

/// Stands before the place that is looked for. It continues no escape.
const MARK: &str = "x";

/// No line break with indentation is longer, in bytes.
const FAR: usize = 256;

/// What makes a beginning of a scalar whole: plain, quoted, and blocks, which the reader gives without their head.
const STYLES: [(&str, &str); 5] = [("", ""), ("", "'"), ("", "\""), ("|\n", ""), (">\n", "")];

/// The place in the file of the character at `offset`, in bytes, of the text `decoded` that the node has there.
///
/// A YAML reader tells where a scalar is, not where each of its characters is. So it reads the beginnings of the
/// scalar, each with a mark at its end: where the mark comes right before the character, there it is. The last such
/// place counts; those before it are line breaks and indentation.
pub(super) fn within(file: &str, node: &Node, decoded: &str, offset: usize) -> Place {
    let (before, after) = decoded.split_at_checked(offset).unwrap_or((decoded, ""));
    // What ends a block has no place of its own.
    let before = if after.trim().is_empty() {
        decoded.trim_end()
    } else {
        before
    };
    let marked = format!("{}{MARK}", before.trim_start());
    let indentation = " ".repeat(node.place.column - 1);
    let ends_before = |beginning: &&str| {
        STYLES.iter().any(|(open, close)| {
            let scalar = format!("{open}{indentation}{beginning}{MARK}{close}");
            serde_saphyr::from_str::<String>(&scalar).is_ok_and(|text| text.trim() == marked)
        })
    };
    let raw = file.get(node.bytes.clone()).unwrap_or_default();
    // What is written is hardly shorter than what it means, so the first that are tried are mostly near the place.
    let ends = raw.char_indices().map(|(at, _)| at).chain([raw.len()]);
    let mut beginning: Option<&str> = None;
    for end in ends.filter(|end| *end >= before.trim_start().len()) {
        if ends_before(&&raw[..end]) {
            beginning = raw.get(..end);
        } else if beginning.is_some_and(|good| end > good.len() + FAR) {
            break;
        }
    }
    node.place.after(beginning.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Tree;

    /// Each letter of the text in the file is found where it is in the decoded text.
    fn found(file: &str) {
        let document = Node::parse(file).unwrap();
        let node = document.get("x").unwrap();
        let Tree::Text(decoded) = &node.tree else {
            panic!("{node:?}")
        };
        for (offset, letter) in decoded.match_indices(|c: char| c.is_ascii_uppercase()) {
            let place = within(file, node, decoded, offset);
            let line = file.lines().nth(place.line - 1).unwrap();
            let found: String = line.chars().skip(place.column - 1).take(1).collect();
            assert_eq!(found, letter, "{file:?} {place:?}");
        }
    }

    #[test]
    fn places_in_scalars_of_every_style() {
        found("x: a == B && ü < C");
        found("x: '''A == ''B'' && C'");
        found(r#"x: "\u00e4 \"A\" \n B \x61 C""#);
        found("x:\n  ü a\n    B\n    C\nz: 1");
        found("x: &a !!str a\n B # a comment\n");
        found("z: 1\nx: |\n  a A\n    b B\n\n  C\n");
        found("x: >-\n  a A\n  b B\n\n\n  C\n   D\n");
        found("x: | # a comment\n\n  a A\n    b B\n");
        found("x: 'a\n  B\n  C'\n");
        found("x: ${A}:${B}\nz: 1");
    }
}
