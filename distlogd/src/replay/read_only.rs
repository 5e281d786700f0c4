//! A file layer that reads and never writes: a store that no daemon has is opened by it and stays as it is, byte for
//! byte. The lock is taken, so that no daemon writes meanwhile.

use std::io;
use std::path::Path;
use std::sync::Arc;

use distlog_store::{FileLayer, Lock, OsFiles, StoreFile};

/// Reads the files of the operating system. What the store would repair or tidy up when it is opened is left alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReadOnly(OsFiles);

/// A file whose changes are not made.
struct Unchanged(Arc<dyn StoreFile>);

fn refused() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it is opened only to be read",
    )
}

impl FileLayer for ReadOnly {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match path.is_dir() {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "it is not there")),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn create(&self, _: &Path) -> io::Result<Arc<dyn StoreFile>> {
        Err(refused())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        self.0.open(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        Ok(Arc::new(Unchanged(self.0.open(path)?)))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        match path.exists() {
            true => self.0.lock(path),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "there is no store")),
        }
    }

    /// None, so that the store begins no segment.
    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(0)
    }
}

impl StoreFile for Unchanged {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}
