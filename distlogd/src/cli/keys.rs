//! Makes keys for the ZeroMQ receivers and their clients.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use distlog_client::KeyPair;

use super::output::tell;
use super::{FAILED, client};

const EXAMPLES: &str = "\
Examples:
  distlogd keys new distlogd      for the daemon
  distlogd keys new shop          for a program that logs to it

Names do not matter to the daemon: a client is who has the secret key of a
public one in the folder that `clients:` of the configuration names.";

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a pair of keys: NAME.key has both, NAME.pub the public one. Existing files stay as they are.
    #[command(after_help = EXAMPLES)]
    New(NewArgs),
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Whose keys they are.
    #[arg(value_parser = name)]
    name: String,
    /// The folder to write them to; it is made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "keys")]
    dir: PathBuf,
}

fn name(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '@' | '.');
    let fits = !text.is_empty() && text.len() <= 64 && !text.starts_with('.');
    let expected = "expected up to 64 of a–z, A–Z, 0–9, -, _, @ and .";
    (fits && text.chars().all(plain))
        .then(|| text.to_owned())
        .ok_or(expected)
}

pub(super) fn keys(command: KeysCommand) -> u8 {
    let KeysCommand::New(NewArgs { name, dir }) = command;
    let pair = match KeyPair::generate() {
        Ok(pair) => pair,
        Err(error) => {
            tell!("distlogd: {error}");
            return FAILED;
        }
    };
    let file = |end: &str| dir.join(format!("{name}.{end}"));
    let (secret, public) = (file("key"), file("pub"));
    let written = make(&dir)
        .map_err(|error| (&dir, error))
        .and_then(|()| {
            write(&public, &pair.public().to_file(&name), 0o644).map_err(|error| (&public, error))
        })
        .and_then(|()| {
            let text = pair.to_secret_file(&name);
            write(&secret, &text, 0o600).map_err(|error| {
                // Half a pair is of no use.
                let _ = std::fs::remove_file(&public);
                (&secret, error)
            })
        });
    if let Err((path, error)) = written {
        tell!("distlogd: cannot write {}: {error}", path.display());
        return FAILED;
    }
    let (secret, public) = (secret.display(), public.display());
    let said = format!(
        "\
{secret}  secret: stays with its owner, and goes nowhere else
  a daemon:   listen: {{ session: {{ bind: …, curve: {{ key: {secret}, clients: FOLDER }} }} }}
  a program:  DISTLOG_CURVE_KEY={secret}
{public}  public: for the other side
  of a program:  put it into the daemon's FOLDER; a running daemon sees it within a second
  of a daemon:   DISTLOG_CURVE_SERVER={public} for each program that logs to it
"
    );
    match client::print(&said) {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}

/// Makes a folder, which others cannot enter.
fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Writes a new file, with this mode whatever the umask.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut open = OpenOptions::new();
    let mut file = open.write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
