//! [`Unpublished`]: a file that is complete only when it gets its name.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::lock::Locked;

/// A locked file under a temporary name: nobody drains it. Dropped, it is gone.
pub(crate) struct Unpublished {
    // In this order: the name goes while the lock is held.
    temporary: Temporary,
    locked: Locked,
    path: PathBuf,
}

/// The first name of the file, removed with it unless the file got another one.
struct Temporary {
    path: PathBuf,
    process: u32,
    is_renamed: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // A forked child has a copy of this, but the file is its parent's.
        if !self.is_renamed && self.process == std::process::id() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Unpublished {
    /// Creates and locks `temporary`, which is to become `path` and is going to have `needed` bytes.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn create(
        temporary: PathBuf,
        path: PathBuf,
        needed: u64,
    ) -> Result<Unpublished, SpoolError> {
        let locked = Locked::create(&temporary, needed)?;
        Ok(Unpublished {
            temporary: Temporary {
                path: temporary,
                process: std::process::id(),
                is_renamed: false,
            },
            locked,
            path,
        })
    }

    /// The file. It must not be duplicated or opened a second time: closing any descriptor of it drops the lock.
    pub(crate) fn file(&self) -> &File {
        self.locked.file()
    }

    /// The name that it is going to have.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name: from now on, what is in it outlives this process.
    ///
    /// # Errors
    /// If the directory is gone, or the system refuses. The file is gone then.
    pub(crate) fn publish(mut self) -> Result<(Locked, PathBuf), SpoolError> {
        std::fs::rename(&self.temporary.path, &self.path)
            .map_err(|error| SpoolError::of("rename", &self.path, 0, error))?;
        self.temporary.is_renamed = true;
        Ok((self.locked, self.path))
    }
}
