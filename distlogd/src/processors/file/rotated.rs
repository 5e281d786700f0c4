//! Names of old files: `all.jsonl.20261123T044512.123Z`, with `.gz` or `.zst` when compressed. Their order is that of
//! time.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::config::Compress;

/// An old file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    /// When it was rotated, as in its name.
    pub(super) stamp: String,
    pub(super) path: PathBuf,
    pub(super) compressed: bool,
}

/// The old files of `path`, oldest first.
pub(super) fn list(path: &Path) -> io::Result<Vec<Rotated>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory(path))? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(rest) = file_name
            .to_str()
            .and_then(|file| file.strip_prefix(name)?.strip_prefix('.'))
        else {
            continue;
        };
        let stamp = rest
            .strip_suffix(".gz")
            .or_else(|| rest.strip_suffix(".zst"));
        let compressed = stamp.is_some();
        let stamp = stamp.unwrap_or(rest);
        if is_stamp(stamp) {
            files.push(Rotated {
                stamp: stamp.to_owned(),
                path: entry.path(),
                compressed,
            });
        }
    }
    files.sort();
    Ok(files)
}

/// Where `path` is moved when it is rotated now: later than all others, whatever the clock says.
pub(super) fn next(path: &Path) -> io::Result<PathBuf> {
    let last = list(path)?.pop().map(|file| file.stamp);
    let mut time = SystemTime::now();
    loop {
        let stamp = stamp(time);
        match &last {
            Some(last) if stamp <= *last => {
                time = parse(last).map_or(time, |last| last.max(time)) + Duration::from_millis(1);
            }
            _ => return Ok(with_suffix(path, &format!(".{stamp}"))),
        }
    }
}

/// The name of a file when it is compressed.
pub(super) fn compressed(path: &Path, how: Compress) -> Option<PathBuf> {
    match how {
        Compress::Gzip => Some(with_suffix(path, ".gz")),
        Compress::Zstd => Some(with_suffix(path, ".zst")),
        Compress::None => None,
    }
}

/// Appends to the name of a file.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The directory that a file is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn stamp(time: SystemTime) -> String {
    let millis = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let time = chrono::DateTime::from_timestamp_millis(i64::try_from(millis).unwrap_or_default())
        .unwrap_or_default();
    time.format("%Y%m%dT%H%M%S%.3fZ").to_string()
}

fn parse(stamp: &str) -> Option<SystemTime> {
    let time = chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%S%.3fZ")
        .ok()?
        .and_utc();
    Some(UNIX_EPOCH + Duration::from_millis(u64::try_from(time.timestamp_millis()).ok()?))
}

fn is_stamp(text: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'.',
        19 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 20 && text.bytes().enumerate().all(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut made = Vec::new();
        for _ in 0..20 {
            let next = next(&path).unwrap();
            std::fs::write(&next, "x").unwrap();
            made.push(next);
        }
        for other in [
            "a.log",
            "a.log.1",
            "a.log.bak",
            "b.log.20200101T000000.000Z",
            "a.log.2020-01-01T00:00.00Z",
        ] {
            std::fs::write(dir.path().join(other), "x").unwrap();
        }
        assert_eq!(
            list(&path)
                .unwrap()
                .into_iter()
                .map(|file| file.path)
                .collect::<Vec<_>>(),
            made
        );
        // The clock was set back.
        std::fs::write(dir.path().join("a.log.29991231T235959.999Z.gz"), "x").unwrap();
        assert_eq!(
            next(&path).unwrap(),
            dir.path().join("a.log.30000101T000000.000Z")
        );
    }
}
