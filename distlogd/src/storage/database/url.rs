//! Which database a text names. Texts are quoted nowhere: they may hold a password.

use super::DatabaseError;

/// What reads a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
    ClickHouse,
}

impl Engine {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Engine::Sqlite => "SQLite",
            Engine::Postgres => "PostgreSQL",
            Engine::ClickHouse => "ClickHouse",
        }
    }

    /// Of the crate.
    pub(super) fn feature(self) -> &'static str {
        match self {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
            Engine::ClickHouse => "clickhouse",
        }
    }
}

/// The engine, by how the text begins.
///
/// # Errors
/// If it begins otherwise.
pub(super) fn engine(from: &str) -> Result<Engine, DatabaseError> {
    let scheme = from.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" => Ok(Engine::Sqlite),
        "postgres" | "postgresql" => Ok(Engine::Postgres),
        "clickhouse" | "clickhouses" | "http" | "https" => Ok(Engine::ClickHouse),
        _ => Err(DatabaseError::Url(
            "expected a database like sqlite:logs.db, postgres://USER:PASSWORD@HOST:5432/DATABASE or \
             clickhouse://USER:PASSWORD@HOST:8123/DATABASE (clickhouses:// with TLS)"
                .to_owned(),
        )),
    }
}

/// The file of `sqlite:FILE`; `sqlite://FILE` is the same.
#[cfg(any(feature = "sqlite", test))]
pub(super) fn sqlite_path(from: &str) -> Result<&str, DatabaseError> {
    let path = from.strip_prefix("sqlite:").unwrap_or(from);
    match path.strip_prefix("//").unwrap_or(path) {
        "" => Err(DatabaseError::Url(
            "the file is missing: expected one like sqlite:logs.db or sqlite:/var/lib/logs.db"
                .to_owned(),
        )),
        path => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_which_engine_reads_it() {
        for (text, expected) in [
            ("sqlite:logs.db", Engine::Sqlite),
            ("postgres://h/db", Engine::Postgres),
            ("postgresql://h/db", Engine::Postgres),
            ("clickhouse://h/db", Engine::ClickHouse),
            ("clickhouses://h/db", Engine::ClickHouse),
            ("http://h:8123/db", Engine::ClickHouse),
            ("https://h:8443/db", Engine::ClickHouse),
        ] {
            assert_eq!(engine(text), Ok(expected), "{text}");
        }
        for text in ["", "logs.db", "mysql://me:hunter2@h/db", "hunter2"] {
            let error = engine(text).unwrap_err().to_string();
            assert!(error.contains("sqlite:logs.db"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_file_follows_the_scheme_of_sqlite() {
        for (text, expected) in [
            ("sqlite:logs.db", "logs.db"),
            ("sqlite://logs.db", "logs.db"),
            ("sqlite:///var/logs.db", "/var/logs.db"),
            ("sqlite:/var/logs.db", "/var/logs.db"),
        ] {
            assert_eq!(sqlite_path(text), Ok(expected), "{text}");
        }
        assert!(sqlite_path("sqlite:").is_err());
    }
}
