//! [`Sensitive`]: what others must not read or change, of what a configuration says and names; and how what is quoted
//! of it loses its passwords.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

use super::node::{Node, Tree};

/// Secrets of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sensitive {
    /// A secret stands in the file itself, and does not come from the environment.
    pub(crate) holds_secret: bool,
    /// Files with keys and tokens.
    pub(crate) secrets: Vec<PathBuf>,
    /// Files and folders that say who is trusted: certificates, authorities, keys of clients.
    pub(crate) trusted: Vec<PathBuf>,
}

impl Sensitive {
    /// Looks for it by the names of keys, which all sections share.
    pub(super) fn of(document: &Node) -> Sensitive {
        let mut sensitive = Sensitive::default();
        let sections = ["listen", "processors", "sources"];
        for section in sections.iter().filter_map(|name| document.get(name)) {
            sensitive.look_through(section);
        }
        sensitive
    }

    fn look_through(&mut self, node: &Node) {
        for (key, value) in node.entries() {
            if let Tree::Text(text) = &value.tree {
                self.look_at(&key.text, text, !value.replaced);
            }
            self.look_through(value);
        }
        if let Tree::List(items) = &node.tree {
            items.iter().for_each(|item| self.look_through(item));
        }
    }

    fn look_at(&mut self, key: &str, text: &str, is_literal: bool) {
        match key {
            "key" | "tokens" => self.secrets.push(text.into()),
            "cert" | "ca" | "client_ca" | "clients" => self.trusted.push(text.into()),
            _ => self.holds_secret |= is_literal && (is_secret(key) || has_password(text)),
        }
    }
}

/// Whether a value of this name is a secret: mostly headers of requests.
fn is_secret(key: &str) -> bool {
    let words = [
        "authorization",
        "password",
        "secret",
        "token",
        "api-key",
        "apikey",
        "cookie",
    ];
    let key = key.to_ascii_lowercase().replace('_', "-");
    words.iter().any(|word| key.contains(word))
}

/// `scheme://user:password@host`, or `scheme://host?password=…`
fn has_password(text: &str) -> bool {
    matches!(hide_passwords(text), Cow::Owned(_))
}

/// A text with a `*` for each character of a password in a URL.
pub(super) fn hide_passwords(text: &str) -> Cow<'_, str> {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("://") {
        let start = at + found + "://".len();
        let is_end = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '<' | '>');
        let end = text[start..]
            .find(is_end)
            .map_or(text.len(), |length| start + length);
        hidden.extend(passwords(&text[start..end], start));
        at = end;
    }
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let in_password = |at: usize| hidden.iter().any(|range| range.contains(&at));
    let shown = text.char_indices();
    Cow::Owned(
        shown
            .map(|(at, c)| if in_password(at) { '*' } else { c })
            .collect(),
    )
}

/// Where passwords are in a URL without its scheme, which stands at `start`.
fn passwords(url: &str, start: usize) -> impl Iterator<Item = Range<usize>> {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    // A password may hold any character, if its writer forgot that it must not.
    let user = before.rfind('@').and_then(|at| {
        let colon = before[..at].find(':')? + 1;
        (colon < at).then_some(start + colon..start + at)
    });
    let mut at = start + before.len() + 1;
    let options = query.split('&').filter_map(move |option| {
        let begin = at;
        at += option.len() + 1;
        let (name, value) = option.split_once('=')?;
        let from = begin + name.len() + 1;
        (name == "password" && !value.is_empty()).then_some(from..from + value.len())
    });
    user.into_iter().chain(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_urls_are_hidden_and_all_else_is_shown() {
        for (text, shown) in [
            (
                "url: 'postgres://me:pä/s@s@h:5/db?x=y'",
                "url: 'postgres://me:******@h:5/db?x=y'",
            ),
            (
                "a postgres://h/db?user=me&password=x&a=b c",
                "a postgres://h/db?user=me&password=*&a=b c",
            ),
            ("nats://u:p@a, nats://v:qq@b", "nats://u:*@a, nats://v:**@b"),
        ] {
            assert_eq!(hide_passwords(text), shown);
            assert!(has_password(text));
        }
        for text in [
            "http://127.0.0.1:4317",
            "postgres://me@h:5432/db",
            "postgres://me:@h",
            "a: b@c",
            "://",
        ] {
            assert!(!has_password(text), "{text}");
            assert_eq!(hide_passwords(text), text);
        }
    }
}
