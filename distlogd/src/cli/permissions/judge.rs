//! [`Judge`]: who can read and change a path.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// In one directory so many faults are named; of the others only how many there are.
const MAX_NAMED: usize = 10;

/// What others may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing, with a file or with all that a directory holds.
    Private,
    /// As [`Access::Private`]; but a group may read what belongs to root, as is usual in `/etc/ssl/private`.
    Key,
    /// Read it.
    Readable,
    /// What this mode says.
    Mode(u32),
}

impl Access {
    fn allowed(self, file: &Metadata) -> u32 {
        match self {
            Access::Private => 0o700,
            Access::Key if file.uid() == 0 => 0o740,
            Access::Key => 0o700,
            Access::Readable => 0o755,
            Access::Mode(mode) => 0o700 | mode,
        }
    }
}

/// Looks at paths and collects what is wrong.
pub(super) struct Judge {
    /// Users that are no others: root, who runs this, and who the daemon runs as.
    owners: Vec<u32>,
    seen: BTreeSet<PathBuf>,
    faults: Vec<String>,
}

impl Judge {
    /// `owner`: who the daemon runs as, where that is known.
    pub(super) fn new(owner: Option<u32>) -> Judge {
        let own = rustix::process::geteuid().as_raw();
        Judge {
            owners: [0, own].into_iter().chain(owner).collect(),
            seen: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// What is wrong, a line for each path.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// How many paths were looked at.
    pub(super) fn count(&self) -> usize {
        self.seen.len()
    }

    /// Looks at a file, or a directory with all that is in it; at nothing if it is not there.
    pub(super) fn look_at(&mut self, path: &Path, what: &str, access: Access) {
        self.look_at_of(path, what, access, &[]);
    }

    /// The same; `owners`: further users that it may belong to.
    pub(super) fn look_at_of(&mut self, path: &Path, what: &str, access: Access, owners: &[u32]) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.ancestors(&path);
        let file = match fs::metadata(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unseen(&path, &error),
        };
        let known = self.owners.len();
        self.owners.extend(owners);
        if let Some(fault) = self.one(&path, &file, what, access) {
            self.faults.push(fault);
        }
        if file.is_dir() {
            let mut inside = Vec::new();
            self.inside(&path, what, access, &mut inside);
            let more = inside.len().saturating_sub(MAX_NAMED);
            self.faults.extend(inside.into_iter().take(MAX_NAMED));
            if more > 0 {
                let path = quoted(&path);
                self.faults
                    .push(format!("{path}: {more} more in it: chmod -R go= {path}"));
            }
        }
        self.owners.truncate(known);
    }

    /// What is in a directory. Symbolic links are not followed.
    fn inside(&mut self, path: &Path, what: &str, access: Access, faults: &mut Vec<String>) {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.unseen(path, &error),
        };
        for entry in entries.flatten() {
            // What is removed meanwhile is not there.
            let Ok(file) = entry.metadata() else { continue };
            if !file.is_symlink() {
                faults.extend(self.one(&entry.path(), &file, what, access));
            }
            if file.is_dir() {
                self.inside(&entry.path(), what, access, faults);
            }
        }
    }

    /// What is wrong with one path.
    fn one(&mut self, path: &Path, file: &Metadata, what: &str, access: Access) -> Option<String> {
        if !self.seen.insert(path.to_owned()) {
            return None;
        }
        let (mode, owner) = (file.mode() & 0o777, file.uid());
        let path = quoted(path);
        if !self.owners.contains(&owner) {
            let own = self.owners.last().unwrap_or(&0);
            return Some(format!(
                "{path}: belongs to the user {owner} ({what}): chown {own} {path}"
            ));
        }
        let allowed = access.allowed(file);
        let excess = mode & !allowed;
        // To search a directory is to read in it.
        let reads = excess & 0o044 != 0 || file.is_dir() && excess & 0o011 != 0;
        let can = match (reads, excess & 0o022 != 0) {
            (true, true) => "read and change",
            (true, false) => "read",
            (false, true) => "change",
            (false, false) => return None,
        };
        let wanted = mode & allowed;
        Some(format!(
            "{path}: mode {mode:04o}, others can {can} it ({what}): chmod {wanted:o} {path}"
        ))
    }

    /// Who can write in a directory on the way can put something else in the place of what is below. Links may lead
    /// another way, so both are looked at.
    fn ancestors(&mut self, path: &Path) {
        let real = fs::canonicalize(path).ok();
        let both = [Some(path), real.as_deref()];
        for directory in both
            .into_iter()
            .flatten()
            .flat_map(|path| path.ancestors().skip(1))
        {
            let Ok(file) = fs::metadata(directory) else {
                continue;
            };
            if !self.seen.insert(directory.to_owned()) {
                continue;
            }
            let (mode, owner) = (file.mode() & 0o7777, file.uid());
            let directory = quoted(directory);
            // In a sticky one nobody replaces what is another's.
            if mode & 0o1002 == 0o002 {
                self.faults.push(format!(
                    "{directory}: mode {mode:04o}, everybody can replace what is below: chmod o-w {directory}"
                ));
            } else if !self.owners.contains(&owner) {
                self.faults.push(format!(
                    "{directory}: mode {mode:04o}, the user {owner}, whose it is, can replace what is below: chown 0 {directory}"
                ));
            }
        }
    }

    fn unseen(&mut self, path: &Path, error: &io::Error) {
        let path = quoted(path);
        self.faults.push(format!(
            "{path}: cannot be looked at ({error}): run this as root, or as the user that the daemon runs as"
        ));
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> impl Display + use<> {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
