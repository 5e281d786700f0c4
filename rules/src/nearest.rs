//! The name that was probably meant.

use strsim::osa_distance;

/// A longer text is no name, and would take long.
const MAX_BYTES: usize = 256;

/// The candidate that differs from `text` by a typing mistake: case, or few edits for its length.
pub fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = text.to_lowercase();
    if lower.len() > MAX_BYTES {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.chars().count() / 4 && *distance < lower.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_far_off() {
        let names = ["severity", "service", "message", "host", "WARN"];
        assert_eq!(nearest("severty", names), Some("severity"));
        assert_eq!(nearest("mesasge", names), Some("message"));
        assert_eq!(nearest("warn", names), Some("WARN"));
        assert_eq!(nearest("hots", names), Some("host"));
        assert_eq!(nearest("zebra", names), None);
        assert_eq!(nearest("a", names), None);
    }
}
