//! Taking possession of a file: open it, lock it, make sure that it is still the one of that name.
//!
//! The only place that opens spools. POSIX record locks on the whole file: the kernel releases them when the process
//! dies, and a forked child does not inherit them. They belong to the process, so it must never open a file twice
//! (`live.rs`).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, fcntl_lock};
use rustix::io::Errno;

use crate::error::SpoolError;
use crate::live::{FileId, Registration, Section, Use};
use crate::owners::Owners;

/// So long a new file may be in the hands of somebody who takes it for a dead one's, and a file may take to be closed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A file that this process alone has.
pub(crate) struct Locked {
    // In this order: the file is closed before others may open it again.
    file: File,
    registration: Registration,
    id: FileId,
}

/// What came of opening a file.
enum Opened {
    Locked(Locked),
    /// It belongs to somebody alive, or is gone, or this process has too many.
    NotNow,
}

impl Locked {
    /// Locks the file at `path` if that is there and nobody alive has it, this process included.
    ///
    /// # Errors
    /// If it is no regular file or none of these owners, or the system refuses.
    pub(crate) fn claim(path: &Path, owners: &Owners) -> Result<Option<Locked>, SpoolError> {
        let fail = |action, error| match error {
            Errno::LOOP => SpoolError::NotASpool {
                path: path.to_owned(),
            },
            error => SpoolError::of(action, path, 0, error.into()),
        };
        let deadline = Instant::now() + TIMEOUT;
        let (section, id) = loop {
            let section =
                Section::enter().map_err(|error| SpoolError::of("claim", path, 0, error))?;
            let metadata = match fs::symlink_metadata(path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(SpoolError::of("look at", path, 0, error)),
            };
            // A pipe or device is not even opened. `check_open` decides: this has the clearer error where the file of
            // another user cannot be opened.
            owners.check(path, &metadata)?;
            // What is opened below is compared with this.
            let id = FileId::of(&metadata);
            match section.use_of(id) {
                Use::None => break (section, id),
                Use::Closing if Instant::now() < deadline => {}
                Use::Open | Use::Closing => return Ok(None),
            }
            drop(section);
            std::thread::sleep(Duration::from_millis(1));
        };
        let file = match options().open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(match Errno::from_io_error(&error) {
                    Some(errno) => fail("open", errno),
                    None => SpoolError::of("open", path, 0, error),
                });
            }
        };
        check_open(&file, path, owners)?;
        match lock(&section, file, path, Some(id)).map_err(|error| fail("lock", error))? {
            Opened::Locked(locked) => Ok(Some(locked)),
            Opened::NotNow => Ok(None),
        }
    }

    /// Creates the file at `path`, which is nobody's yet, and locks it. It is going to have `needed` bytes.
    ///
    /// # Errors
    /// If the system refuses, or the file is there and stays.
    pub(crate) fn create(path: &Path, needed: u64) -> Result<Locked, SpoolError> {
        let fail = |error| SpoolError::of("create", path, needed, error);
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let section = Section::enter().map_err(fail)?;
            let file = match options().create_new(true).mode(0o600).open(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if Instant::now() > deadline {
                        return Err(fail(error));
                    }
                    None
                }
                Err(error) => return Err(fail(error)),
            };
            if let Some(file) = file {
                match lock(&section, file, path, None) {
                    Ok(Opened::Locked(locked)) => return Ok(locked),
                    // Between the two calls somebody took it for what a dead one left, and removes it.
                    Ok(Opened::NotNow) if Instant::now() < deadline => {}
                    result => {
                        let _ = fs::remove_file(path);
                        return Err(fail(match result {
                            Err(error) => error.into(),
                            Ok(_) => io::ErrorKind::WouldBlock.into(),
                        }));
                    }
                }
            }
            drop(section);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The file. It must not be duplicated: closing the second descriptor would drop the lock.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether this process is the one that locked it, and not its forked child.
    pub(crate) fn is_mine(&self) -> bool {
        self.registration.is_mine()
    }

    /// Whether it is the file of this name.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(FileId::of(&metadata) == self.id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes its name, unless another file has that, or a forked child asks: the lock is its parent's.
    pub(crate) fn unlink(&self, path: &Path) -> io::Result<()> {
        if !self.is_mine() || !self.is_at(path)? {
            return Ok(());
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.registration.closing();
    }
}

/// For reading and writing, closed on `exec`, not through a link, and without waiting for the other end of a pipe.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    options
}

/// Checks the open file itself: what has its name can change between a look at the path and the opening of it.
fn check_open(file: &File, path: &Path, owners: &Owners) -> Result<(), SpoolError> {
    let metadata = file
        .metadata()
        .map_err(|error| SpoolError::of("look at", path, 0, error))?;
    owners.check(path, &metadata)
}

/// Locks an open file and compares it with what has its name (and with `expected`).
fn lock(
    section: &Section,
    file: File,
    path: &Path,
    expected: Option<FileId>,
) -> Result<Opened, Errno> {
    let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let id = FileId::of(&file.metadata().map_err(errno)?);
    if expected.is_some_and(|expected| expected != id) {
        return Ok(Opened::NotNow);
    }
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::AGAIN | Errno::ACCESS) => return Ok(Opened::NotNow),
        Err(error) => return Err(error),
    }
    // Whoever had it before may have removed or renamed it since it was opened here.
    match fs::symlink_metadata(path) {
        Ok(metadata) if FileId::of(&metadata) == id => {}
        Ok(_) => return Ok(Opened::NotNow),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::NotNow),
        Err(error) => return Err(errno(error)),
    }
    Ok(match section.register(id) {
        Some(registration) => Opened::Locked(Locked {
            file,
            registration,
            id,
        }),
        None => Opened::NotNow,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What happens between the opening and the locking of a file.
    fn after(change: impl FnOnce(&Path)) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "one").unwrap();
        let file = options().open(&path).unwrap();
        change(&path);
        let section = Section::enter().unwrap();
        matches!(lock(&section, file, &path, None), Ok(Opened::Locked(_)))
    }

    #[test]
    fn a_file_that_lost_its_name_before_it_was_locked_is_not_taken() {
        assert!(after(|_| {}));
        assert!(!after(|path| fs::remove_file(path).unwrap()));
        assert!(!after(|path| {
            fs::remove_file(path).unwrap();
            fs::write(path, "another").unwrap();
        }));
        assert!(!after(|path| {
            fs::rename(path, path.with_extension("spool")).unwrap();
        }));
    }

    #[test]
    fn the_open_file_is_checked_and_not_what_has_its_name_by_then() {
        let dir = tempfile::tempdir().unwrap();
        let (path, good) = (dir.path().join("file"), dir.path().join("good"));
        let create = |path: &Path, mode| {
            fs::write(path, "records").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        create(&path, 0o620);
        create(&good, 0o600);
        let planted = options().open(&path).unwrap();
        fs::rename(&good, &path).unwrap();
        let owners = Owners::default();
        assert!(matches!(
            check_open(&planted, &path, &owners),
            Err(SpoolError::WritableByOthers { mode: 0o620, .. })
        ));
        let taken = options().open(&path).unwrap();
        check_open(&taken, &path, &owners).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o602)).unwrap();
        assert!(check_open(&taken, &path, &owners).is_err());
    }
}
