//! Reads a file that is a list, with all its faults in their places.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::deserialize::read;
use super::duplicates::duplicate_keys;
use super::fault::Faults;
use super::node::{Node, Tree};

/// Reads a list; a file of comments is an empty one, an empty file is none. `check` checks each item, with those before
/// it, for what no type can.
///
/// # Errors
/// All faults; `file` is its name in them, `what` are its items in words.
pub(crate) fn read_list<T: DeserializeOwned>(
    text: &str,
    (file, what): (&str, &str),
    check: impl Fn(&[T], &T) -> Result<(), String>,
) -> Result<Vec<T>, Faults> {
    let fail = |faults| Faults::new(file, text, faults);
    let document = Node::parse(text).map_err(|fault| fail(vec![fault]))?;
    let (mut faults, mut faulty) = (Vec::new(), HashSet::new());
    duplicate_keys(&document, &mut faults, &mut faulty);
    let mut items = Vec::new();
    let is_empty = matches!(document.tree, Tree::Null) && !text.trim().is_empty();
    if is_empty || matches!(document.tree, Tree::List(_)) {
        for node in document.children() {
            let known = faults.len();
            let Some(item) = read(node, faulty.clone(), &mut faults) else {
                continue;
            };
            if faults.len() == known
                && let Err(why) = check(&items, &item)
            {
                faults.push(node.place.fault(why));
            }
            items.push(item);
        }
    } else {
        let message = format!("found {document}, expected a list of {what}; `[]` has none");
        faults.push(document.place.fault(message));
    }
    if faults.is_empty() {
        Ok(items)
    } else {
        Err(fail(faults))
    }
}
