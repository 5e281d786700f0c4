//! What is done to the directory of the store besides writing frames: its lock, leftovers, new segment files.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{FileError, OpenError};
use super::format::{LOG_MAGIC, SEGMENT_HEADER, SegmentHeader};
use super::layer::{FileLayer, Lock};
use super::live::Live;
use super::memory::MemoryIndex;
use super::replace::{ASIDE, read};
use super::state::Shared;

/// Ending of a raw segment's name.
pub(super) const LOG: &str = ".log";

const LOCK: &str = "lock";

/// The name of a raw segment.
pub(super) fn log_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:020}{LOG}"))
}

/// Creates a raw segment, durably. It has its name only when it is complete, so one without a good header is never
/// torn.
pub(super) fn create_segment(shared: &Shared, header: SegmentHeader) -> Result<Live, FileError> {
    let layer = &*shared.layer;
    let dir = &shared.segments_dir;
    let path = log_path(dir, header.id);
    let mut aside = path.clone().into_os_string();
    aside.push(ASIDE);
    let aside = Path::new(&aside);
    let size = shared.options.segment_size.max(SEGMENT_HEADER as u64);
    let create = || {
        let file = layer.create(aside)?;
        file.allocate(size)?;
        file.write_all_at(&header.encode(LOG_MAGIC), 0)?;
        file.sync()?;
        layer.rename(aside, &path)?;
        layer.sync_dir(dir)?;
        Ok(file)
    };
    let file = create().map_err(|e| {
        // Whichever of the two there is; what stays is an empty segment, or is removed at the next start.
        let _ = layer.remove(aside);
        let _ = layer.remove(&path);
        FileError::new("create", &path, e)
    })?;
    let durable = SEGMENT_HEADER as u64;
    Ok(Live::new(
        path,
        file,
        header,
        durable,
        size,
        MemoryIndex::default(),
    ))
}

/// Takes the lock of the store in a directory.
pub(super) fn take_lock(layer: &dyn FileLayer, dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join(LOCK);
    layer.lock(&path).map_err(|e| {
        if e.kind() != io::ErrorKind::WouldBlock {
            return FileError::new("lock", &path, e).into();
        }
        let pid = read(layer, &path).ok().flatten();
        let pid = pid.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        OpenError::Locked {
            path: dir.to_owned(),
            pid,
        }
    })
}

/// Removes what was written aside when a crash came.
pub(super) fn remove_aside(layer: &dyn FileLayer, dir: &Path) -> Result<(), FileError> {
    let names = layer
        .list(dir)
        .map_err(|e| FileError::new("list", dir, e))?;
    for name in names.iter().filter(|name| name.ends_with(ASIDE)) {
        let path = dir.join(name);
        layer
            .remove(&path)
            .map_err(|e| FileError::new("remove", &path, e))?;
    }
    Ok(())
}
