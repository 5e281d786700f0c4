//! Asks a daemon for its metrics.

use std::time::Duration;

/// All of them, as text.
///
/// # Errors
/// If the daemon does not answer.
pub fn read(http: &str) -> Result<String, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into();
    agent
        .get(format!("{http}/metrics"))
        .call()?
        .body_mut()
        .read_to_string()
}

/// One of them, by its name with labels.
pub fn value(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?
        .parse()
        .ok()
}

/// The values of all that have the name, whatever their labels.
pub fn values(text: &str, name: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?.strip_prefix('{')?;
            rest.rsplit_once(' ')?.1.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_name() {
        let text = "# HELP lag x\nlag{processor=\"a b\"} 3\nlag{processor=\"c\"} 0\nlags 7\n";
        assert_eq!(values(text, "lag"), [3, 0]);
        assert_eq!(value(text, "lags"), Some(7));
        assert_eq!(value(text, "lag{processor=\"a b\"}"), Some(3));
        assert_eq!(value(text, "la"), None);
    }
}
