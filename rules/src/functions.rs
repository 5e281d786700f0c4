//! What conditions can call.

use super::names::Known;

/// Each with how it is called. `has` and `exists_one` are macros, which the parser expands.
const FUNCTIONS: [(&str, &str); 43] = [
    ("all", "list.all(x, condition)"),
    ("bool", "bool(text)"),
    ("bytes", "bytes(text)"),
    ("charAt", "text.charAt(index)"),
    ("contains", "text.contains(part)"),
    ("double", "double(value)"),
    ("duration", "duration('1.5s')"),
    ("dyn", "dyn(value)"),
    ("endsWith", "text.endsWith(end)"),
    ("exists", "list.exists(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("filter", "list.filter(x, condition)"),
    ("format", "text.format(list)"),
    ("getDate", "timestamp.getDate()"),
    ("getDayOfMonth", "timestamp.getDayOfMonth()"),
    ("getDayOfWeek", "timestamp.getDayOfWeek()"),
    ("getDayOfYear", "timestamp.getDayOfYear()"),
    ("getFullYear", "timestamp.getFullYear()"),
    ("getHours", "timestamp.getHours()"),
    ("getMilliseconds", "timestamp.getMilliseconds()"),
    ("getMinutes", "timestamp.getMinutes()"),
    ("getMonth", "timestamp.getMonth()"),
    ("getSeconds", "timestamp.getSeconds()"),
    ("has", "has(fields.name)"),
    ("indexOf", "text.indexOf(part)"),
    ("int", "int(value)"),
    ("join", "list.join(separator)"),
    ("lastIndexOf", "text.lastIndexOf(part)"),
    ("lowerAscii", "text.lowerAscii()"),
    ("map", "list.map(x, value)"),
    ("matches", "text.matches(regex)"),
    ("replace", "text.replace(old, new)"),
    ("reverse", "text.reverse()"),
    ("size", "size(value)"),
    ("split", "text.split(separator)"),
    ("startsWith", "text.startsWith(begin)"),
    ("string", "string(value)"),
    ("substring", "text.substring(from, to)"),
    ("timestamp", "timestamp('2026-11-28T12:00:00Z')"),
    ("trim", "text.trim()"),
    ("type", "type(value)"),
    ("uint", "uint(value)"),
    ("upperAscii", "text.upperAscii()"),
];

/// Those that the parser expands: nothing calls them.
const MACROS: [&str; 2] = ["has", "exists_one"];

pub(super) fn is_function(text: &str) -> bool {
    FUNCTIONS.iter().any(|(name, _)| *name == text) && !MACROS.contains(&text)
}

/// The known function that `text` was probably meant to be.
pub(super) fn meant_function(text: &str) -> Option<&'static str> {
    super::nearest(text, FUNCTIONS.iter().map(|(name, _)| *name))
}

pub(super) fn known() -> impl Iterator<Item = Known> {
    FUNCTIONS.iter().map(|(name, about)| Known {
        name,
        kind: "function",
        about,
        values: &[],
    })
}
