//! Opens the file for reading.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::Fault;
use crate::processors::sqlite::schema;

/// How long another program that keeps the file locked is waited for. In WAL mode writers lock no readers out.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in memory, in KiB, of each connection.
const CACHE_KIB: i64 = 8 << 10;
/// Statements that are kept; their texts differ by what is asked.
const STATEMENTS: usize = 32;

/// An open file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Device and number.
    identity: (u64, u64),
}

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Opened, Fault> {
        let identity = identity(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "query_only", true)?;
        check(&connection)?;
        Ok(Opened {
            connection,
            identity,
        })
    }

    /// Whether it is the file that stands there now.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        identity(path).is_ok_and(|there| there == self.identity)
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Whether the file is one that this program knows.
fn check(connection: &Connection) -> Result<(), Fault> {
    if !schema::is_ours(connection)? {
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        return Err(if tables == 0 {
            Fault::Empty
        } else {
            Fault::Foreign
        });
    }
    let known = schema::VERSION;
    match schema::version(connection)? {
        found if found > known => Err(Fault::Newer { found, known }),
        found if found < known => Err(Fault::Older { found, known }),
        _ => Ok(()),
    }
}
