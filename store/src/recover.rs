//! Opening: finds the segments, has what is not sealed walked over (`raw_segment.rs`) on all cores, and learns where
//! producers position.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backlog::Full;
use super::block_reader::BlockReader;
use super::checkpoint::{Checkpoint, Loaded};
use super::damage::{Damage, DamageLog, What};
use super::directory::{LOG, log_path};
use super::error::{FileError, OpenError};
use super::format::{BatchesOf, FramesIn, LOG_MAGIC, SEGMENT_HEADER, SegmentHeader};
use super::layer::FileLayer;
use super::live::Live;
use super::options::Options;
use super::parallel::try_map;
use super::producers::Producers;
use super::raw_segment::{self, RawSegment, Walked};
use super::replace::ASIDE;
use super::salvage::{Salvaged, salvage};
use super::scan::{Bounds, Window, segment_header};
use super::seal;
use super::sealed::{self, Footer, Sealed, VERSION};
use super::state::{Segment, State};
use super::stats::{Counters, add};

/// Ending of what recovery could make nothing of. It is kept for a human, and never read again.
const BROKEN: &str = ".damaged";

/// What recovery found.
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) counters: Counters,
    /// What is damaged, for one line of the log, and for those who count what is there.
    pub(super) damages: Vec<Damage>,
    pub(super) damage: DamageLog,
    pub(super) producers: Producers,
    /// The segment that may be written on.
    pub(super) open: Option<Arc<Live>>,
    /// Segments to be sealed, with the number after their last record.
    pub(super) unsealed: Vec<Full>,
    /// The id for the next segment.
    pub(super) next_id: u64,
    /// Where the checkpoint stands, see [`Checkpoint::order`].
    pub(super) saved: (u64, u64, u64),
}

/// Of more raw segments than this the log says that they are read, as that takes a while.
const MAX_UNSAID: usize = 4;

enum Found {
    Sealed(Arc<Sealed>),
    Log(PathBuf, SegmentHeader),
}

/// A segment whose records are known: a raw one was walked over.
enum Known {
    Sealed(Arc<Sealed>),
    Log(Box<Walked>),
}

impl Found {
    fn first(&self) -> u64 {
        match self {
            Self::Sealed(sealed) => sealed.footer.first,
            Self::Log(_, header) => header.first,
        }
    }
}

struct Recovery<'a> {
    layer: &'a dyn FileLayer,
    dir: &'a Path,
    options: &'a Options,
    checkpoint: Checkpoint,
    out: Recovered,
}

/// Recovers the store in `dir`, whose segments are in `segments`.
pub(super) fn recover(
    layer: &dyn FileLayer,
    dir: &Path,
    segments: &Path,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let counters = Counters::default();
    let loaded = Checkpoint::load(layer, dir)?;
    let is_damaged = matches!(loaded, Loaded::Damaged);
    let checkpoint = match loaded {
        Loaded::Good(checkpoint) => checkpoint,
        Loaded::None | Loaded::Damaged => Checkpoint::default(),
    };
    let mut producers = Producers::default();
    for (producer, position) in &checkpoint.producers {
        producers.forward(*producer, position.to, position.seen);
    }
    let mut recovery = Recovery {
        layer,
        dir: segments,
        options,
        out: Recovered {
            state: State::default(),
            counters,
            damages: Vec::new(),
            damage: DamageLog::default(),
            producers,
            open: None,
            unsealed: Vec::new(),
            next_id: checkpoint.segment + 1,
            saved: checkpoint.order(),
        },
        checkpoint,
    };
    if is_damaged {
        recovery.note(Checkpoint::path(dir), What::Checkpoint, 0..0);
    }
    recovery.run()
}

impl Recovery<'_> {
    fn run(mut self) -> Result<Recovered, OpenError> {
        let found = self.find()?;
        let firsts: Vec<u64> = found.iter().map(Found::first).collect();
        let mut segments = VecDeque::new();
        let mut end = firsts.first().copied().unwrap_or(1);
        if !firsts.is_empty() && (1..end).contains(&self.checkpoint.first) {
            // Older than what is there, and retention did not remove it.
            let lost = self.checkpoint.first..end;
            self.note(self.dir.to_owned(), What::Missing, lost);
        }
        for (n, known) in self.walk(&found, &firsts)?.into_iter().enumerate() {
            let limit = firsts.get(n + 1).copied();
            if firsts[n] > end {
                // A whole segment is gone from the middle.
                self.note(self.dir.to_owned(), What::Missing, end..firsts[n]);
            }
            end = match known {
                Known::Sealed(sealed) => {
                    self.take_sealed(&sealed)?;
                    let sealed_end = sealed.footer.end;
                    segments.push_back(Segment::Sealed(sealed));
                    sealed_end
                }
                Known::Log(walked) => {
                    let (live, live_end) = self.take_log(*walked);
                    let empty = live.memory().frames().is_empty();
                    if limit.is_some() && live_end == live.header.first && empty {
                        // An attempt to begin a segment, given up.
                        remove(self.layer, &live.path)?;
                        live_end
                    } else {
                        segments.push_back(Segment::Live(Arc::clone(&live)));
                        if limit.is_some() {
                            self.out.unsealed.push(Full::new(live, live_end));
                        } else {
                            self.out.open = Some(live);
                        }
                        live_end
                    }
                }
            };
        }
        let next = end.max(self.checkpoint.next).max(1);
        if next > end {
            // What the checkpoint knew to be durable is missing: numbers go on after it, in a new segment.
            if let Some(live) = self.out.open.take() {
                let kept = Some(end - live.header.first);
                self.note(live.path.clone(), What::Unreadable { kept }, end..next);
                self.out.unsealed.push(Full::new(live, end));
            } else if segments.is_empty() {
                let lost = match self.checkpoint.first {
                    0 => 0..0,
                    first => first..next,
                };
                self.note(self.dir.to_owned(), What::AllMissing { before: next }, lost);
            } else {
                self.note(self.dir.to_owned(), What::Missing, end..next);
            }
        }
        self.out.state.end = next;
        self.out.state.segments = segments;
        Ok(self.out)
    }

    /// The usable segments in order.
    fn find(&mut self) -> Result<Vec<Found>, OpenError> {
        let names = self
            .layer
            .list(self.dir)
            .map_err(|e| FileError::new("list", self.dir, e))?;
        // By id: whether there is a raw file, and the generations of the sealed ones.
        let mut ids: BTreeMap<u64, (bool, Vec<u32>)> = BTreeMap::new();
        for name in names {
            if name.ends_with(ASIDE) {
                remove(self.layer, &self.dir.join(&name))?;
                continue;
            }
            if let Some(id) = name.strip_suffix(LOG).and_then(|id| id.parse().ok()) {
                ids.entry(id).or_default().0 = true;
            } else if let Some((id, generation)) = seal::parse_name(&name) {
                ids.entry(id).or_default().1.push(generation);
            }
        }
        let mut found: Vec<Found> = Vec::new();
        for (id, (log, generations)) in ids {
            self.out.next_id = self.out.next_id.max(id + 1);
            let raw = log_path(self.dir, id);
            let mut segment = self.find_sealed(id, generations, log)?.map(Found::Sealed);
            if log {
                if segment.is_some() {
                    remove(self.layer, &raw)?;
                } else {
                    segment = self.find_log(id, &raw)?.map(|h| Found::Log(raw.clone(), h));
                }
            }
            let last = found.last().map_or(0, Found::first);
            match segment {
                Some(segment) if segment.first() >= last => found.push(segment),
                Some(Found::Log(path, _)) => self.set_aside(&path)?,
                Some(Found::Sealed(sealed)) => self.set_aside(&sealed.path)?,
                None => {}
            }
        }
        Ok(found)
    }

    /// Of several generations the newest that is whole; what else there is goes when that one is known to be good.
    fn find_sealed(
        &mut self,
        id: u64,
        mut generations: Vec<u32>,
        log: bool,
    ) -> Result<Option<Arc<Sealed>>, OpenError> {
        generations.sort_unstable_by(|a, b| b.cmp(a));
        let Some(newest) = generations.first().copied() else {
            return Ok(None);
        };
        let mut found = None;
        for generation in &generations {
            found = self.load_sealed(id, *generation)?;
            if found.is_some() {
                break;
            }
        }
        if found.is_none() && log {
            // The raw one is still there and makes a new one.
            for generation in generations {
                let path = seal::path(self.dir, id, generation);
                self.note(path.clone(), What::Index, 0..0);
                remove(self.layer, &path)?;
            }
            return Ok(None);
        }
        let found = match found {
            Some(found) => Some(found),
            None => self.salvage(id, newest)?,
        };
        if let Some(found) = &found {
            for generation in generations {
                if generation != found.generation {
                    remove(self.layer, &seal::path(self.dir, id, generation))?;
                }
            }
        }
        Ok(found.map(Arc::new))
    }

    /// A sealed segment; none if its footer or table is damaged.
    fn load_sealed(&self, id: u64, generation: u32) -> Result<Option<Sealed>, OpenError> {
        let path = seal::path(self.dir, id, generation);
        let load = || -> io::Result<Option<Sealed>> {
            let file = self.layer.open(&path)?;
            let Some(footer) = Footer::load(&*file, id)? else {
                return Ok(None);
            };
            if sealed::table(&*file, &footer)?.is_none() {
                return Ok(None);
            }
            Ok(Some(Sealed {
                path: path.clone(),
                generation,
                footer,
                size: file.size()?,
                filter: Default::default(),
            }))
        };
        match load().map_err(|e| FileError::new("read", &path, e))? {
            Some(sealed) if sealed.footer.version > VERSION => Err(OpenError::Newer {
                version: sealed.footer.version,
                known: VERSION,
                path,
            }),
            other => Ok(other),
        }
    }

    /// Rebuilds a segment from its good blocks; sets it aside if it has none.
    fn salvage(&mut self, id: u64, generation: u32) -> Result<Option<Sealed>, OpenError> {
        let path = seal::path(self.dir, id, generation);
        let saved = salvage(self.layer, self.dir, (id, generation), self.options)
            .map_err(|e| FileError::new("rebuild", &path, e))?;
        let Some(Salvaged { sealed, lost }) = saved else {
            self.set_aside(&path)?;
            return Ok(None);
        };
        let missing: u64 = lost.iter().map(|lost| lost.end - lost.start).sum();
        let kept = sealed.footer.end - sealed.footer.first - missing;
        self.note(path.clone(), What::Rebuilt { kept }, 0..0);
        for lost in lost {
            self.note(path.clone(), What::Unreadable { kept: None }, lost);
        }
        Ok(Some(sealed))
    }

    fn find_log(&mut self, id: u64, path: &Path) -> Result<Option<SegmentHeader>, FileError> {
        let read = || -> io::Result<Option<SegmentHeader>> {
            let file = self.layer.open(path)?;
            let mut window = Window::new(&*file)?;
            segment_header(&mut window, id, LOG_MAGIC)
        };
        let header = read().map_err(|e| FileError::new("read", path, e))?;
        if header.is_none() {
            self.set_aside(path)?;
        }
        Ok(header)
    }

    fn set_aside(&mut self, path: &Path) -> Result<(), FileError> {
        self.note(path.to_owned(), What::SetAside, 0..0);
        let mut name = path.as_os_str().to_owned();
        name.push(BROKEN);
        self.layer
            .rename(path, Path::new(&name))
            .map_err(|e| FileError::new("rename", path, e))
    }

    fn note(&mut self, path: PathBuf, what: What, lost: Range<u64>) {
        let damage = Damage { path, what, lost };
        if let Some(lost) = self.out.damage.note(&damage) {
            add(&self.out.counters.damaged, 1);
            add(&self.out.counters.damaged_records, lost);
            self.out.damages.push(damage);
        }
    }

    /// Learns from a sealed segment where producers position, if that is later than the checkpoint.
    fn take_sealed(&mut self, sealed: &Sealed) -> Result<(), FileError> {
        if sealed.footer.id < self.checkpoint.segment {
            return Ok(());
        }
        let mut lost = Vec::new();
        let mut read = || -> io::Result<()> {
            let file = self.layer.open(&sealed.path)?;
            let table = sealed::table(&*file, &sealed.footer)?.unwrap_or_default();
            let (mut reader, mut bytes) = (BlockReader::default(), Vec::new());
            for (number, block) in table.iter().enumerate() {
                bytes.clear();
                if !reader.read(&*file, block, &mut bytes)? {
                    let next = table.get(number + 1);
                    lost.push(block.first..next.map_or(sealed.footer.end, |next| next.first));
                    continue;
                }
                for (frame, range) in FramesIn::new(&bytes) {
                    for (batch, _, _) in BatchesOf::new(&frame, &bytes[range]) {
                        let producers = &mut self.out.producers;
                        producers.forward(batch.producer, batch.to, batch.received);
                    }
                }
            }
            Ok(())
        };
        read().map_err(|e| FileError::new("read", &sealed.path, e))?;
        for lost in lost {
            self.note(sealed.path.clone(), What::Unreadable { kept: None }, lost);
        }
        Ok(())
    }

    /// Walks over the raw segments of those that were found, whose first records are these.
    fn walk(&self, found: &[Found], firsts: &[u64]) -> Result<Vec<Known>, FileError> {
        let is_log = |found: &&Found| matches!(found, Found::Log(..));
        let logs = found.iter().filter(is_log).count();
        if logs > MAX_UNSAID {
            tracing::info!(
                "reads {logs} segments that were not sealed, in {}",
                self.dir.display()
            );
        }
        let found: Vec<_> = found.iter().enumerate().collect();
        try_map(&found, logs, |(n, found)| {
            let (path, header) = match found {
                Found::Sealed(sealed) => return Ok(Known::Sealed(Arc::clone(sealed))),
                Found::Log(path, header) => (path, *header),
            };
            let limit = firsts.get(n + 1).copied();
            // Where another segment follows, all up to there was durable once. Else only what the checkpoint knows of.
            let strict_from = match (limit, header.id.cmp(&self.checkpoint.segment)) {
                (Some(_), _) | (None, Ordering::Less) => u64::MAX,
                (None, Ordering::Equal) => self.checkpoint.offset,
                (None, Ordering::Greater) => SEGMENT_HEADER as u64,
            };
            let raw = RawSegment {
                path: path.clone(),
                header,
                bounds: Bounds { strict_from, limit },
            };
            let walked = raw_segment::walk(self.layer, &raw, self.options);
            walked
                .map(|walked| Known::Log(Box::new(walked)))
                .map_err(|e| FileError::new("recover", path, e))
        })
    }

    /// A raw segment, and the number after its last record.
    fn take_log(&mut self, walked: Walked) -> (Arc<Live>, u64) {
        let Walked {
            live, end, lost, ..
        } = walked;
        add(&self.out.counters.truncated_bytes, walked.torn);
        for (producer, position) in walked.producers {
            let producers = &mut self.out.producers;
            producers.forward(producer, position.to, position.seen);
        }
        let missing: u64 = lost.iter().map(|lost| lost.end - lost.start).sum();
        let kept = Some(end - live.header.first - missing);
        for lost in lost {
            self.note(live.path.clone(), What::Unreadable { kept }, lost);
        }
        (Arc::new(live), end)
    }
}

fn remove(layer: &dyn FileLayer, path: &Path) -> Result<(), FileError> {
    match layer.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::new("remove", path, e)),
        _ => Ok(()),
    }
}
