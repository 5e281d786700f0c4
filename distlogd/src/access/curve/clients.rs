//! [`Clients`]: the public keys of a folder.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use distlog_client::{KeyPair, PublicKey};

/// The keys of those who may connect, each with the name of its file.
#[derive(Debug)]
pub(crate) struct Clients {
    folder: PathBuf,
    keys: RwLock<BTreeMap<PublicKey, String>>,
    /// What was in the folder at the last reading; `None`: it could not be read.
    seen: Mutex<Option<Listing>>,
}

/// Changes when a file does: device, inode, length, time of the last change.
type Version = (u64, u64, u64, i64, i64);

/// The files of the folder that may hold keys.
type Listing = BTreeMap<PathBuf, Version>;

impl Clients {
    /// Reads the folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn open(folder: &Path) -> Result<Clients, String> {
        let clients = Clients {
            folder: folder.to_owned(),
            keys: RwLock::default(),
            seen: Mutex::default(),
        };
        let shown = folder.display();
        let listing = clients.list().map_err(|error| {
            format!(
                "cannot read the keys of clients in {shown}: {error}; make the folder, and put each client's NAME.pub \
                 there, which `distlogd keys new NAME` writes"
            )
        })?;
        let keys = read(&listing);
        match keys.len() {
            0 => tracing::warn!("nobody can connect: no key of a client is in {shown} yet"),
            n => tracing::info!("keys of clients in {shown}: {n}"),
        }
        *clients.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        *clients.seen() = Some(listing);
        Ok(clients)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether who has this key may connect, or go on.
    pub(crate) fn has(&self, key: PublicKey) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.contains_key(&key)
    }

    /// Reads the folder anew if it has changed. Without a folder nobody may connect.
    pub(crate) fn look(&self) {
        let listing = self.list();
        let mut seen = self.seen();
        match listing {
            Ok(listing) if seen.as_ref() == Some(&listing) => {}
            Ok(listing) => {
                self.replace(read(&listing));
                *seen = Some(listing);
            }
            Err(error) if seen.take().is_some() => {
                tracing::error!(
                    "nobody can connect: the keys of clients in {} cannot be read: {error}",
                    self.folder.display()
                );
                self.replace(BTreeMap::new());
            }
            Err(_) => {}
        }
    }

    fn replace(&self, new: BTreeMap<PublicKey, String>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *keys, new);
        let without = |all: &BTreeMap<PublicKey, String>, known: &BTreeMap<PublicKey, String>| {
            let others = all.iter().filter(|(key, _)| !known.contains_key(key));
            let names: Vec<&str> = others.map(|(_, name)| name.as_str()).collect();
            names.join(", ")
        };
        let (added, removed) = (without(&keys, &old), without(&old, &keys));
        drop(keys);
        let folder = self.folder.display();
        if !added.is_empty() {
            tracing::info!("may connect from now on, by {folder}: {added}");
        }
        if !removed.is_empty() {
            tracing::info!("may no longer connect or send, by {folder}: {removed}");
        }
    }

    fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            // pyzmq writes public keys to `NAME.key`, beside `NAME.key_secret`.
            let is_key = path
                .extension()
                .is_some_and(|end| end == "pub" || end == "key");
            // A file that was removed meanwhile is none.
            if is_key && let Ok(metadata) = fs::metadata(&path) {
                listing.insert(path, version(&metadata));
            }
        }
        Ok(listing)
    }

    fn seen(&self) -> MutexGuard<'_, Option<Listing>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(metadata: &Metadata) -> Version {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

/// The keys of the files. A file without one is named in the log.
fn read(listing: &Listing) -> BTreeMap<PublicKey, String> {
    let mut keys = BTreeMap::new();
    for path in listing.keys() {
        match PublicKey::read(path) {
            Ok(key) => {
                if KeyPair::read(path).is_ok() {
                    tracing::warn!(
                        "{} holds a secret key: only the public one belongs here",
                        path.display()
                    );
                }
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                keys.insert(key, name.into_owned());
            }
            Err(error) => tracing::warn!("left out of the keys of clients: {error}"),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> PublicKey {
        PublicKey::from([n; 32])
    }

    #[test]
    fn the_folder_is_read_anew_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, n| {
            let path = folder.path().join(name);
            fs::write(path, key(n).to_file("x")).unwrap();
        };
        write("a.pub", 1);
        write("b.key", 2);
        write("c.key_secret", 3);
        fs::write(folder.path().join("d.pub"), "nothing").unwrap();
        let clients = Clients::open(folder.path()).unwrap();
        let known = || [1, 2, 3, 4].map(|n| clients.has(key(n)));
        assert_eq!(known(), [true, true, false, false]);
        write("d.pub", 4);
        fs::remove_file(folder.path().join("a.pub")).unwrap();
        clients.look();
        assert_eq!(known(), [false, true, false, true]);
        fs::remove_dir_all(folder.path()).unwrap();
        clients.look();
        assert_eq!(known(), [false; 4]);
        let error = Clients::open(folder.path()).unwrap_err();
        assert!(error.contains("distlogd keys new"), "{error}");
    }
}
