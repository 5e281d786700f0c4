//! Where a consumer stands, in a small file that is replaced as a whole.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{CursorFileError, FileError};
use super::format::{u32_at, u64_at};
use super::layer::FileLayer;
use super::replace;

/// The directory of the cursors, in that of the store.
pub(super) const CURSORS: &str = "cursors";
const MAGIC: [u8; 8] = *b"DLCURS01";
const HEAD: usize = 16;
const LONGEST: usize = 200;

/// What a consumer saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCursor {
    /// The number of the record that it takes next.
    pub next: u64,
    /// Whatever the consumer wants back with it.
    pub token: Vec<u8>,
}

/// The saved cursor of one consumer. Only one may have it at a time.
pub struct CursorFile {
    layer: Arc<dyn FileLayer>,
    dir: PathBuf,
    name: String,
}

impl CursorFile {
    pub(super) fn new(
        layer: Arc<dyn FileLayer>,
        store: &Path,
        name: &str,
    ) -> Result<Self, CursorFileError> {
        // Any name will do: what a file name cannot have, or has a meaning there, is written as %xx.
        let mut file = String::with_capacity(name.len());
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                file.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(file, "%{byte:02x}");
            }
        }
        if file.is_empty() || file.len() > LONGEST {
            return Err(CursorFileError::Name {
                name: name.to_owned(),
                limit: LONGEST,
            });
        }
        Ok(Self {
            layer,
            dir: store.join(CURSORS),
            name: file,
        })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// What was saved last; none if nothing ever was.
    ///
    /// # Errors
    /// If the file is damaged or cannot be read.
    pub fn load(&self) -> Result<Option<SavedCursor>, CursorFileError> {
        let path = self.path();
        let Some(bytes) = replace::read(&*self.layer, &path)? else {
            return Ok(None);
        };
        let saved = bytes
            .len()
            .checked_sub(4)
            .filter(|len| *len >= HEAD)
            .and_then(|len| {
                let (body, crc) = bytes.split_at(len);
                let good = body.starts_with(&MAGIC) && crc32c::crc32c(body) == u32_at(crc, 0);
                good.then(|| SavedCursor {
                    next: u64_at(body, 8),
                    token: body[HEAD..].to_vec(),
                })
            });
        match saved {
            Some(saved) => Ok(Some(saved)),
            None => Err(CursorFileError::Damaged { path }),
        }
    }

    /// Saves, durably: after a crash it is this or, if this call did not return, what was saved before.
    ///
    /// # Errors
    /// If it could not be written; what was saved before holds.
    pub fn save(&self, next: u64, token: &[u8]) -> Result<(), FileError> {
        let mut bytes = Vec::with_capacity(HEAD + token.len() + 4);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&next.to_le_bytes());
        bytes.extend_from_slice(token);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        replace::replace(&*self.layer, &self.dir, &self.name, &bytes)
    }
}
