//! Opens the file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::Fault;
use super::schema;

/// How long another writer is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Pages in memory, in KiB: indexes are written all over.
const CACHE_KIB: i64 = 32 << 10;
/// Pages of the log of the database after which they are copied to it, where no reader needs the old ones.
const CHECKPOINT_PAGES: i64 = 4000;
/// The log of the database is cut to this after a long reader has let it grow, in bytes.
const LOG_BYTES: i64 = 64 << 20;

/// Identity of a file: device and number.
pub(super) type Identity = (u64, u64);

/// Opens the file, which is made if there is none.
///
/// # Errors
/// If it cannot be written, or is no database of ours.
pub(super) fn open(path: &Path) -> Result<(Connection, Identity), Fault> {
    create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    if connection.is_readonly("main")? {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "this user may only read it",
        )
        .into());
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    // Each commit is synced.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The first that reads the file: what is no database comes out here, before anything is changed.
    schema::prepare(&mut connection, schema::STEPS)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    Ok((connection, identity(path)?))
}

/// Makes an empty file that nobody else can read. SQLite gives the files beside it the same permissions.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let made = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
            options.open(path)
        }
        made => made,
    };
    match made {
        Ok(file) => {
            file.sync_all()?;
            File::open(directory)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// That of the file that stands there now.
pub(super) fn identity(path: &Path) -> io::Result<Identity> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}
