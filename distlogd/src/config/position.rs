//! Finds the place in the file of a place in a scalar: a fault in a condition has its line and column in the decoded
//! text.

use super::node::Place;

/// The place of the character in line `line` and column `column` (from 1) of the scalar that begins at `start`.
///
/// Walks the text of the file along with the decoded one and skips quotes, escapes, folded lines and the indentation of
/// blocks.
pub(super) fn within(file: &str, start: Place, decoded: &str, line: usize, column: usize) -> Place {
    let offset: usize = decoded
        .split('\n')
        .take(line - 1)
        .map(|line| line.chars().count() + 1)
        .sum::<usize>()
        + column
        - 1;
    let mut raw = Raw::at(file, start);
    match raw.peek() {
        Some('|' | '>') => raw.block(),
        _ if follows_block_head(file, start) => raw.indentation = Some(start.column - 1),
        Some(quote @ ('"' | '\'')) => {
            raw.next();
            raw.quote = Some(quote);
        }
        _ => {}
    }
    for c in decoded.chars().take(offset) {
        raw.step(c);
    }
    raw.skip_break(decoded.chars().nth(offset));
    raw.place
}

/// Whether the line before ends as the head of a block does: readers differ in where they say that a block begins.
fn follows_block_head(file: &str, start: Place) -> bool {
    let mut lines = file.lines().skip(start.line.saturating_sub(2));
    let head = if start.line > 1 {
        lines.next().unwrap_or_default()
    } else {
        ""
    };
    let alone = lines
        .next()
        .is_some_and(|line| line.chars().take(start.column - 1).all(|c| c == ' '));
    let head = head.split(" #").next().unwrap_or_default().trim_end();
    alone
        && head
            .trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
            .ends_with(['|', '>'].as_slice())
}

struct Raw<'f> {
    rest: std::str::Chars<'f>,
    place: Place,
    quote: Option<char>,
    /// Of a block: the spaces before each of its lines.
    indentation: Option<usize>,
}

impl<'f> Raw<'f> {
    fn at(file: &'f str, place: Place) -> Raw<'f> {
        let before: usize = file
            .split_inclusive('\n')
            .take(place.line - 1)
            .map(str::len)
            .sum();
        let mut rest = file.get(before..).unwrap_or_default().chars();
        (1..place.column).for_each(|_| _ = rest.next());
        Raw {
            rest,
            place,
            quote: None,
            indentation: None,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.place = match c {
            '\n' => Place {
                line: self.place.line + 1,
                column: 1,
            },
            _ => Place {
                column: self.place.column + 1,
                ..self.place
            },
        };
        Some(c)
    }

    /// Steps over the head of a block (`|`, `>-`), up to its first character.
    fn block(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
        self.spaces();
        self.indentation = Some(self.place.column - 1);
    }

    /// Skips the indentation of a line.
    fn indent(&mut self) {
        match self.indentation {
            Some(columns) => {
                while self.place.column <= columns && self.peek() == Some(' ') {
                    self.next();
                }
            }
            None => self.spaces(),
        }
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(|c| c.is_whitespace()) {
            self.next();
        }
    }

    /// Whether there is nothing but blanks up to the end of the line.
    fn at_break(&self) -> bool {
        self.rest
            .clone()
            .find(|c| *c != ' ' && *c != '\t' && *c != '\r')
            == Some('\n')
    }

    /// Goes to the next line where the file has a line break and the text has `c` instead.
    fn skip_break(&mut self, c: Option<char>) {
        if self.at_break() && !matches!(c, Some(' ' | '\n') | None) {
            self.spaces();
        }
    }

    /// Steps over the character `c` of the decoded text.
    fn step(&mut self, c: char) {
        self.skip_break(Some(c));
        if matches!(c, ' ' | '\n') && self.at_break() {
            // A folded line, or the next one of a block; the first of several breaks counts for all.
            while self.next().is_some_and(|c| c != '\n') {}
            let mut rest = self.rest.clone().skip_while(|c| *c == ' ' || *c == '\t');
            if rest.next() != Some('\n') {
                self.indent();
            }
            return;
        }
        match (self.next(), self.quote) {
            (Some('\''), Some('\'')) => drop(self.next()),
            (Some('\\'), Some('"')) => {
                let digits = match self.next() {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    _ => 0,
                };
                (0..digits).for_each(|_| _ = self.next());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each letter of the text in the file is found where it is in the decoded text.
    fn found(file: &str, start: (usize, usize), decoded: &str) {
        for letter in decoded.chars().filter(|c| c.is_ascii_uppercase()) {
            let (mut line, mut column) = (1, 1);
            for c in decoded.chars().take_while(|c| *c != letter) {
                (line, column) = if c == '\n' {
                    (line + 1, 1)
                } else {
                    (line, column + 1)
                };
            }
            let place = within(
                file,
                Place {
                    line: start.0,
                    column: start.1,
                },
                decoded,
                line,
                column,
            );
            let at = file
                .lines()
                .nth(place.line - 1)
                .and_then(|line| line.chars().nth(place.column - 1));
            assert_eq!(at, Some(letter), "{file:?} {place:?}");
        }
    }

    #[test]
    fn places_in_scalars_of_every_style() {
        found("when: a == B && ü < C", (1, 7), "a == B && ü < C");
        found("- when: 'a == ''B'' && C'", (1, 9), "a == 'B' && C");
        found(
            r#"x: "\u00e4 \"A\" \n B \x41 C""#,
            (1, 4),
            "ä \"A\" \n B a C",
        );
        found("x:\n  y: a\n    B\n    C\nz: 1", (2, 6), "a B C");
        found("x: |\n  a A\n    b B\n\n  C\n", (1, 4), "a A\n  b B\n\nC\n");
        found("x: >-\n  a A\n  b B\n", (1, 4), "a A b B");
        found("x: |\n  a A\n    b B\n", (2, 3), "a A\n  b B\n");
        found("x: 'a\n  B\n  C'\n", (1, 4), "a B C");
    }
}
