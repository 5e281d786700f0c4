//! A directory of spools: making one, finding those of the dead.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use distlog_proto::ProducerId;

use crate::batches::BatchSpool;
use crate::create::NewSpool;
use crate::dead::{Dead, Kind};
use crate::error::SpoolError;
use crate::lock::Locked;
use crate::owners::Owners;

/// Ending of the name of a spool with a ring.
const SPOOL: &str = "spool";
/// Ending of the name of a spool of batches.
const BATCHES: &str = "batches";
/// Ending while it is being made.
const TEMPORARY: &str = "tmp";

/// A directory that processes keep their spools in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolDir {
    path: PathBuf,
    owners: Owners,
}

impl SpoolDir {
    /// Opens a directory, and creates it with those above it where they are missing, for this user alone.
    ///
    /// # Errors
    /// If it cannot be created, or something else has its name.
    pub fn open(path: impl AsRef<Path>) -> Result<SpoolDir, SpoolError> {
        let path = path.as_ref();
        match fs::metadata(path) {
            // What is made for it would be in the working directory of the moment.
            _ if path.as_os_str().is_empty() => {
                return Err(SpoolError::NotADirectory {
                    path: path.to_owned(),
                });
            }
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(SpoolError::NotADirectory {
                    path: path.to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => SpoolError::NotADirectory {
                        path: path.to_owned(),
                    },
                    _ => SpoolError::of("create", path, 0, error),
                })?,
            Err(error) => return Err(SpoolError::of("open", path, 0, error)),
        }
        Ok(SpoolDir {
            path: path.to_owned(),
            owners: Owners::default(),
        })
    }

    /// Takes what is left by these users (by their ids), too: otherwise by the user of this process and root alone.
    #[must_use]
    pub fn with_owners(self, others: impl IntoIterator<Item = u32>) -> SpoolDir {
        SpoolDir {
            owners: Owners::with(others),
            ..self
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a spool for `producer` with a ring of `capacity` bytes, a power of two
    /// ([`MIN_CAPACITY`](crate::layout::MIN_CAPACITY) to [`MAX_CAPACITY`](crate::layout::MAX_CAPACITY)).
    ///
    /// `secret` is random, its highest bit is set. `source` is encoded as a field of a batch. The file has all its room
    /// on the disk, and gets its name only by [`NewSpool::publish`].
    ///
    /// # Errors
    /// If there is no room, no permission, or no directory any more. Nothing is left behind then.
    pub fn create(
        &self,
        producer: ProducerId,
        capacity: u64,
        secret: u64,
        source: &[u8],
    ) -> Result<NewSpool, SpoolError> {
        let (temporary, path) = (self.file(producer, TEMPORARY), self.file(producer, SPOOL));
        NewSpool::create(temporary, path, producer, capacity, secret, source)
    }

    /// Makes a spool of batches for `producer`.
    ///
    /// # Errors
    /// If there is no room, no permission, or no directory any more. Nothing is left behind then.
    pub fn create_batches(&self, producer: ProducerId) -> Result<BatchSpool, SpoolError> {
        let (temporary, path) = (self.file(producer, TEMPORARY), self.file(producer, BATCHES));
        BatchSpool::create(temporary, path, producer)
    }

    fn file(&self, producer: ProducerId, ending: &str) -> PathBuf {
        self.path.join(name(producer, ending))
    }

    /// What dead processes left here: each is claimed when it is its turn, and nobody else's until it is dropped.
    ///
    /// What belongs to somebody alive, this process included, is passed over, and so are files of other names. A file
    /// that cannot be used, or that somebody else may have put there, is an error, and stays. What a process left that
    /// died while it was making a spool is removed. A process claims at most about a thousand at a time; further ones
    /// are left for later.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn dead(
        &self,
    ) -> Result<impl Iterator<Item = Result<Dead, SpoolError>> + use<>, SpoolError> {
        let fail = |error| SpoolError::of("read", &self.path, 0, error);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if let Some((producer, kind)) = parse_name(&path) {
                files.push((path, producer, kind));
            }
        }
        files.sort_by(|one, other| one.0.cmp(&other.0));
        let owners = self.owners.clone();
        Ok(files
            .into_iter()
            .filter_map(move |(path, producer, kind)| match kind {
                None => sweep(&path, &owners).transpose(),
                Some(kind) => claim(path, &owners, producer, kind).transpose(),
            }))
    }
}

/// Claims a spool, if it is a dead one's.
fn claim(
    path: PathBuf,
    owners: &Owners,
    producer: ProducerId,
    kind: Kind,
) -> Result<Option<Dead>, SpoolError> {
    let Some(locked) = Locked::claim(&path, owners)? else {
        return Ok(None);
    };
    let dead = Dead::read(locked, path, kind)?;
    if dead.producer() != producer {
        // A copy: its producer may be alive and well in another file.
        return Err(SpoolError::damaged(
            dead.path(),
            "it holds what another file is named for",
        ));
    }
    Ok(Some(dead))
}

/// Removes a file that was never finished, if who made it is dead.
fn sweep(path: &Path, owners: &Owners) -> Result<Option<Dead>, SpoolError> {
    if let Some(locked) = Locked::claim(path, owners)? {
        locked
            .unlink(path)
            .map_err(|error| SpoolError::of("remove", path, 0, error))?;
    }
    Ok(None)
}

fn name(producer: ProducerId, ending: &str) -> String {
    let id = u128::from_be_bytes(producer.to_bytes());
    format!("{id:032x}.{ending}")
}

/// The producer that a file is named for, and its kind; `None` in the place of that: it is still being made. `None`: no
/// spool is called so.
fn parse_name(path: &Path) -> Option<(ProducerId, Option<Kind>)> {
    let name = path.file_name()?.to_str()?;
    let (id, ending) = name.split_once('.')?;
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != 32 || !id.bytes().all(is_hex) {
        return None;
    }
    let id = u128::from_str_radix(id, 16).ok()?;
    let kind = match ending {
        SPOOL => Some(Kind::Ring),
        BATCHES => Some(Kind::Batches),
        TEMPORARY => None,
        _ => return None,
    };
    Some((ProducerId::from_bytes(id.to_be_bytes()), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is() {
        let producer = ProducerId::from_bytes(*b"\x010123456789abcd\xff");
        assert_eq!(
            name(producer, SPOOL),
            "013031323334353637383961626364ff.spool"
        );
        for (ending, kind) in [
            (SPOOL, Some(Kind::Ring)),
            (BATCHES, Some(Kind::Batches)),
            (TEMPORARY, None),
        ] {
            let path = Path::new("/somewhere").join(name(producer, ending));
            assert_eq!(parse_name(&path), Some((producer, kind)));
        }
        for other in [
            "013031323334353637383961626364ff",
            "013031323334353637383961626364FF.spool",
            "013031323334353637383961626364f.spool",
            "+13031323334353637383961626364ff.spool",
            "013031323334353637383961626364ff.spool.gz",
            ".spool",
        ] {
            assert_eq!(parse_name(Path::new(other)), None, "{other}");
        }
    }
}
