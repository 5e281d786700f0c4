//! Finds things in the JSON form of a tree.

use serde_json::Value;

/// The only task that stands below no other.
pub fn root(tree: &Value) -> &Value {
    match &tree["tasks"].as_array().unwrap()[..] {
        [root] => root,
        _ => panic!("one root: {tree:#}"),
    }
}

fn items<'a>(task: &'a Value, kind: &str) -> Vec<&'a Value> {
    let items = task["items"].as_array().unwrap().iter();
    items.filter_map(|item| item.get(kind)).collect()
}

/// The subtasks of a task.
pub fn subtasks(task: &Value) -> Vec<&Value> {
    items(task, "task")
}

/// The only subtask of a task.
pub fn only(task: &Value) -> &Value {
    match subtasks(task)[..] {
        [subtask] => subtask,
        _ => panic!("one subtask: {task:#}"),
    }
}

/// The subtask of that name.
pub fn named<'a>(task: &'a Value, name: &str) -> &'a Value {
    let mut subtasks = subtasks(task).into_iter();
    subtasks
        .find(|subtask| subtask["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {task:#}"))
}

/// The records of a task itself.
pub fn records(task: &Value) -> Vec<&Value> {
    items(task, "record")
}

/// Its record for which something holds.
pub fn record(task: &Value, holds: impl Fn(&Value) -> bool) -> &Value {
    let mut records = records(task).into_iter();
    records
        .find(|record| holds(record))
        .unwrap_or_else(|| panic!("no such record in {task:#}"))
}

/// Its record with that message.
pub fn said<'a>(task: &'a Value, message: &str) -> &'a Value {
    record(task, |record| record["message"] == message)
}

/// The tasks of a tree, each before those below it.
pub fn all(tree: &Value) -> Vec<&Value> {
    let mut found: Vec<&Value> = tree["tasks"].as_array().unwrap().iter().collect();
    let mut at = 0;
    while at < found.len() {
        found.extend(subtasks(found[at]));
        at += 1;
    }
    found
}
