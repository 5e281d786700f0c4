//! The store's disk: a small file system in memory that can be filled.
//!
//! It is mounted in a mount namespace of this run's own, so nobody else sees it, and it is gone when the run is,
//! however that ends. That needs `unshare` (util-linux) and a system that permits it; otherwise the disk is never full.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Set for the run that has a namespace of its own.
const INSIDE: &str = "DISTLOG_TORTURE_NAMESPACE";

/// Starts this program again in a mount namespace of its own. Returns if there is one already, or, with the reason, if
/// none can be had.
///
/// # Errors
/// Why not.
pub fn enter_namespace() -> Result<(), String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let probe = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut why = String::new();
    // With privileges, or with those that a user namespace gives.
    for flags in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let tried = Command::new("unshare")
            .args(flags)
            .args(["mount", "-t", "tmpfs", "tmpfs"])
            .arg(probe.path())
            .output();
        match tried {
            Ok(output) if output.status.success() => {
                let program = std::env::current_exe().map_err(|error| error.to_string())?;
                let error = Command::new("unshare")
                    .args(flags)
                    .arg(program)
                    .args(std::env::args_os().skip(1))
                    .env(INSIDE, "1")
                    .exec();
                return Err(error.to_string());
            }
            Ok(output) => why = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Mounts one of so many bytes. [`enter_namespace`] comes before.
    ///
    /// # Errors
    /// If it is not permitted.
    pub fn mount(root: &Path, bytes: u64) -> io::Result<Disk> {
        std::fs::create_dir_all(root)?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(root)
            .output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(why.trim().to_owned()));
        }
        Ok(Disk { root: root.into() })
    }

    /// Unmounts it; what is on it is gone then.
    ///
    /// # Errors
    /// If something is still open there.
    pub fn unmount(self) -> io::Result<()> {
        let output = Command::new("umount").arg(&self.root).output()?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(why.trim().to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.root.join("filler")
    }

    /// Fills it up, except for so many bytes.
    ///
    /// # Errors
    /// If that fails.
    pub fn fill(&self, leave: u64) -> io::Result<()> {
        let file = File::create(self.filler())?;
        // Whoever writes meanwhile may be quicker.
        for _ in 0..100 {
            let stat = statvfs(&self.root)?;
            let free = (stat.f_bavail * stat.f_frsize).saturating_sub(leave);
            if free == 0 {
                break;
            }
            let length = file.metadata()?.len();
            match fallocate(&file, FallocateFlags::empty(), length, free) {
                Ok(()) | Err(rustix::io::Errno::NOSPC) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// If that fails.
    pub fn free(&self) -> io::Result<()> {
        match std::fs::remove_file(self.filler()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
