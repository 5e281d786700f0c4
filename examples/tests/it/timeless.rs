//! Trees without what differs from run to run.

/// Times of day replaced by `TIME`, durations by `TOOK`.
pub fn timeless(tree: &str) -> String {
    let is_duration = |word: &str| {
        let number = ["ns", "µs", "ms", "s"]
            .iter()
            .find_map(|unit| word.strip_suffix(unit));
        number.is_some_and(|number| number.parse::<f64>().is_ok())
    };
    let is_clock = |word: &str| word.len() == 12 && word.matches(':').count() == 2;
    let timeless_word = |word: &'_ str| match word {
        word if is_duration(word) => "TOOK".to_owned(),
        word if is_clock(word) => "TIME".to_owned(),
        word => word.to_owned(),
    };
    let lines = tree.lines().map(|line| {
        line.split(' ')
            .map(timeless_word)
            .collect::<Vec<_>>()
            .join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}
