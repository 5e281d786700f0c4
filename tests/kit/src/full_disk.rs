//! A disk that is full when it is told, for a server that another program runs. No right to mount one is needed: a
//! library that is loaded into the server answers in the kernel's place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library, and the file that tells it what is full.
#[derive(Debug)]
pub struct FullDisk {
    library: PathBuf,
    flag: PathBuf,
}

impl FullDisk {
    /// Builds the library in a folder that the server can read.
    ///
    /// # Panics
    /// If there is no C compiler, `cc` or what the environment variable `CC` names.
    pub fn new(folder: &Path) -> FullDisk {
        let disk = FullDisk {
            library: folder.join("full_disk.so"),
            flag: folder.join("full_disk"),
        };
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&disk.library)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/full_disk.c"))
            .arg("-ldl")
            .output()
            .unwrap_or_else(|error| panic!("a C compiler is needed: {error}"));
        assert!(built.status.success(), "{built:?}");
        disk
    }

    /// The environment of the server.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FULL_DISK", self.flag.clone()),
        ]
    }

    /// From now on no file gets longer whose path has this part.
    ///
    /// # Panics
    /// If the file that says so cannot be written.
    pub fn fill(&self, part: &str) {
        let written = self.flag.with_extension("new");
        fs::write(&written, part).unwrap();
        fs::rename(written, &self.flag).unwrap();
    }

    /// There is room again.
    ///
    /// # Panics
    /// If it was not full.
    pub fn free(&self) {
        fs::remove_file(&self.flag).unwrap();
    }
}
