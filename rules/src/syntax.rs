//! Errors of the parser in words for people: its own messages name the rules of its grammar.

use cel::{ParseError, ParseErrors};

use super::fault::CompileFault;
use super::reserved;

/// Prefix of the parser's messages about syntax.
const SYNTAX: &str = "Syntax error: ";
/// Part of its message about depth.
const TOO_DEEP: &str = "Recursion limit";
const UNKNOWN_ESCAPE: &str = "the string has an escape that CEL does not know; a backslash is written twice, or the \
                              string as r'…'";
/// Longest quotation of the text, in characters.
const QUOTED: usize = 40;

/// Operators of other languages, and CEL's.
const SLIPS: [(&str, &str); 7] = [
    ("found `and`", "; and is written &&"),
    ("found `AND`", "; and is written &&"),
    ("`&` is no part of an expression", "; and is written &&"),
    ("found `or`", "; or is written ||"),
    ("found `OR`", "; or is written ||"),
    ("`|` is no part of an expression", "; or is written ||"),
    ("`=` is no part of an expression", "; equal is written =="),
];

/// The first error of the parser, with its place.
pub(super) fn fault(text: &str, errors: &ParseErrors) -> CompileFault {
    // Other errors follow from those of syntax.
    let syntax = |error: &&ParseError| error.msg.starts_with(SYNTAX);
    let first = errors.errors.iter().find(syntax);
    let Some(first) = first.or(errors.errors.first()) else {
        return CompileFault::at(1, 1, "is no expression".to_owned());
    };
    let number = |n: isize| usize::try_from(n).unwrap_or(1).max(1);
    let lines = text.lines().count().max(1);
    let (line, column) = (number(first.pos.0).min(lines), number(first.pos.1));
    let known = first.source.is_none() || first.pos != (0, 0);
    if !known || first.msg.contains(TOO_DEEP) {
        // What brackets and operators nest was refused before: it is a chain of `? :`.
        return CompileFault::at(1, 1, "is nested too deeply".to_owned());
    }
    let this = text.lines().nth(line - 1).unwrap_or_default();
    let place = this.char_indices().nth(column - 1);
    let (before, rest) = this.split_at(place.map_or(this.len(), |(at, _)| at));
    let after = text.lines().skip(line).any(|line| !line.trim().is_empty());
    let mut message = readable(&first.msg, before, &found(rest, after));
    if let Some((_, meant)) = SLIPS.iter().find(|(slip, _)| message.ends_with(slip)) {
        message.push_str(meant);
    }
    CompileFault::at(line, column, message)
}

/// The word or character at that place.
fn found(rest: &str, more_lines: bool) -> String {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let rest = rest.trim_ascii_start();
    let length = match rest.chars().next() {
        None if more_lines => return "the end of the line".to_owned(),
        None => return "the end".to_owned(),
        Some(quote @ ('\'' | '"')) => rest[1..].find(quote).map_or(rest.len(), |at| at + 2),
        Some(c) if in_word(c) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
        Some(c) => ["&&", "||", "==", "!=", "<=", ">="]
            .iter()
            .find(|operator| rest.starts_with(**operator))
            .map_or(c.len_utf8(), |operator| operator.len()),
    };
    let word = rest[..length].replace(reserved::STAND_IN, reserved::NAME);
    let mut shown = String::new();
    for c in word.chars().take(QUOTED) {
        // Characters that are not printable are shown as escapes.
        match c {
            '\'' | '"' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    let more = if word.chars().nth(QUOTED).is_some() {
        "…"
    } else {
        ""
    };
    format!("`{shown}{more}`")
}

/// The parser's message in words that do not presuppose its grammar; `found` is the text at the place, `before` the
/// line up to it.
fn readable(message: &str, before: &str, found: &str) -> String {
    let message = message.strip_prefix(SYNTAX).unwrap_or(message);
    if let Some((_, tokens)) = message.rsplit_once(" expecting ") {
        return format!("expected {}, found {found}", expected(tokens));
    }
    if let Some((token, _)) = message
        .strip_prefix("missing ")
        .and_then(|rest| rest.split_once(" at "))
    {
        return format!("expected {}, found {found}", expected(token));
    }
    if message.starts_with("no viable alternative") {
        let wanted = if before.trim_end().ends_with('.') {
            "a name"
        } else {
            "an expression"
        };
        return format!("expected {wanted}, found {found}");
    }
    if message.starts_with("token recognition error") {
        // Strips the backticks.
        let string = found.trim_matches('`');
        return match string.chars().next() {
            Some(quote @ ('\'' | '"')) if string[1..].contains(quote) => UNKNOWN_ESCAPE.to_owned(),
            Some('\'' | '"') => "the string has no end".to_owned(),
            _ => format!("{found} is no part of an expression"),
        };
    }
    if let Some(name) = message.strip_prefix("reserved identifier: ") {
        return format!("`{name}` is a word that CEL keeps for itself");
    }
    match message {
        "invalid int literal" | "invalid uint literal" => {
            "the number does not fit into 64 bits".to_owned()
        }
        "invalid double literal" => "the number cannot be read".to_owned(),
        "argument must be a simple name" => {
            "the first argument of a macro is the name of a variable, like x in all(x, x > 1)"
                .to_owned()
        }
        "invalid argument to has() macro" => {
            "`has` asks for a field, like has(fields.user)".to_owned()
        }
        message if message.starts_with("unsupported syntax '") => {
            format!("{found} is not supported here")
        }
        message if message.starts_with("invalid string literal") => UNKNOWN_ESCAPE.to_owned(),
        message if message.starts_with("invalid bytes literal") => {
            "the bytes have an escape that CEL does not know; a backslash is written twice"
                .to_owned()
        }
        // All others are about the parser itself.
        _ => format!("is no expression from {found} on"),
    }
}

/// The tokens that the parser would go on with, as `{'==', IDENTIFIER}` or one alone.
fn expected(tokens: &str) -> String {
    let tokens = tokens.trim_start_matches('{').trim_end_matches('}');
    let tokens: Vec<&str> = tokens.split(", ").collect();
    let has = |token: &str| tokens.contains(&token);
    let mut words = Vec::new();
    if has("NUM_INT") {
        words.push("an expression");
    } else if has("IDENTIFIER") {
        words.push("a name");
    } else if has("'=='") || tokens == ["<EOF>"] {
        words.push("an operator");
    }
    let closing = [
        ("')'", "`)`"),
        ("']'", "`]`"),
        ("'}'", "`}`"),
        ("','", "`,`"),
        ("':'", "`:`"),
        ("<EOF>", "the end"),
    ];
    words.extend(
        closing
            .iter()
            .filter(|(token, _)| has(token))
            .map(|(_, word)| *word),
    );
    match words.as_slice() {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
