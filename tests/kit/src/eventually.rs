//! Waits for a condition.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// What is awaited must come within this time; on a loaded machine all is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is `Ok`.
///
/// # Panics
/// With the last `Err` if it does not come within a minute.
#[track_caller]
pub fn eventually<T, E: Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(value) => return value,
            Err(error) if Instant::now() > deadline => panic!("{what} did not come: {error:?}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
