//! [`Owners`]: whose files are taken.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::SpoolError;

/// Whose spools are taken: those of the user of this process, of root, and of further users. What somebody else put
/// into a directory could claim to be any producer's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Owners {
    others: Vec<u32>,
}

impl Owners {
    /// `others`: ids of further users.
    pub(crate) fn with(others: impl IntoIterator<Item = u32>) -> Owners {
        Owners {
            others: others.into_iter().collect(),
        }
    }

    /// Checks that a file is a regular one of these owners, and that nobody else can have written what is in it. Only
    /// the metadata of an open file counts: the path may name another file a moment later.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn check(&self, path: &Path, file: &Metadata) -> Result<(), SpoolError> {
        let path = || path.to_owned();
        if !file.is_file() {
            return Err(SpoolError::NotASpool { path: path() });
        }
        let owner = file.uid();
        let own = rustix::process::geteuid().as_raw();
        if owner != own && owner != 0 && !self.others.contains(&owner) {
            return Err(SpoolError::ForeignOwner {
                path: path(),
                owner,
            });
        }
        // With another name it may be any file of theirs.
        if file.nlink() > 1 {
            return Err(SpoolError::HardLink { path: path() });
        }
        let mode = file.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(SpoolError::WritableByOthers { path: path(), mode });
        }
        Ok(())
    }
}
