//! What stands in files.

use std::fs;
use std::path::Path;

/// Whether a file in the folder, or in one below, has these bytes.
///
/// # Panics
/// If the folder cannot be read.
pub fn has_bytes(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return has_bytes(&path, bytes);
        }
        // What goes meanwhile has them not.
        let content = fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}
