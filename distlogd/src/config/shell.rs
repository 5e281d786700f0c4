//! What only a shell understands.

use super::fault::Fault;
use super::node::{Node, Tree};

/// Warns of texts that begin with the home directory as shells write it: as paths they would be folders named `~`.
pub(super) fn homes(node: &Node, warnings: &mut Vec<Fault>) {
    match &node.tree {
        Tree::Text(text) => {
            if let Some(meant) = meant(text) {
                warnings.push(Fault {
                    line: node.place.line,
                    column: node.place.column,
                    message: format!(
                        "`~` is not expanded, it is the name of a folder here: write {meant}"
                    ),
                });
            }
        }
        Tree::List(items) => items.iter().for_each(|item| homes(item, warnings)),
        Tree::Map(entries) => entries.iter().for_each(|(_, value)| homes(value, warnings)),
        _ => {}
    }
}

/// What to write instead of `~`, `~/PATH` or `~USER/PATH`.
fn meant(text: &str) -> Option<String> {
    let path = text.strip_prefix("ipc://").unwrap_or(text);
    let path = path.strip_prefix('~')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match path.split_once('/') {
        None if path.is_empty() => Some("${HOME}".to_owned()),
        Some(("", rest)) => Some(format!("${{HOME}}/{rest}")),
        Some((user, _)) if user.chars().all(plain) => Some("the whole path".to_owned()),
        _ => None,
    }
}
