//! The databases that processors write into: files of SQLite, and a server of PostgreSQL behind a network that can be
//! cut.

use std::io;
use std::path::Path;

use distlog_testkit::{Postgres, Proxy};

use super::seen_set::SeenSet;

/// What names the folder of PostgreSQL's programs.
pub const PROGRAMS: &str = "DISTLOG_TEST_POSTGRES";
/// Pauses that are short, so that each round sees attempts.
pub const RETRY: &str = "retry: { first: 50ms, most: 500ms }";

/// The databases of a run.
pub struct Databases {
    postgres: Option<Server>,
}

struct Server {
    server: Postgres,
    proxy: Proxy,
    runs: bool,
}

/// Producers and offsets of what a database has.
pub type Rows = SeenSet<[u8; 16]>;

impl Databases {
    /// Starts PostgreSQL, if the environment says where its programs are.
    pub fn start() -> Databases {
        let postgres = std::env::var_os(PROGRAMS).map(|_| {
            let server = Postgres::start(&[]);
            let proxy = Proxy::start(server.port());
            Server {
                server,
                proxy,
                runs: true,
            }
        });
        if postgres.is_none() {
            eprintln!("SQLite alone: {PROGRAMS} does not name the folder of PostgreSQL's programs");
        }
        Databases { postgres }
    }

    /// Whether there is a server that can be killed.
    pub fn has_server(&self) -> bool {
        self.postgres.is_some()
    }

    /// The names of the processors.
    pub fn names(&self) -> &'static [&'static str] {
        match self.postgres {
            Some(_) => &["sqlite", "postgres"],
            None => &["sqlite"],
        }
    }

    /// The processors' lines of the configuration of a daemon whose file of SQLite is this one.
    pub fn processors(&self, file: &Path) -> String {
        let file = file.display();
        let mut lines = format!("  sqlite: {{ sqlite: {{ path: '{file}' }}, {RETRY} }}\n");
        if let Some(Server { server, proxy, .. }) = &self.postgres {
            let url = server.url_at(proxy.at());
            lines +=
                &format!("  postgres: {{ postgres: {{ url: '{url}', timeout: 5s }}, {RETRY} }}\n");
        }
        lines
    }

    /// Kills the server and all its processes.
    pub fn kill(&mut self) {
        if let Some(postgres) = self.postgres.as_mut().filter(|postgres| postgres.runs) {
            postgres.server.kill();
            postgres.runs = false;
        }
    }

    /// Starts it again, and waits until it has recovered.
    pub fn restart(&mut self) {
        if let Some(postgres) = self.postgres.as_mut().filter(|postgres| !postgres.runs) {
            postgres.server.restart();
            postgres.runs = true;
        }
    }

    /// Cuts all connections to it.
    pub fn cut(&self) {
        if let Some(postgres) = &self.postgres {
            postgres.proxy.cut();
        }
    }

    /// Stops all its processes, or lets them go on: connections stay, and nothing answers.
    pub fn freeze(&self, frozen: bool) {
        let server = self.postgres.as_ref().map(|postgres| &postgres.server);
        match (server, frozen) {
            (Some(server), true) => server.freeze(),
            (Some(server), false) => server.thaw(),
            (None, _) => {}
        }
    }

    /// Reads what the server has, if there is one, when nobody writes any more.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_server(&self) -> io::Result<Option<Rows>> {
        let Some(Server { server, .. }) = &self.postgres else {
            return Ok(None);
        };
        let rows = server.try_sql("SELECT producer, record_offset FROM distlog.records");
        let mut got = SeenSet::default();
        for row in rows.map_err(io::Error::other)?.lines() {
            let (producer, offset) = row.split_once('|').unwrap_or_default();
            let offset = offset.parse().map_err(io::Error::other)?;
            got.add(identity(producer)?, offset);
        }
        Ok(Some(got))
    }
}

/// Reads what a file of SQLite has.
///
/// # Errors
/// If it cannot be read.
pub fn read_file(path: &Path) -> io::Result<Rows> {
    select(path).map_err(io::Error::other)
}

fn select(path: &Path) -> rusqlite::Result<Rows> {
    let database = rusqlite::Connection::open(path)?;
    let mut select = database.prepare("SELECT producer, record_offset FROM records")?;
    let mut rows = select.query([])?;
    let mut got = SeenSet::default();
    while let Some(row) = rows.next()? {
        let producer: String = row.get(0)?;
        let offset: i64 = row.get(1)?;
        let wrong = |error: io::Error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        };
        got.add(identity(&producer).map_err(wrong)?, offset.cast_unsigned());
    }
    Ok(got)
}

/// A producer's bytes, of its hex digits with or without hyphens.
fn identity(text: &str) -> io::Result<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).map_err(io::Error::other)?;
    Ok(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_are_read_with_and_without_hyphens() {
        let bytes = 0x1ff_u128.to_be_bytes();
        for text in [
            "000000000000000000000000000001ff",
            "00000000-0000-0000-0000-0000000001ff",
        ] {
            assert_eq!(identity(text).unwrap(), bytes);
        }
        assert!(identity("").is_err());
    }
}
