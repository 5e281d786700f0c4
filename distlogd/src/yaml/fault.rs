//! Faults of a configuration.

use std::fmt;

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, in characters, counted from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// All faults of one file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// Name of the file.
    pub file: String,
    /// At least one.
    pub faults: Vec<Fault>,
    text: String,
}

impl Faults {
    pub(crate) fn new(file: &str, text: &str, mut faults: Vec<Fault>) -> Faults {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults.dedup();
        Faults {
            file: file.to_owned(),
            faults,
            text: text.to_owned(),
        }
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    /// Each fault in a line, as compilers write them, with the line of the file that it is in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(
                f,
                "{}:{}:{}: {}",
                self.file, fault.line, fault.column, fault.message
            )?;
            let Some(line) = self.text.lines().nth(fault.line.wrapping_sub(1)) else {
                continue;
            };
            let width = fault.line.to_string().len().max(4);
            // A long line is shown around the place.
            let skipped = fault.column.saturating_sub(60);
            let shown: String = line
                .chars()
                .skip(skipped)
                .take(100)
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            write!(f, "\n{:width$} | {}", fault.line, shown.trim_end())?;
            write!(
                f,
                "\n{:width$} | {:>place$}",
                "",
                "^",
                place = fault.column - skipped.min(fault.column - 1)
            )?;
        }
        Ok(())
    }
}
