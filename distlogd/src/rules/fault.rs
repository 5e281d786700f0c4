//! What is wrong with a condition.

use cel::ParseErrors;
use cel::common::ast::SourceInfo;

use super::reserved;

/// A condition that cannot be used: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct CompileFault {
    /// Line of the condition's text, counted from 1.
    pub line: usize,
    /// Column in that line, in characters, counted from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
}

impl CompileFault {
    pub(super) fn at(line: usize, column: usize, message: String) -> CompileFault {
        CompileFault {
            line,
            column,
            message,
        }
    }

    /// At the expression with that id.
    pub(super) fn of(text: &str, source: &SourceInfo, id: u64, message: String) -> CompileFault {
        let offset = source.offset_for(id).map_or(0, |(start, _)| start as usize);
        let (line, column) = position(text, offset);
        CompileFault {
            line,
            column,
            message,
        }
    }

    /// What the parser did not understand.
    pub(super) fn parse(text: &str, errors: &ParseErrors) -> CompileFault {
        let Some(first) = errors.errors.first() else {
            return CompileFault::at(1, 1, "is no expression".to_owned());
        };
        let lines = text.lines().count().max(1);
        let line = usize::try_from(first.pos.0).unwrap_or(1).clamp(1, lines);
        let column = usize::try_from(first.pos.1).unwrap_or(1).max(1);
        CompileFault {
            line,
            column,
            message: readable(&first.msg),
        }
    }
}

/// Line and column of a place that is given in bytes.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.char_indices().take_while(|(at, _)| *at < offset);
    before.fold((1, 1), |(line, column), (_, c)| {
        if c == '\n' {
            (line + 1, 1)
        } else {
            (line, column + 1)
        }
    })
}

/// The parser's words without what only its authors understand.
fn readable(message: &str) -> String {
    let message = message
        .replace("<EOF>", "the end")
        .replace("IDENTIFIER", "a name")
        .replace(reserved::STAND_IN, reserved::NAME);
    match message.split_once(" expecting {") {
        Some((found, _)) => format!("expected an expression: {found}"),
        None => message,
    }
}
