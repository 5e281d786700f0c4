//! Which database a command reads.

use std::path::PathBuf;

use clap::Args;

use super::answer::Error;

/// Which database.
#[derive(Debug, Args)]
pub(super) struct FromArgs {
    /// Read this database, which daemons fill, and ask no daemon: sqlite:FILE, postgres://… or clickhouse://…
    ///
    /// Others can read a password in the arguments of a command: the variable and --from-file keep it from them.
    #[arg(
        long,
        env = "DISTLOGD_FROM",
        hide_env_values = true,
        value_name = "URL"
    )]
    from: Option<String>,
    /// As --from, with the URL in a file.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    from_file: Option<PathBuf>,
}

impl FromArgs {
    /// The URL, if one is given.
    ///
    /// # Errors
    /// If its file cannot be read, or is empty.
    pub(super) fn url(&self) -> Result<Option<String>, Error> {
        let url = match (&self.from_file, &self.from) {
            (None, None) => return Ok(None),
            (None, Some(url)) => url.trim().to_owned(),
            (Some(file), _) => {
                let read = std::fs::read_to_string(file);
                let cannot = |error| format!("cannot read the URL in {}: {error}", file.display());
                read.map_err(|error| Error::Wrong(cannot(error)))?
                    .trim()
                    .to_owned()
            }
        };
        match (url.is_empty(), &self.from_file) {
            (false, _) => Ok(Some(url)),
            // An empty variable is none.
            (true, None) => Ok(None),
            (true, Some(file)) => Err(Error::Wrong(format!("no URL is in {}", file.display()))),
        }
    }
}
