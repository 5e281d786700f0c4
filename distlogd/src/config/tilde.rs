//! Paths that begin with `~`, which only a shell expands.

use crate::yaml::{Fault, Node, Tree};

/// Warns of texts that begin with a home directory: as paths they name a folder `~`.
pub(super) fn warn(node: &Node, warnings: &mut Vec<Fault>) {
    if let Tree::Text(text) = &node.tree
        && let Some(meant) = meant(text)
    {
        warnings.push(node.place.fault(format!(
            "`~` is not expanded, it is the name of a folder here: write {meant}"
        )));
    }
    for child in node.children() {
        warn(child, warnings);
    }
}

/// The replacement for `~`, `~/PATH` or `~USER/PATH`.
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
