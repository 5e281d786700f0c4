//! Compresses old files and removes the oldest, in a thread of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::config::{Compress, Config, Rotate};
use super::recover::sync_directory;
use super::rotated;

/// Hands work to the thread, which begins with the first. Dropped, it ends the thread in the middle of its work:
/// whoever opens the same file next does it, and two at a time would write into the same compressed file.
#[derive(Debug)]
pub(super) struct Tidy {
    name: String,
    path: PathBuf,
    rotate: Option<Rotate>,
    thread: Option<(Sender<String>, JoinHandle<()>)>,
    stop: Arc<AtomicBool>,
}

impl Tidy {
    pub(super) fn new(name: &str, config: &Config) -> Tidy {
        Tidy {
            name: name.to_owned(),
            path: config.path.clone(),
            rotate: config.rotate.clone(),
            thread: None,
            stop: Arc::default(),
        }
    }

    /// Old files with this stamp or an earlier one may be changed and removed.
    pub(super) fn up_to(&mut self, stamp: String) {
        let Some(rotate) = &self.rotate else { return };
        if self.thread.is_none() {
            let (sender, receiver) = channel();
            let (name, path, rotate) = (self.name.clone(), self.path.clone(), rotate.clone());
            let stop = Arc::clone(&self.stop);
            match std::thread::Builder::new()
                .name("rotate".into())
                .spawn(move || run(&name, &path, &rotate, &receiver, &stop))
            {
                Ok(thread) => self.thread = Some((sender, thread)),
                Err(error) => {
                    tracing::warn!(processor = self.name, "cannot tidy up old files: {error}")
                }
            }
        }
        if let Some((sender, _)) = &self.thread {
            let _ = sender.send(stamp);
        }
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!(
                    processor = self.name,
                    "the thread for old files has panicked"
                );
            }
        }
    }
}

fn run(name: &str, path: &Path, rotate: &Rotate, stamps: &Receiver<String>, stop: &AtomicBool) {
    while let Ok(mut newest) = stamps.recv() {
        newest = stamps.try_iter().last().unwrap_or(newest);
        if let Err(error) = tidy(path, rotate, &newest, stop) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            tracing::warn!(
                processor = name,
                "cannot tidy up old files of {}: {error}",
                path.display()
            );
        }
    }
}

fn tidy(path: &Path, rotate: &Rotate, newest: &str, stop: &AtomicBool) -> io::Result<()> {
    let files = rotated::list(path)?;
    let excess = rotate
        .keep
        .map_or(0, |keep| files.len().saturating_sub(keep));
    for (at, file) in files
        .iter()
        .enumerate()
        .take_while(|(_, file)| file.stamp.as_str() <= newest)
    {
        if at < excess {
            std::fs::remove_file(&file.path)?;
        } else if !file.compressed && rotate.compress != Compress::None {
            compress(&file.path, rotate.compress, stop)?;
        }
    }
    sync_directory(path)
}

/// The compressed file appears under its name only when it is whole and durable; then the other one goes.
fn compress(path: &Path, how: Compress, stop: &AtomicBool) -> io::Result<()> {
    let Some(target) = rotated::compressed(path, how) else {
        return Ok(());
    };
    let aside = rotated::with_suffix(&target, ".tmp");
    let written = write_compressed(path, &aside, how, stop);
    if written.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    written?;
    std::fs::rename(&aside, &target)?;
    sync_directory(path)?;
    std::fs::remove_file(path)
}

/// Reads until it is told to stop.
struct Stoppable<'a> {
    file: File,
    stop: &'a AtomicBool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the processor is closed"));
        }
        self.file.read(buffer)
    }
}

fn write_compressed(path: &Path, aside: &Path, how: Compress, stop: &AtomicBool) -> io::Result<()> {
    let mut source = Stoppable {
        file: File::open(path)?,
        stop,
    };
    // As readable as the file that it stands for.
    let target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(aside)?;
    target.set_permissions(source.file.metadata()?.permissions())?;
    let mut file = match how {
        Compress::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(target, flate2::Compression::default());
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
        Compress::Zstd | Compress::None => {
            let mut encoder = zstd::stream::write::Encoder::new(target, 3)?;
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
    };
    file.flush()?;
    file.sync_all()
}
