//! The line that says how it went.

use super::checker::Findings;

/// The one line for standard output.
pub fn line(findings: &Findings, rounds: u64, seed: u64) -> String {
    let Findings {
        logged,
        stored,
        lost,
        duplicated,
        dropped,
        file_twice,
        sink_twice,
        hubs_twice,
        databases,
        ..
    } = findings;
    let rows: Vec<String> = databases
        .iter()
        .map(|(name, rows)| format!("{name} {rows}"))
        .collect();
    let rows = match rows.is_empty() {
        true => String::new(),
        false => format!("databases {{{}}}, ", rows.join(", ")),
    };
    format!(
        "logged {logged}, stored {stored}, lost {lost}, duplicated {duplicated}, counted-as-dropped {dropped}, \
         redelivered {{file {file_twice}, sink {sink_twice}, hubs {hubs_twice}}}, {rows}rounds {rounds}, seed {seed}"
    )
}

/// What is wrong, for standard error.
pub fn violations(findings: &Findings) -> String {
    let mut text: String = findings
        .violations
        .iter()
        .map(|violation| format!("wrong: {violation}\n"))
        .collect();
    if findings.more > 0 {
        text += &format!("and {} more of such\n", findings.more);
    }
    text
}
