//! Seals a full segment, and puts it in the place of the raw one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::backlog::Full;
use super::format::{FrameHeader, body_is_good};
use super::layer::read_full;
use super::live::Live;
use super::memory::FrameAt;
use super::packers::Effort;
use super::scan::is_damage;
use super::seal::SealWriter;
use super::sealed::Sealed;
use super::state::{Segment, Shared};
use super::stats::add;

/// Seals a segment that was taken from the backlog. One that cannot be sealed is put there again by the store's
/// maintenance.
pub(super) fn seal_full(shared: &Shared, full: &Full, effort: Effort) {
    if seal_and_swap(shared, &full.live, full.end, effort).is_err() {
        add(&shared.counters.seal_errors, 1);
    }
    shared.update(|state| state.backlog.done(full.id()));
}

/// Seals a segment, puts it in the place of the raw one and removes that.
fn seal_and_swap(shared: &Shared, live: &Live, end: u64, effort: Effort) -> io::Result<()> {
    if shared.state().place(live.header.id).is_none() {
        // Retention was quicker.
        return Ok(());
    }
    // What is written here is given back when the raw file goes; until then it must not take the last room.
    let free = shared.layer.free_space(&shared.segments_dir)?;
    let raw = live.durable.load(Ordering::Acquire);
    if free < raw.saturating_mul(2) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let sealed = Arc::new(seal(shared, live, end, effort)?);
    // Before anybody takes it for sealed: who erases sees that no raw file is left.
    shared.left_files().push(live.path.clone());
    let kept = shared.update(|state| {
        let place = state.place(live.header.id);
        if let Some(segment) = place.and_then(|at| state.segments.get_mut(at)) {
            *segment = Segment::Sealed(Arc::clone(&sealed));
        }
        place.is_some()
    });
    if !kept {
        // Retention was quicker.
        shared.discard(&sealed.path);
    }
    shared.discard(&live.path);
    Ok(())
}

fn seal(shared: &Shared, live: &Live, end: u64, effort: Effort) -> io::Result<Sealed> {
    let memory = live.memory();
    let mut writer = SealWriter::new(
        &*shared.layer,
        &shared.segments_dir,
        (live.header, 0),
        &shared.options,
        effort,
    )?;
    let mut bytes = Vec::new();
    for (number, frame) in memory.frames().iter().enumerate() {
        if shared.stopping.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if read_frame(live, frame, &mut bytes)? {
            writer.frame(frame.first, &bytes)?;
        } else {
            let next = memory.frames().get(number + 1);
            shared.note_lost(&live.path, frame.first..next.map_or(end, |next| next.first));
            writer.lost_frame();
        }
    }
    writer.finish(&memory, end, live.newest.load(Ordering::Relaxed))
}

/// Reads a frame of a raw segment; false if it is damaged.
fn read_frame(live: &Live, frame: &FrameAt, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.resize(frame.len as usize, 0);
    match read_full(&*live.file, bytes, frame.offset) {
        Err(e) if is_damage(&e) => return Ok(false),
        other => other?,
    };
    Ok(FrameHeader::decode(bytes)
        .is_some_and(|header| header.total() == bytes.len() && body_is_good(&header, bytes)))
}
