//! A file system in memory that forgets what was not synced, tears writes, and fails where it is told to.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use distlog_store::{FileLayer, Lock, StoreFile};

/// What to do at a chosen step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This write, sync or creation fails with EIO; a write may be half there, a failed sync forgets what it should
    /// have kept.
    Io,
    /// The same with ENOSPC.
    NoSpace,
    /// The power goes: this and everything after it fails.
    Power,
}

enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Allocate(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => {
                let end = *at as usize + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at as usize..end].copy_from_slice(data);
            }
            Self::Truncate(len) => bytes.resize(*len as usize, 0),
            Self::Allocate(len) => {
                let len = bytes.len().max(*len as usize);
                bytes.resize(len, 0);
            }
        }
    }
}

#[derive(Default)]
struct Node {
    /// What readers see.
    cached: Vec<u8>,
    /// What the disk has for sure.
    durable: Vec<u8>,
    /// What may get there in any order.
    changes: Vec<Change>,
}

enum NameChange {
    Add(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Add(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

#[derive(Default)]
struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    dirs: HashSet<PathBuf>,
    locks: HashSet<PathBuf>,
    random: fastrand::Rng,
    steps: u64,
    fault: Option<(u64, Fault)>,
    off: bool,
    free: Option<u64>,
    sync_takes: Duration,
}

impl Disk {
    /// Counts a step that changes something, and says if it is to fail.
    fn step(&mut self) -> io::Result<()> {
        if self.off {
            return Err(eio());
        }
        self.steps += 1;
        let Some((at, fault)) = self.fault else {
            return Ok(());
        };
        if self.steps < at {
            return Ok(());
        }
        self.fault = None;
        match fault {
            Fault::Io => Err(eio()),
            Fault::NoSpace => Err(io::Error::from_raw_os_error(28)),
            Fault::Power => {
                self.off = true;
                Err(eio())
            }
        }
    }

    /// Lets some of the changes of a file reach the disk: all, none, or torn at sectors.
    fn leak(&mut self, node: usize) {
        let changes = std::mem::take(&mut self.nodes[node].changes);
        for change in changes {
            match change {
                Change::Write(at, data) => {
                    for (n, sector) in data.chunks(64).enumerate() {
                        if self.random.bool() {
                            let at = at + n as u64 * 64;
                            let piece = Change::Write(at, sector.to_vec());
                            piece.apply(&mut self.nodes[node].durable);
                        }
                    }
                }
                other if self.random.bool() => other.apply(&mut self.nodes[node].durable),
                _ => {}
            }
        }
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// The file system. Clones are the same one.
#[derive(Clone)]
pub struct Double(Arc<Mutex<Disk>>);

impl Double {
    /// An empty one; `seed` decides what a loss of power leaves.
    pub fn new(seed: u64) -> Self {
        let disk = Disk {
            random: fastrand::Rng::with_seed(seed),
            ..Disk::default()
        };
        Self(Arc::new(Mutex::new(disk)))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// So many writing steps from now, something happens.
    pub fn fail_in(&self, steps: u64, fault: Fault) {
        let mut disk = self.disk();
        disk.fault = Some((disk.steps + steps.max(1), fault));
    }

    /// How long each sync of a file takes.
    pub fn set_sync_time(&self, time: Duration) {
        self.disk().sync_takes = time;
    }

    /// Nothing is to fail any more.
    pub fn heal(&self) {
        self.disk().fault = None;
    }

    /// Everything fails from now on.
    pub fn power_off(&self) {
        self.disk().off = true;
    }

    /// Whether the power went.
    pub fn is_off(&self) -> bool {
        self.disk().off
    }

    /// The machine starts again, with what reached the disk.
    pub fn restart(&self) {
        let mut disk = self.disk();
        for node in 0..disk.nodes.len() {
            disk.leak(node);
        }
        for change in std::mem::take(&mut disk.name_changes) {
            if disk.random.bool() {
                change.apply(&mut disk.durable_names);
            }
        }
        disk.names = disk.durable_names.clone();
        for node in &mut disk.nodes {
            node.cached = node.durable.clone();
        }
        disk.fault = None;
        disk.off = false;
    }

    /// Says how many bytes the disk has free; `None` for plenty.
    pub fn set_free(&self, free: Option<u64>) {
        self.disk().free = free;
    }

    /// All files that are there.
    pub fn files(&self) -> Vec<PathBuf> {
        self.disk().names.keys().cloned().collect()
    }
}

impl FileLayer for Double {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk().dirs.insert(path.to_owned());
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        let names = disk.names.keys().filter(|p| p.parent() == Some(dir));
        Ok(names
            .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        let mut disk = self.disk();
        disk.step()?;
        let node = disk.nodes.len();
        disk.nodes.push(Node::default());
        let change = NameChange::Add(path.to_owned(), node);
        change.apply(&mut disk.names);
        disk.name_changes.push(change);
        Ok(Arc::new(DoubleFile(self.clone(), node)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        let disk = self.disk();
        if disk.off {
            return Err(eio());
        }
        match disk.names.get(path) {
            Some(node) => Ok(Arc::new(DoubleFile(self.clone(), *node))),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        let node = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let change = NameChange::Rename(from.to_owned(), to.to_owned(), node);
        change.apply(&mut disk.names);
        disk.name_changes.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        if !disk.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let change = NameChange::Remove(path.to_owned());
        change.apply(&mut disk.names);
        disk.name_changes.push(change);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        for change in std::mem::take(&mut disk.name_changes) {
            change.apply(&mut disk.durable_names);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        if !self.disk().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held(self.clone(), path.to_owned())))
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(self.disk().free.unwrap_or(u64::MAX / 2))
    }
}

struct Held(Double, PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.disk().locks.remove(&self.1);
    }
}

struct DoubleFile(Double, usize);

impl DoubleFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut disk = self.0.disk();
        let step = disk.step();
        let node = &mut disk.nodes[self.1];
        match (step, change) {
            (Err(e), Change::Write(at, data)) => {
                let half = Change::Write(at, data[..data.len() / 2].to_vec());
                half.apply(&mut node.cached);
                node.changes.push(half);
                Err(e)
            }
            (Err(e), _) => Err(e),
            (Ok(()), change) => {
                change.apply(&mut node.cached);
                node.changes.push(change);
                Ok(())
            }
        }
    }
}

impl StoreFile for DoubleFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.0.disk();
        if disk.off {
            return Err(eio());
        }
        let bytes = &disk.nodes[self.1].cached;
        let rest = bytes.get(offset as usize..).unwrap_or(&[]);
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write(offset, buf.to_vec()))
    }

    fn sync(&self) -> io::Result<()> {
        let time = self.0.disk().sync_takes;
        std::thread::sleep(time);
        let mut disk = self.0.disk();
        if let Err(e) = disk.step() {
            // As Linux has it: what could not be written is forgotten, and the next sync says all is well.
            if !disk.off {
                disk.leak(self.1);
            }
            return Err(e);
        }
        let node = &mut disk.nodes[self.1];
        for change in std::mem::take(&mut node.changes) {
            change.apply(&mut node.durable);
        }
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(Change::Allocate(len))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(Change::Truncate(len))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.disk().nodes[self.1].cached.len() as u64)
    }
}
