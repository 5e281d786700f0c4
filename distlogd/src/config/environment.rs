//! Variables of the environment in values: `${NAME}`, `${NAME:-default}`; `$${` is a literal `${`.
//!
//! They are replaced in texts once the document is read, so that no variable can change its structure. Keys are left
//! alone.

use std::collections::HashSet;
use std::env::VarError;

use super::position;
use crate::yaml::{Fault, Node, NodeId, Tree};

/// Looks a variable up: `std::env::var`, or that of a test.
pub(super) type Lookup<'l> = &'l dyn Fn(&str) -> Result<String, VarError>;

/// Replaces the variables in all values. A missing or malformed one is a fault, at its place in `file`, and its node is
/// added to `faulty`.
pub(super) fn replace(
    file: &str,
    node: &mut Node,
    variables: Lookup<'_>,
    faults: &mut Vec<Fault>,
    faulty: &mut HashSet<NodeId>,
) {
    match &mut node.tree {
        Tree::Text(text) if text.contains("${") => match expand(text, variables) {
            Ok(expanded) => {
                *text = expanded;
                node.replaced = true;
            }
            Err(wrong) => {
                let text = text.clone();
                let place = |offset| position::within(file, node, &text, offset);
                faults.extend(
                    wrong
                        .into_iter()
                        .map(|(at, message)| place(at).fault(message)),
                );
                faulty.insert(node.id());
            }
        },
        Tree::List(items) => items
            .iter_mut()
            .for_each(|item| replace(file, item, variables, faults, faulty)),
        Tree::Map(entries) => entries
            .iter_mut()
            .for_each(|(_, value)| replace(file, value, variables, faults, faulty)),
        _ => {}
    }
}

/// The text with its variables replaced, or all faults, each with its offset in bytes.
fn expand(text: &str, variables: Lookup<'_>) -> Result<String, Vec<(usize, String)>> {
    let (mut out, mut wrong) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        let offset = text.len() - rest.len() + at;
        let after = &rest[at + 2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (variable, next) = after.split_once('}').unwrap_or((after, ""));
        let closed = after.len() > variable.len();
        rest = next;
        match value(variable, closed, variables) {
            Ok(value) => out.push_str(&value),
            Err(message) => wrong.push((offset, message)),
        }
    }
    out.push_str(rest);
    if wrong.is_empty() {
        Ok(out)
    } else {
        Err(wrong)
    }
}

/// The value of the text between the braces.
fn value(variable: &str, closed: bool, variables: Lookup<'_>) -> Result<String, String> {
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit());
    if !closed || !named || name.is_empty() {
        return Err(
            "`${` begins no variable: expected ${NAME} or ${NAME:-default}; a literal `${` is written `$${`"
                .to_owned(),
        );
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!(
            "the default of `{name}` has a variable in it, which is not possible: expected a plain text"
        ));
    }
    match (variables(name), default) {
        // As in a shell: an empty one is none.
        (Ok(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Ok(value), _) => Ok(value),
        (Err(VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(VarError::NotPresent), None) => Err(format!(
            "the environment has no `{name}`: set it, or write ${{{name}:-default}}"
        )),
        (Err(VarError::NotUnicode(_)), _) => Err(format!(
            "the variable `{name}` of the environment is not UTF-8"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Vec<(usize, String)>> {
        expand(text, &|name| match name {
            "HOST" => Ok("db1".into()),
            "EMPTY" => Ok(String::new()),
            "NESTED" => Ok("${HOST}".into()),
            _ => Err(VarError::NotPresent),
        })
    }

    #[test]
    fn variables_are_replaced() {
        for (text, becomes) in [
            ("${HOST}", "db1"),
            ("http://${HOST}:${PORT:-4317}/ü", "http://db1:4317/ü"),
            ("${EMPTY}|${EMPTY:-x}|${NONE:-}|", "|x||"),
            ("${NONE:-a:-b c}", "a:-b c"),
            ("$${HOST} costs $5 and $", "${HOST} costs $5 and $"),
            ("$$${HOST}", "$${HOST}"),
            // Values are not expanded again.
            ("${NESTED}", "${HOST}"),
            ("${HOST}}", "db1}"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(becomes), "{text}");
        }
    }

    #[test]
    fn everything_missing_is_reported_at_once() {
        let wrong = expanded("a ${NONE} ${HOST} ${OTHER} ${} ${1X} ${A B} ${HOST").unwrap_err();
        let offsets: Vec<usize> = wrong.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, [2, 18, 27, 31, 37, 44]);
        assert!(wrong[0].1.contains("no `NONE`") && wrong[0].1.contains("${NONE:-default}"));
        assert!(wrong[2..].iter().all(|(_, why)| why.contains("`$${`")));
        // Neither silently half of it nor the text of it.
        for text in ["${HOST:-${NONE}}", "${NONE:-${HOST}}"] {
            let wrong = expanded(text).unwrap_err();
            assert!(wrong[0].1.contains("has a variable in it"), "{wrong:?}");
        }
    }
}
