//! What somebody probably meant.

/// The candidate that differs from `text` by a slip of the fingers: case, or few edits for its length.
pub fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = text.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.chars().count() / 4 && *distance < lower.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that make `b` of `a`; the text is cut to 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, x) in a.chars().take(64).enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != *y))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if j > 0 && last == Some(*y) && b[j - 1] == x {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
        last = Some(x);
    }
    above.last().copied().unwrap_or_default()
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
