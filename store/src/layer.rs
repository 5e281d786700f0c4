//! The file layer: every operation of the store on files goes through these two traits, so that a test double can lose
//! what was not synced, tear writes and fail where it likes.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::FallocateFlags;

/// A held lock; dropping it releases it.
pub type Lock = Box<dyn Send + Sync>;

/// What the store asks of a file system.
pub trait FileLayer: Send + Sync {
    /// Creates a directory and those above it, for this user alone; one that exists is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates an empty file for reading and writing, for this user alone; one that exists is emptied.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>>;
    /// Opens a file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Those who have it open go on reading.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file, creating it, and writes the process id into it.
    ///
    /// # Errors
    /// `WouldBlock` when another holds it.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
    /// Bytes that may still be written on the file system of a directory.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
}

/// An open file.
pub trait StoreFile: Send + Sync {
    /// Reads at an offset; 0 at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `buf` at an offset.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// `fdatasync`: what was written, and the length, is durable after this.
    fn sync(&self) -> io::Result<()>;
    /// Makes the file at least `len` bytes long, with the room allocated; new bytes are zero.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// The length in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// Reads until `buf` is full or the file ends; tells how much.
pub(super) fn read_full(file: &dyn StoreFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// The file system of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFiles;

impl FileLayer for OsFiles {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // Logs hold what nobody else should read.
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // Names that are not UTF-8 are none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(OsFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        Ok(Arc::new(OsFile(fs::File::open(path)?)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(OsFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(e)) => return Err(e),
        }
        // The process id is a courtesy to whoever finds the lock held: a full disk must not keep the store closed.
        let pid = format!("{}\n", std::process::id());
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all_at(pid.as_bytes(), 0));
        Ok(Box::new(Locked(file)))
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

struct Locked(fs::File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing would not do at once: a process that is being started has the file, too, until it runs its program.
        let _ = self.0.unlock();
    }
}

struct OsFile(fs::File);

impl StoreFile for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // Not every file system can allocate ahead; there a write may meet a full disk, which is handled.
            Err(e) if e == rustix::io::Errno::OPNOTSUPP || e == rustix::io::Errno::NOSYS => {
                let size = self.size()?;
                self.0.set_len(size.max(len))
            }
            Err(e) => Err(e.into()),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
