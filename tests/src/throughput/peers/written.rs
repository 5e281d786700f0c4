//! When a file has everything.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::measure::until;
use crate::system;

/// Waits until a file has so many lines: when it had them, in nanoseconds since the Unix epoch. They are not counted
/// before it has most of `bytes`, what clients sent, as that would take time from the daemon.
pub fn wait(path: &Path, count: u64, bytes: u64) -> u64 {
    let length = || std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    until("most lines in the file", || length() >= bytes / 4 * 3);
    let file = File::open(path).expect("the daemon's file opens");
    let mut file = BufReader::with_capacity(1 << 20, file);
    let (mut at, mut lines) = (0, 0);
    until("all lines in the file", || {
        at = system::now();
        while let Ok(bytes @ [_, ..]) = file.fill_buf() {
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let all = bytes.len();
            file.consume(all);
        }
        lines >= count
    });
    assert_eq!(lines, count, "the file has every record once");
    at
}
