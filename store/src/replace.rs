//! Small files that are replaced as a whole: written aside, synced, renamed.

use std::path::Path;

use super::error::FileError;
use super::layer::{FileLayer, read_full};

/// Ending of what is written aside; such a file is of no worth after a crash.
pub(super) const ASIDE: &str = ".tmp";

/// Makes `dir/name` hold exactly `bytes`, durably; a crash leaves the old content or the new.
pub(super) fn replace(
    layer: &dyn FileLayer,
    dir: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), FileError> {
    let aside = dir.join(format!("{name}{ASIDE}"));
    let written = layer
        .create(&aside)
        .and_then(|file| {
            file.write_all_at(bytes, 0)?;
            file.sync()
        })
        .map_err(|e| FileError::new("write", &aside, e));
    if let Err(e) = written {
        // Half a file is of no use to anybody.
        let _ = layer.remove(&aside);
        return Err(e);
    }
    layer
        .rename(&aside, &dir.join(name))
        .map_err(|e| FileError::new("rename", &aside, e))?;
    layer
        .sync_dir(dir)
        .map_err(|e| FileError::new("sync", dir, e))
}

/// All of a small file, or none if it is not there.
pub(super) fn read(layer: &dyn FileLayer, path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let read = || {
        let file = layer.open(path)?;
        let mut bytes = vec![0; file.size()? as usize];
        let len = read_full(&*file, &mut bytes, 0)?;
        bytes.truncate(len);
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if std::io::Error::kind(&e) == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FileError::new("read", path, e)),
    }
}
