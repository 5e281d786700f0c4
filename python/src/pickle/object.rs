//! Readable forms of well-known objects.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::node::{Id, Node, Nodes, Object};
use super::text::decimal;
use crate::log_record::uuid as uuid_text;

/// The longest text of one object, in bytes; what follows is `...`.
const MAX_TEXT: usize = 4096;
/// Lists and dicts in each other within such a text.
const MAX_DEPTH: usize = 16;

/// Date, time, id or number as text.
pub(super) fn plain(nodes: &Nodes<'_>, object: &Object) -> Option<String> {
    let Node::Global(module, name) = nodes.get(object.class) else {
        return None;
    };
    let args = nodes.items(object.args);
    // How protocols 0 and 1 make an object without calling its class.
    if let ("copy_reg" | "copyreg", "_reconstructor", Some(class)) =
        (&**module, &**name, args.first())
    {
        return match (nodes.get(*class), object.state) {
            (Node::Global(module, name), Some(state)) if module == "uuid" && name == "UUID" => {
                uuid(nodes, state)
            }
            _ => None,
        };
    }
    let first = args.first().map(|id| nodes.get(*id));
    match (&**module, &**name) {
        ("datetime", "datetime") => {
            let bytes = payload(nodes, args)?;
            let [y1, y2, month, day, hour, minute, second, rest @ ..] = &*bytes else {
                return None;
            };
            let mut text = date(&[*y1, *y2, *month & 0x7f, *day])?;
            text.push('T');
            text.push_str(&time(*hour, *minute, *second, rest)?);
            args.get(1)
                .into_iter()
                .for_each(|zone| self::zone(nodes, *zone, &mut text));
            Some(text)
        }
        ("datetime", "date") => date(&payload(nodes, args)?),
        ("datetime", "time") => {
            let bytes = payload(nodes, args)?;
            let [hour, minute, second, rest @ ..] = &*bytes else {
                return None;
            };
            let mut text = time(*hour & 0x7f, *minute, *second, rest)?;
            args.get(1)
                .into_iter()
                .for_each(|zone| self::zone(nodes, *zone, &mut text));
            Some(text)
        }
        ("datetime", "timedelta") => {
            let (days, seconds, micros) = delta(nodes, args)?;
            let mut text = String::new();
            if days != 0 {
                let _ = write!(
                    text,
                    "{days} day{}, ",
                    if days.abs() == 1 { "" } else { "s" }
                );
            }
            let _ = write!(
                text,
                "{}:{:02}:{:02}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            );
            if micros != 0 {
                let _ = write!(text, ".{micros:06}");
            }
            Some(text)
        }
        ("uuid", "UUID") => uuid(nodes, object.state?),
        ("ipaddress", "IPv4Address") => match first {
            Some(Node::Int(value)) => Some(Ipv4Addr::from(u32::try_from(*value).ok()?).to_string()),
            _ => None,
        },
        ("ipaddress", "IPv6Address") => Some(Ipv6Addr::from(unsigned(first?)?).to_string()),
        ("decimal", "Decimal") | ("ipaddress", _) | ("fractions", "Fraction") => match first {
            Some(Node::Str(text)) => Some(text.clone().into_owned()),
            _ => None,
        },
        ("pathlib" | "pathlib._local", _) => {
            let mut path = String::new();
            for part in args {
                let Node::Str(part) = nodes.get(*part) else {
                    return None;
                };
                if !path.is_empty() && !path.ends_with(['/', '\\']) {
                    path.push('/');
                }
                path.push_str(part);
            }
            Some(path)
        }
        _ => None,
    }
}

fn payload<'n>(nodes: &'n Nodes<'_>, args: &[Id]) -> Option<Cow<'n, [u8]>> {
    nodes.bytes(*args.first()?)
}

fn date(bytes: &[u8]) -> Option<String> {
    match bytes {
        [y1, y2, month @ 1..=12, day @ 1..=31] => Some(format!(
            "{:04}-{month:02}-{day:02}",
            u16::from_be_bytes([*y1, *y2])
        )),
        _ => None,
    }
}

fn time(hour: u8, minute: u8, second: u8, micros: &[u8]) -> Option<String> {
    let [a, b, c] = micros else { return None };
    let micros = u32::from_be_bytes([0, *a, *b, *c]);
    if hour > 23 || minute > 59 || second > 59 || micros > 999_999 {
        return None;
    }
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    if micros != 0 {
        let _ = write!(text, ".{micros:06}");
    }
    Some(text)
}

fn delta(nodes: &Nodes<'_>, args: &[Id]) -> Option<(i64, i64, i64)> {
    let number = |id: &Id| match nodes.get(*id) {
        Node::Int(value) => Some(*value),
        _ => None,
    };
    let [days, seconds, micros] = args else {
        return None;
    };
    let delta = (number(days)?, number(seconds)?, number(micros)?);
    ((-999_999_999..=999_999_999).contains(&delta.0)
        && (0..86_400).contains(&delta.1)
        && (0..1_000_000).contains(&delta.2))
    .then_some(delta)
}

/// `+01:00`, or what the zone is called.
fn zone(nodes: &Nodes<'_>, zone: Id, text: &mut String) {
    let Node::Object(object) = nodes.get(zone) else {
        return;
    };
    let args = nodes.items(object.args);
    let offset = args.first().map(|id| nodes.get(*id));
    match offset {
        Some(Node::Object(offset)) => {
            if let Some((days, seconds, _)) = delta(nodes, nodes.items(offset.args)) {
                let minutes = days * 1440 + seconds / 60;
                let sign = if minutes < 0 { '-' } else { '+' };
                let _ = write!(
                    text,
                    "{sign}{:02}:{:02}",
                    minutes.abs() / 60,
                    minutes.abs() % 60
                );
            }
        }
        Some(Node::Str(name)) => put(write!(text, "[{name}]")),
        // `datetime.timezone.utc` of some protocols, and zones of other packages.
        _ => {}
    }
}

fn uuid(nodes: &Nodes<'_>, state: Id) -> Option<String> {
    let Node::Dict(entries) = nodes.get(state) else {
        return None;
    };
    let (_, value) = entries
        .iter()
        .find(|(name, _)| matches!(nodes.get(*name), Node::Str(name) if name == "int"))?;
    let value = unsigned(nodes.get(*value))?;
    Some(uuid_text(value.to_be_bytes()).as_str().to_owned())
}

fn unsigned(node: &Node<'_>) -> Option<u128> {
    match node {
        Node::Int(value) => u128::try_from(*value).ok(),
        Node::Long(bytes) if bytes.len() <= 17 && bytes.get(16).is_none_or(|sign| *sign == 0) => {
            let mut word = [0; 16];
            word.iter_mut()
                .zip(bytes.iter())
                .for_each(|(to, from)| *to = *from);
            Some(u128::from_le_bytes(word))
        }
        Node::Digits(text) => text.parse().ok(),
        _ => None,
    }
}

/// Any value, about as Python's `repr` writes it.
pub(super) fn repr(nodes: &Nodes<'_>, id: Id) -> String {
    let mut text = String::new();
    write_repr(nodes, id, 0, &mut text);
    text
}

fn write_repr(nodes: &Nodes<'_>, id: Id, depth: usize, out: &mut String) {
    if out.len() > MAX_TEXT || depth > MAX_DEPTH {
        if !out.ends_with("...") {
            out.push_str("...");
        }
        return;
    }
    match nodes.get(id) {
        Node::None => out.push_str("None"),
        Node::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Node::Int(value) => put(write!(out, "{value}")),
        Node::Long(bytes) if bytes.len() > 512 => {
            put(write!(out, "<integer of {} bytes>", bytes.len()))
        }
        Node::Long(bytes) => out.push_str(&decimal(bytes)),
        Node::Digits(text) => cut(text, out),
        Node::Float(value) => put(write!(out, "{value:?}")),
        Node::Str(text) => {
            out.push('\'');
            for c in text.chars() {
                if out.len() > MAX_TEXT {
                    out.push_str("...");
                    break;
                }
                match c {
                    '\'' | '\\' => out.extend(['\\', c]),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    c if c.is_control() => put(write!(out, "\\x{:02x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            out.push('\'');
        }
        Node::Bytes(bytes) => {
            let shown = bytes.get(..MAX_TEXT).unwrap_or(bytes);
            let _ = write!(
                out,
                "b'{}'{}",
                shown.escape_ascii(),
                if shown.len() < bytes.len() { "..." } else { "" }
            );
        }
        Node::List(items) => list(nodes, ["[", "]"], items, depth, out),
        Node::Tuple(items) => list(
            nodes,
            ["(", if items.len() == 1 { ",)" } else { ")" }],
            items,
            depth,
            out,
        ),
        Node::Dict(entries) => dict(nodes, entries, depth, out),
        Node::Global(module, name) => {
            if !matches!(&**module, "builtins" | "__builtin__" | "exceptions") {
                cut(module, out);
                out.push('.');
            }
            cut(name, out);
        }
        Node::Object(object) => {
            write_repr(nodes, object.class, depth + 1, out);
            list(nodes, ["(", ")"], nodes.items(object.args), depth + 1, out);
            if !object.items.is_empty() {
                list(nodes, ["[", "]"], &object.items, depth + 1, out);
            }
            if !object.entries.is_empty() {
                dict(nodes, &object.entries, depth + 1, out);
            }
            if let Some(state) = object.state {
                write_repr(nodes, state, depth + 1, out);
            }
        }
        Node::Opaque(text) => out.push_str(text),
    }
}

fn cut(text: &str, out: &mut String) {
    let end = (0..=MAX_TEXT.min(text.len()))
        .rfind(|end| text.is_char_boundary(*end))
        .unwrap_or_default();
    out.push_str(&text[..end]);
    if end < text.len() {
        out.push_str("...");
    }
}

fn list(nodes: &Nodes<'_>, [open, close]: [&str; 2], items: &[Id], depth: usize, out: &mut String) {
    out.push_str(open);
    for (i, item) in items.iter().enumerate() {
        if out.len() > MAX_TEXT {
            out.push_str("...");
            break;
        }
        out.push_str(if i == 0 { "" } else { ", " });
        write_repr(nodes, *item, depth + 1, out);
    }
    out.push_str(close);
}

fn dict(nodes: &Nodes<'_>, entries: &[(Id, Id)], depth: usize, out: &mut String) {
    out.push('{');
    for (i, (name, value)) in entries.iter().enumerate() {
        if out.len() > MAX_TEXT {
            out.push_str("...");
            break;
        }
        out.push_str(if i == 0 { "" } else { ", " });
        write_repr(nodes, *name, depth + 1, out);
        out.push_str(": ");
        write_repr(nodes, *value, depth + 1, out);
    }
    out.push('}');
}

/// Writing to a string cannot fail.
fn put(_: std::fmt::Result) {}
