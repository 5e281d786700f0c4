//! Opens the file where the last flush left it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::config::Mode;
use super::rotated;
use super::token::Mark;

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    /// In bytes.
    pub(super) length: u64,
    /// When it was begun, in milliseconds since the Unix epoch.
    pub(super) begun: u64,
    /// How old it was when it was opened, and when that was: its age goes on with the monotonic clock.
    opened: (Duration, Instant),
}

impl Opened {
    pub(super) fn new(file: File, length: u64, begun: u64) -> Opened {
        let age = Duration::from_millis(now().saturating_sub(begun));
        Opened {
            file,
            length,
            begun,
            opened: (age, Instant::now()),
        }
    }

    /// How long ago it was begun. The system's clock counts only while nobody had it open.
    pub(super) fn age(&self) -> Duration {
        let (age, since) = self.opened;
        age.saturating_add(since.elapsed())
    }
}

/// Opens the file and cuts off what was written after the flush that `mark` tells of.
///
/// If the file was rotated since, it takes its place again, and what came after it is removed: all of that comes again
/// from the store. A file that is not the one of the mark belongs to somebody else, or was moved away: nothing in it is
/// touched, and it is continued.
pub(super) fn open(path: &Path, mode: Mode, mark: Option<&Mark>) -> io::Result<Opened> {
    let directory = rotated::directory(path);
    if !directory.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(mode.of_directory())
            .create(directory)?;
    }
    if let Some(mark) = mark {
        if let Some(opened) = cut(path, mark)? {
            return Ok(opened);
        }
        for (at, old) in rotated::list(path)?.iter().enumerate() {
            if !old.compressed && cut(&old.path, mark)?.is_some() {
                for later in rotated::list(path)?[at + 1..]
                    .iter()
                    .filter(|later| !later.compressed)
                {
                    std::fs::remove_file(&later.path)?;
                }
                std::fs::rename(&old.path, path)?;
                sync_directory(path)?;
                if let Some(opened) = cut(path, mark)? {
                    return Ok(opened);
                }
            }
        }
        if path.exists() {
            tracing::warn!(
                "{} is not the file that was written last; it is continued as it is",
                path.display()
            );
        }
    }
    let file = append(path, mode)?;
    let length = file.metadata()?.len();
    let begun = if length == 0 {
        now()
    } else {
        file.metadata()?.created().map_or_else(|_| now(), millis)
    };
    let length = end_line(&file, length)?;
    sync_directory(path)?;
    Ok(Opened::new(file, length, begun))
}

/// Opens the file of the mark and cuts it there; `None` if it is another one or none.
fn cut(path: &Path, mark: &Mark) -> io::Result<Option<Opened>> {
    let file = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !mark.fits(&file)? {
        return Ok(None);
    }
    if file.metadata()?.len() > mark.length {
        file.set_len(mark.length)?;
        file.sync_all()?;
    }
    Ok(Some(Opened::new(file, mark.length, mark.begun)))
}

/// Opens a file for appending. One that is created has the mode, whatever the process's umask.
pub(super) fn append(path: &Path, mode: Mode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(mode.0);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(mode.0))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create(true).open(path)
        }
        Err(error) => Err(error),
    }
}

/// A line that somebody left open is ended, so that the next record has a line of its own.
fn end_line(mut file: &File, length: u64) -> io::Result<u64> {
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last == [b'\n'] {
        return Ok(length);
    }
    file.write_all(b"\n")?;
    Ok(length + 1)
}

/// Makes names in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(rotated::directory(path))?.sync_all()
}

/// Milliseconds since the Unix epoch.
pub(super) fn now() -> u64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
