//! How deeply an expression is nested, before the parser sees it.
//!
//! Parser, checks and evaluation call themselves for each level, and a chain like `a + b + c` has one for each
//! operator: without a bound a long one overflows the stack, which ends the process. What `&&`, `||` and commas join
//! is beside each other.

/// Levels; a thread of 2 MiB has room for three times as many, also without optimization, and the parser for a few
/// more.
pub(super) const MAX: usize = 90;

/// An open parenthesis, or the whole text.
#[derive(Default)]
struct Level {
    /// Operators since the last `&&`, `||` or comma.
    chain: usize,
    /// The deepest in parentheses since then.
    inner: usize,
    /// The deepest before.
    deepest: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.deepest.max(self.chain + self.inner)
    }

    fn next(&mut self) {
        self.deepest = self.depth();
        (self.chain, self.inner) = (0, 0);
    }
}

/// Where a text is nested more deeply than [`MAX`], in bytes.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let mut open = vec![Level::default()];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        let nested = open.len() > 1;
        let level = open.last_mut()?;
        let mut length = c.len_utf8();
        match c {
            '\'' | '"' => length = string(rest, text[..at].ends_with(['r', 'R'])),
            '/' if rest.starts_with("//") => length = rest.find('\n').unwrap_or(rest.len()),
            '&' | '|' | ',' | '?' | ':' => level.next(),
            '(' | '[' | '{' => {
                level.chain += 1;
                open.push(Level::default());
            }
            ')' | ']' | '}' if nested => {
                let depth = open.pop()?.depth();
                let outer = open.last_mut()?;
                outer.inner = outer.inner.max(depth);
            }
            '=' | '<' | '>' | '!' if rest[1..].starts_with('=') => {
                level.chain += 1;
                length = 2;
            }
            '+' | '-' | '*' | '/' | '%' | '.' | '<' | '>' => level.chain += 1,
            c if c.is_alphabetic() || c == '_' => {
                let word = |c: char| !c.is_alphanumeric() && c != '_';
                length = rest.find(word).unwrap_or(rest.len());
                level.chain += usize::from(&rest[..length] == "in");
            }
            _ => {}
        }
        // Each level that is open is one around all that is in it.
        let around: usize = open.iter().map(|level| level.chain).sum();
        let inner = open.last().map_or(0, |level| level.inner);
        if around + inner > MAX {
            return Some(at);
        }
        rest = &rest[length..];
    }
    None
}

/// Length of the string that `text` begins with, quotes included.
pub(super) fn string(text: &str, raw: bool) -> usize {
    let single = &text[..1];
    let quote = if text[1..].starts_with(&single.repeat(2)) {
        single.repeat(3)
    } else {
        single.to_owned()
    };
    let mut at = quote.len();
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(&quote) {
            return at + quote.len();
        }
        at += c.len_utf8();
        if c == '\\' && !raw {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_parentheses_are_levels() {
        let (many, half) = (MAX + 1, MAX / 2);
        for deep in [
            format!("{}1", "1+".repeat(many)),
            format!("{}1", "1 in ".repeat(many)),
            format!("{}true", "true == ".repeat(many)),
            format!("a{}", ".a".repeat(many)),
            format!("a{}", "[0]".repeat(many)),
            format!("a{}", ".f(1)".repeat(half + 1)),
            format!("{}1", "(".repeat(many)),
            // Inside and after parentheses, together.
            format!("({}1){}", "1+".repeat(half), "+1".repeat(half + 1)),
            format!("{}({}1)", "1+".repeat(half), "1+".repeat(half + 1)),
            format!("{}true{}", "(a > 1 && ".repeat(many), ")".repeat(many)),
            format!("[1, ({}1)]{}", "1+".repeat(half), ".a".repeat(half + 1)),
        ] {
            assert!(too_deep(&deep).is_some(), "{deep}");
        }
        for flat in [
            format!("{}1", "1+".repeat(MAX)),
            format!("{}true", "a.b == 1 && ".repeat(2000)),
            format!("{}true", "(a.b + 1 > 2 || c) && ".repeat(2000)),
            format!("a in [{}1.5]", "1.5, ".repeat(2000)),
            format!(
                "'{}' == r\"{}\" // {}",
                "+".repeat(500),
                "((".repeat(500),
                ".a".repeat(500)
            ),
            format!("{}a", ")".repeat(500)),
            "'not closed ((".to_owned() + &"(".repeat(500),
        ] {
            assert_eq!(too_deep(&flat), None, "{flat}");
        }
    }
}
