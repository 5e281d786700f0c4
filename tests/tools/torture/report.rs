//! The line that says how it went.

use super::oracle::BatchDecision;

/// The one line for standard output.
pub fn line(verdict: &BatchDecision, rounds: u64, seed: u64) -> String {
    let BatchDecision {
        logged,
        stored,
        lost,
        duplicated,
        dropped,
        file_twice,
        sink_twice,
        ..
    } = verdict;
    format!(
        "logged {logged}, stored {stored}, lost {lost}, duplicated {duplicated}, counted-as-dropped {dropped}, \
         redelivered {{file {file_twice}, sink {sink_twice}}}, rounds {rounds}, seed {seed}"
    )
}

/// What is wrong, for standard error.
pub fn complaints(verdict: &BatchDecision) -> String {
    let mut text: String = verdict
        .complaints
        .iter()
        .map(|complaint| format!("wrong: {complaint}\n"))
        .collect();
    if verdict.more > 0 {
        text += &format!("and {} more of such\n", verdict.more);
    }
    text
}
