//! The file of levels that were set: small, and replaced as a whole.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use distlog_proto::{ProducerId, TraceId};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Scope, Wanted};

/// Its name in the directory of the store.
const NAME: &str = "levels";
/// Of what is written aside: the store removes what a crash leaves of it.
const ASIDE: &str = "levels.tmp";

/// An entry as it stands there.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    producer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    levels: String,
    until_ns: u64,
}

impl Line {
    fn of(entry: &Entry) -> Line {
        let mut line = Line {
            service: None,
            producer: None,
            task: None,
            levels: entry.wanted.text(),
            until_ns: entry.until,
        };
        match entry.wanted.scope() {
            Scope::Service(name) => line.service = Some(name),
            Scope::Process(id) => line.producer = Some(id.to_string()),
            Scope::Task(id) => line.task = Some(id.to_string()),
        }
        line
    }

    /// `None`: it is not what was written.
    fn entry(self) -> Option<Entry> {
        let wanted = match (self.service, self.producer, self.task) {
            (Some(name), None, None) => {
                Wanted::Directives(Scope::Service(name), self.levels.parse().ok()?)
            }
            (None, Some(id), None) => {
                let scope = Scope::Process(producer(&id)?);
                Wanted::Directives(scope, self.levels.parse().ok()?)
            }
            (None, None, Some(id)) => Wanted::Task(id.parse().ok()?, self.levels.parse().ok()?),
            _ => return None,
        };
        let until = self.until_ns;
        Some(Entry {
            wanted,
            until,
            by: None,
        })
    }
}

/// The id of a producer as it is printed.
pub(super) fn producer(text: &str) -> Option<ProducerId> {
    let id: TraceId = text.trim().parse().ok()?;
    Some(ProducerId::from_bytes(id.to_bytes()))
}

/// Where the entries are kept.
pub(super) struct LevelFile {
    dir: PathBuf,
}

impl LevelFile {
    /// That of a store in a directory, which is there.
    pub(super) fn new(dir: &Path) -> LevelFile {
        LevelFile {
            dir: dir.to_owned(),
        }
    }

    /// What was set before. What cannot be read is said and forgotten: it would have ended anyhow.
    pub(super) fn read(&self) -> Vec<Entry> {
        let path = self.dir.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.forget(&error.to_string());
                return Vec::new();
            }
        };
        match serde_json::from_slice::<Vec<Line>>(&bytes) {
            Ok(lines) => lines.into_iter().filter_map(Line::entry).collect(),
            Err(error) => {
                self.forget(&error.to_string());
                Vec::new()
            }
        }
    }

    fn forget(&self, why: &str) {
        let path = self.dir.join(NAME);
        tracing::warn!(
            "the levels of programs that were set before cannot be read from {}: {why}; set them again with `distlogd \
             level`",
            path.display()
        );
    }

    /// Replaces what is kept: what people set. Rules set again what they set.
    pub(super) fn write(&self, entries: &[Entry]) -> io::Result<()> {
        let by_people = entries.iter().filter(|entry| entry.by.is_none());
        let lines: Vec<Line> = by_people.map(Line::of).collect();
        let bytes = serde_json::to_vec(&lines)?;
        let aside = self.dir.join(ASIDE);
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&aside, self.dir.join(NAME))
    }
}
