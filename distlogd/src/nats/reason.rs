//! Why something did not work, for people.

use std::error::Error;

/// What an error and its causes say, each once.
pub(crate) fn reason(error: &dyn Error) -> String {
    with_causes(error)
}

pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
