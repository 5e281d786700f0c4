//! The tokens of a file while the daemon runs: the file is read anew when it changes.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use super::rights::Needs;
use super::token::{Denied, Hash, Token};
use super::tokens_file::parse;
use crate::yaml::Faults;

/// The file is checked for changes no more often than this.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Longest file, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error(
        "cannot read the tokens in {path}: {error}; `distlogd token new NAME --may read --file {path}` makes it"
    )]
    File {
        /// Its path.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It has faults.
    #[error("{0}")]
    Faults(#[from] Faults),
}

/// The files of tokens that a daemon has opened: one that several receivers name is read once.
#[derive(Debug, Default)]
pub(crate) struct TokenFiles(BTreeMap<PathBuf, Tokens>);

impl TokenFiles {
    /// Opens a file, unless it is open.
    ///
    /// # Errors
    /// If it cannot be read, or has faults.
    pub(crate) fn open(&mut self, path: &Path) -> Result<Tokens, TokensError> {
        if let Some(tokens) = self.0.get(path) {
            return Ok(tokens.clone());
        }
        let tokens = Tokens::open(path)?;
        self.0.insert(path.to_owned(), tokens.clone());
        Ok(tokens)
    }
}

/// The tokens of a file. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Replaced as a whole. Nothing is read from a disk while it is locked: each request needs it.
    list: RwLock<Vec<Arc<Token>>>,
    /// Locked while the file is read. Requests that come meanwhile do not wait for it.
    watch: Mutex<Watch>,
}

/// What is known of the file.
#[derive(Debug)]
struct Watch {
    /// What was read last, whether it was good or not; `None`: there was no file.
    version: Option<Version>,
    looked: Instant,
    /// The version at the last check. A file is read once two checks find the same: before, it may be half written.
    seen: Option<Version>,
}

/// Changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    file: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Version {
        Version {
            file: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Tokens {
    /// # Errors
    /// If the file cannot be read, or has faults.
    pub(crate) fn open(path: &Path) -> Result<Tokens, TokensError> {
        let (version, list) = read(path)?;
        Ok(Tokens(Arc::new(Inner {
            path: path.to_owned(),
            list: RwLock::new(list),
            watch: Mutex::new(Watch {
                version: Some(version),
                looked: Instant::now(),
                seen: Some(version),
            }),
        })))
    }

    /// The token of a request, if it may do what is needed.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn check(&self, secret: &str, needs: Needs) -> Result<Arc<Token>, Denied> {
        let token = self.find(&Hash::of(secret))?;
        token.check(needs)?;
        Ok(token)
    }

    /// The token with that hash, if it holds.
    ///
    /// # Errors
    /// If there is none, or it is too old.
    pub(crate) fn find(&self, hash: &Hash) -> Result<Arc<Token>, Denied> {
        self.look();
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner);
        // All are compared, so that the time tells nothing about which one it is.
        let found = list.iter().fold(None, |found, token| {
            if token.hash.is(hash) {
                Some(token)
            } else {
                found
            }
        });
        let token = Arc::clone(found.ok_or(Denied::Unknown)?);
        drop(list);
        token.check_age()?;
        Ok(token)
    }

    /// Whether a token still is what it was.
    pub(crate) fn holds(&self, token: &Token) -> bool {
        self.find(&token.hash).is_ok_and(|now| *now == *token)
    }

    /// Reads the file anew if it has changed. A file that cannot be used changes nothing.
    fn look(&self) {
        let mut watch = match self.0.watch.try_lock() {
            Ok(watch) => watch,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another request checks it.
            Err(TryLockError::WouldBlock) => return,
        };
        if watch.looked.elapsed() < LOOK_INTERVAL {
            return;
        }
        watch.looked = Instant::now();
        let path = &self.0.path;
        let version = fs::metadata(path).ok().as_ref().map(Version::of);
        let stays = version == watch.seen;
        watch.seen = version;
        if version == watch.version || !stays {
            return;
        }
        match read(path) {
            Ok((version, list)) => {
                let (file, tokens) = (path.display(), list.len());
                *self.0.list.write().unwrap_or_else(PoisonError::into_inner) = list;
                watch.version = Some(version);
                tracing::info!("the tokens in {file} were read anew: there are {tokens}");
            }
            Err(error) => {
                let error = error.to_string();
                let why = error.lines().next().unwrap_or_default();
                tracing::error!("the tokens stay as they were: {why}");
                watch.version = version;
            }
        }
    }
}

fn read(path: &Path) -> Result<(Version, Vec<Arc<Token>>), TokensError> {
    let shown = path.display().to_string();
    let failed = |error| TokensError::File {
        path: shown.clone(),
        error,
    };
    // To open a pipe would wait for somebody who writes.
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.len() > MAX_FILE {
        let why = io::Error::other(format!("it has more than {} MiB", MAX_FILE >> 20));
        return Err(failed(why));
    }
    let mut text = String::new();
    file.by_ref()
        .take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if metadata.mode() & 0o022 != 0 {
        let why = "others can write to it, and so say who may ask: chmod 600 it";
        return Err(failed(io::Error::other(why)));
    }
    let own = rustix::process::geteuid().as_raw();
    if ![0, own].contains(&metadata.uid()) && own != 0 {
        let why = format!(
            "it belongs to the user {}: chown it to {own}",
            metadata.uid()
        );
        return Err(failed(io::Error::other(why)));
    }
    if metadata.mode() & 0o044 != 0 {
        tracing::warn!("other users can open {shown}, which says who may ask: chmod 600 {shown}");
    }
    let list = parse(&text, &shown)?;
    Ok((
        Version::of(&metadata),
        list.into_iter().map(Arc::new).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has the file looked at until it stays.
    fn look(tokens: &Tokens) {
        for _ in 0..2 {
            let long_ago = Instant::now().checked_sub(LOOK_INTERVAL).unwrap();
            tokens.0.watch.lock().unwrap().looked = long_ago;
            tokens.look();
        }
    }

    fn line(name: &str, secret: &str, rest: &str) -> String {
        format!(
            "- {{ name: {name}, hash: '{}', may: [read]{rest} }}\n",
            Hash::of(secret)
        )
    }

    #[test]
    fn a_file_that_changes_is_read_anew_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        fs::write(&path, line("one", "1", "")).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        let check = |secret| {
            look(&tokens);
            tokens
                .check(secret, Needs::Read)
                .map(|token| token.name.clone())
        };
        assert_eq!(check("1"), Ok("one".into()));
        assert_eq!(check("2"), Err(Denied::Unknown));
        let one = tokens.check("1", Needs::Read).unwrap();
        fs::write(&path, [line("one", "1", ""), line("two", "2", "")].concat()).unwrap();
        assert_eq!(check("2"), Ok("two".into()));
        assert!(tokens.holds(&one));
        for broken in ["- {", "- { name: two }", "", "\n"] {
            fs::write(&path, broken).unwrap();
            assert_eq!(check("1"), Ok("one".into()), "{broken}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(check("1"), Ok("one".into()));
        fs::write(&path, line("two", "2", ", services: [shop]")).unwrap();
        assert_eq!(check("1"), Err(Denied::Unknown));
        assert!(!tokens.holds(&one) && check("2").is_ok());
        fs::write(&path, "# There is none.\n").unwrap();
        assert_eq!(check("2"), Err(Denied::Unknown));
    }

    #[test]
    fn a_file_is_read_when_nobody_writes_it_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let both = [line("one", "1", ""), line("two", "2", "")].concat();
        fs::write(&path, &both).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        let look_once = || {
            let long_ago = Instant::now().checked_sub(LOOK_INTERVAL).unwrap();
            tokens.0.watch.lock().unwrap().looked = long_ago;
            tokens.check("2", Needs::Read).is_ok()
        };
        fs::write(&path, line("one", "1", "")).unwrap();
        assert!(look_once(), "half of it may be there");
        fs::write(&path, [&both, "# as it was\n"].concat()).unwrap();
        assert!(look_once() && look_once() && look_once());
    }

    #[test]
    fn nobody_waits_for_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        fs::write(&path, line("one", "1", "")).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        let mut reads = tokens.0.watch.lock().unwrap();
        reads.looked = Instant::now().checked_sub(LOOK_INTERVAL).unwrap();
        // In this thread: if it waited, it would wait for ever.
        assert!(tokens.check("1", Needs::Read).is_ok());
        assert!(tokens.check("2", Needs::Read).is_err());
    }

    #[test]
    fn a_file_that_others_can_write_is_not_taken() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        fs::write(&path, line("one", "1", "")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = Tokens::open(&path).unwrap_err().to_string();
        assert!(error.contains("others can write to it"), "{error}");
    }

    #[test]
    fn a_token_that_is_too_old_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let past = line("old", "1", ", expires: 2001-01-01T00:00:00Z");
        let future = line("new", "2", ", expires: '2900-01-01T00:00:00+01:00'");
        fs::write(&path, [past, future].concat()).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        assert_eq!(
            tokens.check("1", Needs::Read),
            Err(Denied::Expired {
                name: "old".into(),
                end: "2001-01-01T00:00:00Z".into()
            })
        );
        assert!(tokens.check("2", Needs::Read).is_ok());
        let pipe = Tokens::open(Path::new("/dev/null")).unwrap_err();
        assert!(pipe.to_string().contains("it is no file"), "{pipe}");
        let missing = Tokens::open(&folder.path().join("no.yaml"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("distlogd token new NAME"), "{missing}");
    }
}
