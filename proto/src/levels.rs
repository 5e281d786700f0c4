//! Levels of programs: what they record by target, as `RUST_LOG` writes it: `info,orders=debug,hyper=off`.
//!
//! ```
//! use distlog_proto::levels::{Directives, Level};
//!
//! let directives: Directives = "info, orders=debug".parse()?;
//! assert_eq!(directives.to_string(), "info,orders=debug");
//! let fault = "info,orders=debgu".parse::<Directives>().unwrap_err();
//! assert_eq!(fault.column, 13);
//! # Ok::<(), distlog_proto::levels::DirectivesError>(())
//! ```

use std::fmt;
use std::str::FromStr;

/// Longest text of directives, in bytes.
pub const MAX_DIRECTIVES: usize = 4096;
/// Longest target, in bytes.
const MAX_TARGET: usize = 256;
/// What stands for a level.
const LEVELS: &str = "off, error, warn, info, debug or trace";

/// How much is recorded: everything up to a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs)] // As in tracing.
pub enum Level {
    /// Nothing.
    #[default]
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    const ALL: [Level; 6] = [
        Level::Off,
        Level::Error,
        Level::Warn,
        Level::Info,
        Level::Debug,
        Level::Trace,
    ];

    /// Its number: 0 is nothing, 5 is all.
    pub fn number(self) -> u64 {
        self as u64
    }

    /// The level of a number, if there is one.
    pub fn from_number(number: u64) -> Option<Level> {
        Level::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        ["off", "error", "warn", "info", "debug", "trace"][self as usize]
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no level: expected {LEVELS}")]
pub struct ParseLevelError(String);

impl FromStr for Level {
    type Err = ParseLevelError;

    /// Reads a name, in any case.
    fn from_str(text: &str) -> Result<Level, ParseLevelError> {
        let mut levels = Level::ALL.into_iter();
        let found = levels.find(|level| level.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| ParseLevelError(text.chars().take(MAX_TARGET).collect()))
    }
}

/// Levels by target. A longer target counts more than a shorter one, of the same the last.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Directives(Vec<Directive>);

/// A level, of one target or of all that have none of their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Directive {
    /// It is that of every target that begins so; `None`: of all that no other directive names.
    pub target: Option<String>,
    /// What is recorded there.
    pub level: Level,
}

/// A text is no list of directives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct DirectivesError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

impl Directives {
    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Directive> {
        self.0.iter()
    }
}

impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, directive) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            if let Some(target) = &directive.target {
                write!(f, "{target}=")?;
            }
            f.write_str(directive.level.name())?;
        }
        Ok(())
    }
}

impl FromStr for Directives {
    type Err = DirectivesError;

    /// Reads directives that commas divide, each a level or `TARGET=LEVEL`; white space around them is allowed. At
    /// least one must be there.
    fn from_str(text: &str) -> Result<Directives, DirectivesError> {
        if text.len() > MAX_DIRECTIVES {
            return Err(DirectivesError {
                column: 1,
                message: format!(
                    "{} bytes are too many: at most {MAX_DIRECTIVES} are taken",
                    text.len()
                ),
            });
        }
        let mut directives = Vec::new();
        let mut column = 1;
        for piece in text.split(',') {
            let blank = piece.chars().take_while(|c| c.is_whitespace()).count();
            let directive =
                directive(piece.trim()).map_err(|(offset, message)| DirectivesError {
                    column: column + blank + offset,
                    message,
                })?;
            directives.push(directive);
            column += piece.chars().count() + 1;
        }
        Ok(Directives(directives))
    }
}

/// One directive; a fault has its offset in characters.
fn directive(text: &str) -> Result<Directive, (usize, String)> {
    if text.is_empty() {
        let message = "a directive is missing: write a level like `info`, or `orders=debug`";
        return Err((0, message.to_owned()));
    }
    let Some((target, level)) = text.split_once('=') else {
        return match text.parse() {
            Ok(level) => Ok(Directive {
                target: None,
                level,
            }),
            Err(error) if is_target(text) => {
                Err((0, format!("{error}, or a target as `{text}=debug`")))
            }
            Err(_) => Err((0, no_target(text))),
        };
    };
    let target = target.trim_end();
    if !is_target(target) {
        return Err((0, no_target(target)));
    }
    let after = text.chars().take_while(|c| *c != '=').count() + 1;
    let blank = level.chars().take_while(|c| c.is_whitespace()).count();
    let level: Level = level
        .trim_start()
        .parse()
        .map_err(|error: ParseLevelError| (after + blank, error.to_string()))?;
    Ok(Directive {
        target: Some(target.to_owned()),
        level,
    })
}

/// Whether a text can be a target: not the syntax of `RUST_LOG` for spans and fields, which is not known here.
fn is_target(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"[]{}=,\"'`".contains(c);
    !text.is_empty() && text.len() <= MAX_TARGET && text.chars().all(plain)
}

fn no_target(text: &str) -> String {
    let shown: String = text.chars().take(MAX_TARGET).collect();
    match text.contains(['[', '{']) {
        true => format!(
            "`{shown}` names a span or a field: levels are by target alone, as `orders=debug`"
        ),
        false => format!("`{shown}` is no target: write a directive like `orders=debug`"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> (usize, String) {
        let error = text.parse::<Directives>().unwrap_err();
        (error.column, error.message)
    }

    #[test]
    fn directives_are_levels_and_targets_with_levels() {
        for (text, shown) in [
            ("info", "info"),
            ("WARN", "warn"),
            (" info ,orders = Debug", "info,orders=debug"),
            (
                "orders::cart=trace,hyper=off",
                "orders::cart=trace,hyper=off",
            ),
            ("off", "off"),
        ] {
            let directives: Directives = text.parse().unwrap();
            assert_eq!(directives.to_string(), shown);
        }
    }

    #[test]
    fn a_fault_says_where_it_is_and_what_to_write() {
        let (column, message) = fault("info,orders=debgu");
        assert_eq!(
            (column, message.as_str()),
            (
                13,
                "`debgu` is no level: expected off, error, warn, info, debug or trace"
            )
        );
        let (column, message) = fault("warn, debgu");
        assert_eq!(column, 7);
        assert!(
            message.ends_with("or a target as `debgu=debug`"),
            "{message}"
        );
        assert_eq!(fault("").0, 1);
        assert_eq!(fault("info,").0, 6);
        assert_eq!(fault("=info").0, 1);
        assert_eq!(fault("ü=info,ä= x").0, 11);
        let (column, message) = fault("info,orders[request]=debug");
        assert_eq!(column, 6);
        assert!(message.contains("by target alone"), "{message}");
        assert_eq!(fault(&"a".repeat(MAX_DIRECTIVES + 1)).0, 1);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_is_read_again(text in "([a-z:]{0,3}(=| )?(off|info|trace|x)?,?){0,4}|.{0,20}") {
            if let Ok(directives) = text.parse::<Directives>() {
                let again: Directives = directives.to_string().parse().unwrap();
                prop_assert_eq!(directives, again);
            }
        }
    }
}
