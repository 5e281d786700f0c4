//! Why a condition matches or not: its parts by themselves, and the values that they looked at.
//!
//! The text is cut at the `&&` or `||` outside of all brackets, and each part is compiled and evaluated as any
//! condition is. This is for people who ask; records that are only routed never come here.

use distlog_proto::{RecordRef, Severity, Value};

use super::depth;
use super::expression::owned;
use super::leaf::Leaf;
use super::memo::Memo;
use super::names::Name;
use super::node::Node;
use super::value::{Out, Val};

/// Longest text of a value, in characters.
const MAX_SHOWN: usize = 80;
/// Parentheses in each other that are looked into.
const MAX_DEPTH: usize = 8;

/// A part of a condition, and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// In how many other parts it is.
    pub depth: usize,
    /// Its text, on one line.
    pub text: String,
    /// Whether it is true. `None`: it has no value, since something that it needs is missing.
    pub value: Option<bool>,
    /// What it looked at; nothing if its parts follow.
    pub looked: Vec<Looked>,
}

/// A value that a condition looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// As conditions write it.
    pub name: String,
    /// For people; `None`: it is missing.
    pub value: Option<String>,
}

/// What a text is, and what it looked at; `None` if it is no condition.
pub(super) type Evaluate<'e> = dyn FnMut(&str) -> Option<(Option<bool>, Vec<Looked>)> + 'e;

/// The parts of a condition. One without `&&` and `||` is its only part.
pub(super) fn parts(text: &str, evaluate: &mut Evaluate<'_>) -> Vec<Part> {
    let mut found = Vec::new();
    let text = bare(text);
    match split(text) {
        parts if parts.len() > 1 => {
            for part in parts {
                add(part, 0, evaluate, &mut found);
            }
        }
        _ => add(text, 0, evaluate, &mut found),
    }
    found
}

fn add(text: &str, depth: usize, evaluate: &mut Evaluate<'_>, found: &mut Vec<Part>) {
    let Some((value, looked)) = evaluate(text) else {
        return;
    };
    let inner = split(bare(text));
    let has_parts = inner.len() > 1 && depth < MAX_DEPTH;
    found.push(Part {
        depth,
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        value,
        looked: if has_parts { Vec::new() } else { looked },
    });
    if has_parts {
        for part in inner {
            add(part, depth + 1, evaluate, found);
        }
    }
}

/// Without parentheses around all of it.
fn bare(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('(')
        && closing(text) == Some(text.len() - 1)
    {
        text = inner[..inner.len() - 1].trim();
    }
    text
}

/// Where the bracket is closed that the text begins with.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, c) in code(text) {
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// What `||` joins or, if there is none, what `&&` joins.
fn split(text: &str) -> Vec<&str> {
    let (mut open, mut ors, mut ands) = (0_usize, Vec::new(), Vec::new());
    let mut last = (usize::MAX, ' ');
    for (at, c) in code(text) {
        let doubled = last.1 == c && last.0.wrapping_add(1) == at;
        last = (at, c);
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            // `a ? b : c` binds less than both.
            '?' if open == 0 => return vec![text],
            '|' if open == 0 && doubled => ors.push(at - 1),
            '&' if open == 0 && doubled => ands.push(at - 1),
            _ => {}
        }
    }
    let cuts = if ors.is_empty() { ands } else { ors };
    let mut parts = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for cut in cuts {
        parts.push(text[from..cut].trim());
        from = cut + 2;
    }
    parts.push(text[from..].trim());
    parts
}

/// The characters that are neither in a string nor in a comment, each with its place in bytes.
fn code(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let c = rest.chars().next()?;
            let here = at;
            match c {
                '\'' | '"' => at += depth::string(rest, text[..at].ends_with(['r', 'R'])),
                '/' if rest.starts_with("//") => at += rest.find('\n').unwrap_or(rest.len()),
                _ => {
                    at += c.len_utf8();
                    return Some((here, c));
                }
            }
        }
    })
}

/// What an operation looked at, each once.
pub(super) fn looked_at(node: &Node, record: &RecordRef<'_>) -> Vec<Looked> {
    let mut looked: Vec<Looked> = Vec::new();
    // Leaves are shown to who changes them.
    let mut node = node.clone();
    node.each_leaf(&mut |leaf| {
        let name = match leaf {
            Leaf::Literal(_) => return,
            Leaf::Name(name) => name.text().to_owned(),
            Leaf::Path(path) | Leaf::Has(path) => path.text(),
        };
        if looked.iter().any(|known| known.name == name) {
            return;
        }
        let value: Out<'_> = match &*leaf {
            Leaf::Has(path) => path.value(record, &Memo::NONE),
            leaf => leaf.value(record, &Memo::NONE),
        };
        let value = match (&*leaf, value) {
            (Leaf::Name(Name::Severity), Ok(Val::Int(number))) => Some(severity(number)),
            (_, value) => value.ok().and_then(shown),
        };
        looked.push(Looked { name, value });
    });
    looked
}

/// A value for people.
fn shown(value: Val<'_>) -> Option<String> {
    match value {
        Val::Duration(nanos) => Some(seconds(nanos)),
        value => owned(value).map(|value| text(&value)),
    }
}

/// A severity with its name.
fn severity(number: i64) -> String {
    let severity = u32::try_from(number).map_or(Severity::UNSET, Severity::new);
    match severity.name() {
        "" => number.to_string(),
        name => format!("{number} ({name})"),
    }
}

/// A duration as conditions write it.
pub(super) fn seconds(nanos: i64) -> String {
    format!("{}s", nanos as f64 / 1e9)
}

/// A text in quotes, cut.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(v) => v.to_string(),
        Value::I64(v) => v.to_string(),
        Value::U64(v) => v.to_string(),
        Value::F64(v) => v.to_string(),
        Value::Str(v) | Value::Text(v) => quoted(v),
        Value::Bytes(v) => format!("{} bytes", v.len()),
        Value::List(v) => {
            let items: Vec<String> = v.iter().map(text).collect();
            cut(&format!("[{}]", items.join(", ")))
        }
        Value::Map(v) => {
            let entries = v.iter().map(|(name, v)| format!("{name}: {}", text(v)));
            cut(&format!("{{{}}}", entries.collect::<Vec<_>>().join(", ")))
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_and_and_or_join_it() {
        for (text, parts) in [
            ("a", vec!["a"]),
            ("a && b&&c", vec!["a", "b", "c"]),
            ("a && b || c", vec!["a && b", "c"]),
            ("(a || b) && c", vec!["(a || b)", "c"]),
            ("x == 'a && b' && y", vec!["x == 'a && b'", "y"]),
            (r#"x == "\" || " || y"#, vec![r#"x == "\" || ""#, "y"]),
            (r"x.matches(r'\') && y", vec![r"x.matches(r'\')", "y"]),
            ("a ? b && c : d && e", vec!["a ? b && c : d && e"]),
            (
                "l.all(x, x > 1 && x < 3) && b",
                vec!["l.all(x, x > 1 && x < 3)", "b"],
            ),
            ("a // && b\n && c", vec!["a // && b", "c"]),
            ("a | b", vec!["a | b"]),
        ] {
            assert_eq!(split(text), parts, "{text}");
        }
        assert_eq!(bare(" ((a) && (b)) "), "(a) && (b)");
        assert_eq!(bare("(a) && (b)"), "(a) && (b)");
        assert_eq!(bare("(')' == a)"), "')' == a");
    }
}
