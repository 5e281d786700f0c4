//! Faults of a condition.

use cel::common::ast::SourceInfo;

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
