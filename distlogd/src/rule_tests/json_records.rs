//! Records that were copied from `distlogd find --json`, `tail --json`, `tree --json`, from a file that the processor
//! `file` wrote or from an answer of the API.

use std::path::Path;

use distlog_proto::{Record, Topic};
use distlog_python::json;
use serde_json::Value;

use crate::yaml::{Node, Tree};

/// Longer files are refused, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// Tasks in each other.
const MAX_DEPTH: usize = 256;

/// Whether an item of a list is a record in JSON, or a tree of them.
pub(super) fn is_json(node: &Node) -> bool {
    let has = |key: &str| node.get(key).is_some();
    has("levelname") || has("created") || has("distlog") || has("tasks") && has("trace_id")
}

/// The records of a node of a YAML document, of which JSON is a part.
pub(super) fn read(node: &Node) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    collect(&to_json(node), 0, &mut records)?;
    Ok(records)
}

/// The records of a file: JSON, or a record a line.
pub(super) fn read_file(path: &Path) -> Result<Vec<Record>, String> {
    let shown = path.display();
    let cannot = |error| format!("cannot read {shown}: {error}");
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_FILE {
        return Err(format!(
            "{shown} has {size} bytes, expected at most {MAX_FILE}"
        ));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    let mut records = Vec::new();
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    for value in values {
        let value = value.map_err(|error| format!("{shown} is no JSON: {error}"))?;
        collect(&value, 0, &mut records).map_err(|why| format!("{shown}: {why}"))?;
    }
    if records.is_empty() {
        return Err(format!("{shown} has no record"));
    }
    Ok(records)
}

/// Records stand by themselves, in lists, under `items`, or in a tree.
fn collect(value: &Value, depth: usize, records: &mut Vec<Record>) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("it is nested too deeply".to_owned());
    }
    if let Value::Array(items) = value {
        return items
            .iter()
            .try_for_each(|item| collect(item, depth + 1, records));
    }
    let Value::Object(map) = value else {
        return Err(format!("found {value}, expected a record as an object"));
    };
    let is_record = ["levelname", "created", "distlog"]
        .iter()
        .any(|key| map.contains_key(*key));
    if is_record {
        let body = value.to_string();
        let record = json::decode(body.as_bytes(), Topic::default());
        records.push(record.map_err(|error| format!("is no record: {error}"))?);
        return Ok(());
    }
    // A tree is its tasks, a task its begin, what is in it, and its end.
    let parts = ["begin", "record", "task", "tasks", "items", "end"];
    let mut found = parts.iter().filter_map(|key| map.get(*key)).peekable();
    // The last line of `find --json` says how to go on.
    let is_other = ["next", "progress"]
        .iter()
        .any(|key| map.contains_key(*key));
    if found.peek().is_none() && !is_other && !map.contains_key("trace_id") {
        let keys: Vec<&str> = map.keys().map(String::as_str).collect();
        return Err(format!(
            "found an object with {}, expected a record as `distlogd find --json` prints it",
            keys.join(", ")
        ));
    }
    found.try_for_each(|part| collect(part, depth + 1, records))
}

fn to_json(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::Bool(*value),
        Tree::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            _ => Value::String(number.to_string()),
        },
        Tree::Float(number) => (*number).into(),
        Tree::Text(text) => Value::String(text.clone()),
        Tree::List(items) => items.iter().map(to_json).collect(),
        Tree::Map(entries) => {
            let entries = entries.iter();
            Value::Object(
                entries
                    .map(|(key, value)| (key.text.clone(), to_json(value)))
                    .collect(),
            )
        }
    }
}
