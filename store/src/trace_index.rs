//! The index of a sealed segment's traces: a filter, pages of sorted ids, and for each id the list of its blocks.

use std::io;
use std::sync::Arc;

use super::filter::{self, Filter, Probe};
use super::format::{take, u32_at};
use super::kept_filter::FilterRoom;
use super::layer::{FileLayer, StoreFile};
use super::options::TraceKey;
use super::scan::is_damage;
use super::sealed::{Footer, PAGE, PAGE_HEAD, PER_PAGE, Sealed, TRACE_ENTRY, exactly};

/// A trace that is looked up in many segments.
pub(super) struct Wanted {
    pub(super) key: TraceKey,
    probe: Probe,
}

impl Wanted {
    pub(super) fn new(key: TraceKey) -> Wanted {
        let probe = Probe::of_trace(&key);
        Wanted { key, probe }
    }
}

/// Where the index says that a trace is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// In these blocks.
    Blocks(Vec<u32>),
    /// The index is damaged here: in any block.
    Anywhere,
}

/// Asks a sealed segment for a trace; `None` if it is not there. Else gives the file, too, which is not opened where
/// the filter in memory says no.
pub(super) fn look_up(
    layer: &dyn FileLayer,
    room: &FilterRoom,
    sealed: &Sealed,
    trace: &Wanted,
) -> io::Result<Option<(Arc<dyn StoreFile>, Found)>> {
    let f = &sealed.footer;
    let open = || layer.open(&sealed.path);
    let bytes = f.filter_blocks as usize * filter::BLOCK;
    let read = || {
        let mut filter = vec![0; bytes];
        exactly(&*open()?, &mut filter, f.filter_at)?;
        Ok(Filter::new(&filter))
    };
    let may_hold = match sealed.filter.may_hold(&trace.probe, bytes, room, read) {
        Ok(Some(false)) => return Ok(None),
        Err(e) if !is_damage(&e) => return Err(e),
        known => known,
    };
    let file = open()?;
    let found = match may_hold {
        Ok(None) => search_filter(&*file, f, trace),
        Ok(Some(_)) => search_pages(&*file, f, &trace.key),
        Err(e) => Err(e),
    };
    Ok(match found {
        Ok(Some(blocks)) if blocks.is_empty() => None,
        Ok(Some(blocks)) => Some((file, Found::Blocks(blocks))),
        Ok(None) => Some((file, Found::Anywhere)),
        Err(e) if is_damage(&e) => Some((file, Found::Anywhere)),
        Err(e) => return Err(e),
    })
}

/// The blocks of a trace; none if the index is damaged.
fn search_filter(file: &dyn StoreFile, f: &Footer, trace: &Wanted) -> io::Result<Option<Vec<u32>>> {
    let mut block = [0; filter::BLOCK];
    let at = trace.probe.block(f.filter_blocks as usize) * filter::BLOCK;
    exactly(file, &mut block, f.filter_at + at as u64)?;
    if trace.probe.may_be_in(&block) {
        search_pages(file, f, &trace.key)
    } else {
        Ok(Some(Vec::new()))
    }
}

fn search_pages(
    file: &dyn StoreFile,
    f: &Footer,
    trace: &TraceKey,
) -> io::Result<Option<Vec<u32>>> {
    let mut page = [0; PAGE];
    let (mut low, mut high) = (0, f.pages);
    while low < high {
        let middle = low + (high - low) / 2;
        let at = f.pages_at + u64::from(middle) * PAGE as u64;
        exactly(file, &mut page, at)?;
        let count = u32_at(&page, 0) as usize;
        if crc32c::crc32c(&page[PAGE_HEAD..]) != u32_at(&page, 4) || count == 0 || count > PER_PAGE
        {
            return Ok(None);
        }
        let entries = &page[PAGE_HEAD..PAGE_HEAD + count * TRACE_ENTRY];
        if *trace < take(entries, 0) {
            high = middle;
        } else if *trace > take(entries, (count - 1) * TRACE_ENTRY) {
            low = middle + 1;
        } else {
            let entry = entries
                .chunks_exact(TRACE_ENTRY)
                .find(|e| e.starts_with(trace));
            return match entry {
                Some(entry) => postings(file, f, u32_at(entry, 16), u32_at(entry, 20)),
                None => Ok(Some(Vec::new())),
            };
        }
    }
    Ok(Some(Vec::new()))
}

fn postings(file: &dyn StoreFile, f: &Footer, at: u32, count: u32) -> io::Result<Option<Vec<u32>>> {
    if count > f.blocks {
        return Ok(None);
    }
    let mut bytes = vec![0; count as usize * 4 + 4];
    exactly(file, &mut bytes, f.postings_at + u64::from(at) * 4)?;
    let (list, crc) = bytes.split_at(count as usize * 4);
    if crc32c::crc32c(list) != u32_at(crc, 0) {
        return Ok(None);
    }
    Ok(Some(list.chunks_exact(4).map(|b| u32_at(b, 0)).collect()))
}
