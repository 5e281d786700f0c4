//! Compresses old files and removes the oldest, in a thread of its own.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::config::{Compress, Config, Rotate};
use super::recover::sync_directory;
use super::rotated;

/// Hands work to the thread, which begins with the first.
#[derive(Debug)]
pub(super) struct Tidy {
    name: String,
    path: PathBuf,
    rotate: Option<Rotate>,
    sender: Option<Sender<String>>,
}

impl Tidy {
    pub(super) fn new(name: &str, config: &Config) -> Tidy {
        Tidy {
            name: name.to_owned(),
            path: config.path.clone(),
            rotate: config.rotate.clone(),
            sender: None,
        }
    }

    /// Old files with this stamp or an earlier one may be changed and removed.
    pub(super) fn up_to(&mut self, stamp: String) {
        let Some(rotate) = &self.rotate else { return };
        if self.sender.is_none() {
            let (sender, receiver) = channel();
            let (name, path, rotate) = (self.name.clone(), self.path.clone(), rotate.clone());
            // It is not waited for at the end: what it leaves is done at the next start.
            match std::thread::Builder::new()
                .name("rotate".into())
                .spawn(move || run(&name, &path, &rotate, &receiver))
            {
                Ok(_) => self.sender = Some(sender),
                Err(error) => {
                    tracing::warn!(processor = self.name, "cannot tidy up old files: {error}")
                }
            }
        }
        if let Some(sender) = &self.sender {
            let _ = sender.send(stamp);
        }
    }
}

fn run(name: &str, path: &Path, rotate: &Rotate, stamps: &Receiver<String>) {
    while let Ok(mut newest) = stamps.recv() {
        newest = stamps.try_iter().last().unwrap_or(newest);
        if let Err(error) = tidy(path, rotate, &newest) {
            tracing::warn!(
                processor = name,
                "cannot tidy up old files of {}: {error}",
                path.display()
            );
        }
    }
}

fn tidy(path: &Path, rotate: &Rotate, newest: &str) -> io::Result<()> {
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
            compress(&file.path, rotate.compress)?;
        }
    }
    sync_directory(path)
}

/// The compressed file appears under its name only when it is whole and durable; then the other one goes.
fn compress(path: &Path, how: Compress) -> io::Result<()> {
    let Some(target) = rotated::compressed(path, how) else {
        return Ok(());
    };
    let aside = rotated::with_suffix(&target, ".tmp");
    let mut source = File::open(path)?;
    let file = match how {
        Compress::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(
                File::create(&aside)?,
                flate2::Compression::default(),
            );
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
        Compress::Zstd | Compress::None => {
            let mut encoder = zstd::stream::write::Encoder::new(File::create(&aside)?, 3)?;
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
    };
    let mut file = file;
    file.flush()?;
    file.sync_all()?;
    std::fs::rename(&aside, &target)?;
    sync_directory(path)?;
    std::fs::remove_file(path)
}
