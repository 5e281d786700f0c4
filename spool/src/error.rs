//! What can go wrong with a spool.

use std::io;
use std::path::{Path, PathBuf};

/// A spool, or its directory, that cannot be used, and what to do about it. Nothing is ever deleted because of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // Each text names its fields.
pub enum SpoolError {
    /// The path of a spool directory leads to something else.
    #[error("{path} is not a directory: spools need one of their own")]
    NotADirectory { path: PathBuf },
    /// The operating system says no.
    #[error(
        "no permission to {action} {path}: the spool directory and its files must belong to the user that runs this program"
    )]
    NoPermission { action: &'static str, path: PathBuf },
    /// The disk, or the user's share of it, is full.
    #[error("no room for {path}, which needs {needed} bytes: free some, or make the ring smaller")]
    DiskFull { path: PathBuf, needed: u64 },
    /// Written in another version of the layout.
    #[error(
        "{path} has layout version {found}, this program knows {known}: drain it with the version of distlog that wrote it"
    )]
    OldFormat {
        path: PathBuf,
        found: u64,
        known: u64,
    },
    /// It has the name of a spool, but another content, or is no file at all.
    #[error("{path} is not a spool, though it is called like one: move it away")]
    NotASpool { path: PathBuf },
    /// Somebody else put it there.
    #[error(
        "{path} belongs to the user {owner}: taken are spools of the user that runs this program, of root, and of users \
         that distlogd is told of (`drain: {{ path: …, owners: [{owner}] }}`, or `--drain … --owner {owner}`)"
    )]
    ForeignOwner { path: PathBuf, owner: u32 },
    /// The file has a second name, so it may be another one's.
    #[error("{path} is a hard link: a spool has one name; remove it, or the other name")]
    HardLink { path: PathBuf },
    /// Another user may have changed it.
    #[error(
        "{path} can be written by others than its owner (mode {mode:04o}), who may have put records into it: look at \
         it, then take that right away (chmod go-w)"
    )]
    WritableByOthers { path: PathBuf, mode: u32 },
    /// A spool whose bytes contradict each other.
    #[error("{path} is damaged, {what}: it stays where it is; move it away once it was looked at")]
    Damaged { path: PathBuf, what: &'static str },
    /// The file or its directory is not there any more, or another file is in its place.
    #[error("{path} was removed or replaced: what is not sent does not outlive this process")]
    Removed { path: PathBuf },
    /// Somebody made the file shorter.
    #[error(
        "{path} was cut off: it has {length} bytes instead of {expected}, and what stood behind is gone"
    )]
    Truncated {
        path: PathBuf,
        length: u64,
        expected: u64,
    },
    /// The operating system refused something else.
    #[error("cannot {action} {path}: {source}")]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl SpoolError {
    /// What `error` means when it came of doing `action` with `path`, where `needed` bytes were wanted.
    pub(crate) fn of(
        action: &'static str,
        path: &Path,
        needed: u64,
        error: io::Error,
    ) -> SpoolError {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied => SpoolError::NoPermission { action, path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                SpoolError::DiskFull { path, needed }
            }
            io::ErrorKind::NotADirectory => SpoolError::NotADirectory { path },
            io::ErrorKind::NotFound => SpoolError::Removed { path },
            _ => SpoolError::File {
                action,
                path,
                source: error,
            },
        }
    }

    /// `path` contradicts itself.
    pub(crate) fn damaged(path: &Path, what: &'static str) -> SpoolError {
        SpoolError::Damaged {
            path: path.to_owned(),
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn each_refusal_of_the_system_says_what_to_do() {
        let of = |errno: Errno| {
            SpoolError::of("write", Path::new("/spool/a"), 100, errno.into()).to_string()
        };
        let permission = "no permission to write /spool/a: the spool directory and its files must belong to the user \
                          that runs this program";
        assert_eq!(of(Errno::ACCESS), permission);
        assert_eq!(of(Errno::PERM), permission);
        let full =
            "no room for /spool/a, which needs 100 bytes: free some, or make the ring smaller";
        assert_eq!(of(Errno::NOSPC), full);
        assert_eq!(of(Errno::DQUOT), full);
        assert!(of(Errno::NOTDIR).starts_with("/spool/a is not a directory"));
        assert!(of(Errno::NOENT).starts_with("/spool/a was removed"));
        assert!(of(Errno::ROFS).starts_with("cannot write /spool/a: Read-only file system"));
    }
}
