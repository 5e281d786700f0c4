//! When a file has everything.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use distlog_tests::bench::results::until;

/// A file that did not grow for so long may be complete.
const QUIET: Duration = Duration::from_millis(100);

/// Waits until a file has so many records, each with `mark` once: when it was last written to then, in nanoseconds
/// since the Unix epoch. While it grows nobody counts, as that would take time from the daemon.
pub fn wait(path: &Path, mark: &str, records: u64) -> u64 {
    let state = || std::fs::metadata(path).map(|file| (file.len(), file.modified().ok()));
    until("the daemon's file", || path.exists());
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).expect("the file opens"));
    let (mut line, mut count, mut before) = (Vec::new(), 0, None);
    until("all records in the file", || {
        std::thread::sleep(QUIET);
        let now = state().ok();
        if now != before {
            before = now;
            return false;
        }
        while file
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
            && line.ends_with(b"\n")
        {
            count += String::from_utf8_lossy(&line).matches(mark).count() as u64;
            line.clear();
        }
        count >= records
    });
    assert_eq!(count, records, "the file has every record once");
    let modified = before.and_then(|(_, modified)| modified?.duration_since(UNIX_EPOCH).ok());
    modified.expect("a file has a time").as_nanos() as u64
}
