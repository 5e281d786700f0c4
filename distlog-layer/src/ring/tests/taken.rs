//! The memory of a spool's file is taken away. Each test plays its parts in processes of their own, since a signal's
//! handler belongs to the whole process.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use distlog_spool::{SpoolDir, SpoolError};
use memmap2::{MmapOptions, MmapRaw};

use super::super::*;
use super::child::{PLAYED, part, play, play_well};
use super::story::spooled;

/// Cuts a file off, or makes it longer, without opening it: to close a descriptor of a spool loses its lock.
fn set_length(path: &Path, length: u64) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path ends with a zero.
    let done = unsafe { libc::truncate(path.as_ptr(), length as libc::off_t) };
    assert_eq!(done, 0);
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(folder).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

/// A map of a file that is none of ours, and has no memory.
fn taken_map() -> MmapRaw {
    let file = tempfile::tempfile().unwrap();
    file.set_len(4096).unwrap();
    let map = MmapOptions::new().len(4096).map_raw(&file).unwrap();
    file.set_len(0).unwrap();
    map
}

fn touch(map: &MmapRaw) {
    // SAFETY: a byte of the map, which lives. There is no memory, but somebody may put it there.
    unsafe { map.as_mut_ptr().write_volatile(1) };
}

static FOREIGN: AtomicU32 = AtomicU32::new(0);

/// What a program may have done before: a handler of its own, which mends the fault.
extern "C" fn foreign(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    assert_eq!(signal, libc::SIGBUS);
    FOREIGN.fetch_add(1, Ordering::SeqCst);
    // SAFETY: `info` is valid, the address is that of the page of `taken_map` that was touched.
    unsafe {
        if (*info).si_code > 0 {
            libc::mmap(
                (*info).si_addr(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_FIXED | libc::MAP_ANONYMOUS | libc::MAP_PRIVATE,
                -1,
                0,
            );
        }
    }
}

extern "C" fn plain(signal: libc::c_int) {
    assert_eq!(signal, libc::SIGBUS);
    FOREIGN.fetch_add(1, Ordering::SeqCst);
}

fn handle(handler: usize, flags: libc::c_int) {
    // SAFETY: zeros are a valid action; the handler is a function of the type that its flags say, or a constant.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()),
            0
        );
    }
}

const NUMBERED: usize = 40;

fn push(ring: &Ring, thread: u32, number: u64) -> bool {
    let mut record = [thread as u8; NUMBERED];
    record[..8].copy_from_slice(&number.to_le_bytes());
    ring.push(thread, &record).is_ok()
}

/// Thread and number of the next record. `None` inside: it was damaged.
fn number(reader: &mut Reader) -> Option<Option<(u32, u64)>> {
    reader.next(|entry| {
        let whole = entry.bytes.len() == NUMBERED
            && entry.bytes[8..]
                .iter()
                .all(|&byte| u32::from(byte) == entry.tag);
        let number = entry.bytes.first_chunk().copied().map(u64::from_le_bytes);
        Some(number.filter(|_| whole).map(|number| (entry.tag, number)))
    })
}

/// A program logs `records`, its file is cut off, it logs on for several laps. Says the trouble, and how many bytes
/// were lost.
fn logs_on(capacity: u64, records: u64, length: impl Fn(u64) -> u64) -> (Option<SpoolError>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let dir = SpoolDir::open(folder.path()).unwrap();
    let (ring, mut reader) = spooled(&dir, capacity);
    let path = only_file(folder.path());
    let mut last = 0;
    for _ in 0..records {
        last += 1;
        assert!(push(&ring, 1, last));
    }
    let mut seen = 0;
    while seen < 100 {
        assert_eq!(number(&mut reader), Some(Some((1, seen + 1))));
        seen += 1;
    }
    reader.free();
    assert!(ring.check_spool().is_none());

    set_length(
        &path,
        length(std::fs::symlink_metadata(&path).unwrap().len()),
    );
    let trouble = ring.check_spool();
    // Three laps, as the reader frees them.
    let logged = last + 3 * capacity / 64;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut missing = 0;
    while seen < logged {
        if last < logged && push(&ring, 1, last + 1) {
            last += 1;
        }
        match number(&mut reader) {
            Some(Some((1, number))) => {
                assert!(number > seen, "in order");
                missing += number - seen - 1;
                seen = number;
            }
            Some(_) => {} // One that crosses from a page that was left.
            None => reader.free(),
        }
        assert!(Instant::now() < deadline, "{seen} of {logged}, {last} in");
    }
    reader.free();
    assert_eq!((reader.position(), ring.tail()), (ring.head(), ring.head()));
    assert_eq!(ring.used(), 0);
    assert!(
        missing <= records - 100,
        "only what was there when the file was cut off"
    );
    assert!(ring.lost_bytes() <= missing * 64);
    assert!(
        missing * 64 <= ring.lost_bytes() + 64,
        "all of it is counted"
    );
    // Nothing else is the worse for it.
    let before = ring.head();
    assert_eq!(ring.next_epoch(), 1);
    ring.count_dropped(0, 5);
    assert_eq!(ring.dropped(), [1, 0, 0, 0, 0]);
    assert_eq!(ring.close(), before);
    assert!(reader.seek(before) && reader.free_to(before));
    let lost = ring.lost_bytes();
    let trouble = trouble.or_else(|| ring.check_spool());
    assert!(ring.check_spool().is_none(), "it was told");
    drop((ring, reader));
    (trouble, lost)
}

#[test]
fn a_program_logs_on() {
    let name = "taken::a_program_logs_on";
    let Some(part) = part() else {
        for part in [
            "whole",
            "middle",
            "within a page",
            "within the last page",
            "table",
        ] {
            play_well(name, part);
        }
        return;
    };
    handle(foreign as *const () as usize, libc::SA_SIGINFO);
    let (trouble, lost) = logs_on(1 << 16, 1000, |length| match part.as_str() {
        "whole" => 0,
        "middle" => 4096 + (1 << 14),
        "within a page" => 2 * 4096 + 2048,
        // The ring's last page keeps its memory, with zeros from here on: no signal ever tells.
        "within the last page" => 4096 + (1 << 16) - 2048,
        _ => length - 8,
    });
    let trouble = trouble.unwrap();
    assert!(matches!(trouble, SpoolError::Truncated { .. }), "{trouble}");
    assert_eq!(lost > 0, part != "table", "{lost}");
    assert_eq!(FOREIGN.load(Ordering::SeqCst), 0, "it is none of theirs");

    touch(&taken_map());
    assert_eq!(FOREIGN.load(Ordering::SeqCst), 1, "theirs comes to them");
    // SAFETY: sends the signal to this thread.
    unsafe { libc::raise(libc::SIGBUS) };
    assert_eq!(FOREIGN.load(Ordering::SeqCst), 2, "also what was sent");
    println!("{PLAYED}");
}

#[test]
fn a_file_that_is_long_again_is_noticed() {
    let name = "taken::a_file_that_is_long_again_is_noticed";
    if part().is_none() {
        return play_well(name, "the only one");
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = SpoolDir::open(folder.path()).unwrap();
    let (ring, mut reader) = spooled(&dir, 4096);
    let path = only_file(folder.path());
    let length = std::fs::symlink_metadata(&path).unwrap().len();
    assert!(push(&ring, 1, 1));
    set_length(&path, 0);
    assert!(push(&ring, 1, 2), "the page is met while it is away");
    set_length(&path, length);
    let trouble = ring.check_spool().unwrap().to_string();
    assert!(trouble.contains("taken away"), "{trouble}");
    assert!(ring.check_spool().is_none());
    std::fs::remove_file(&path).unwrap();
    let trouble = ring.check_spool().unwrap();
    assert!(matches!(trouble, SpoolError::Removed { .. }));
    assert!(ring.check_spool().is_none());
    let deadline = Instant::now() + Duration::from_secs(30);
    let second = loop {
        if let Some(second) = number(&mut reader) {
            break second;
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(second, Some((1, 2)));
    assert_eq!(ring.lost_bytes(), 64);
    println!("{PLAYED}");
}

#[test]
fn threads_that_meet_the_same_page_lose_nothing_to_each_other() {
    let name = "taken::threads_that_meet_the_same_page_lose_nothing_to_each_other";
    if part().is_none() {
        return play_well(name, "the only one");
    }
    const THREADS: u32 = 4;
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let dir = SpoolDir::open(folder.path()).unwrap();
        let (ring, mut reader) = spooled(&dir, 1 << 16);
        let path = only_file(folder.path());
        // All begin at once, on pages that none of them has met.
        set_length(&path, 0);
        let go = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (1..=THREADS)
            .map(|thread| {
                let (ring, go) = (Arc::clone(&ring), Arc::clone(&go));
                std::thread::spawn(move || {
                    while !go.load(Ordering::Acquire) {
                        std::hint::spin_loop();
                    }
                    (1..=250).for_each(|number| assert!(push(&ring, thread, number)));
                })
            })
            .collect();
        go.store(true, Ordering::Release);
        for writer in writers {
            writer.join().unwrap();
        }
        let mut next = BTreeMap::new();
        while let Some(record) = number(&mut reader) {
            let (thread, number) = record.unwrap();
            let last = next.insert(thread, number).unwrap_or(0);
            assert_eq!(number, last + 1, "thread {thread} in round {round}");
        }
        assert!(next.len() == 4 && next.values().all(|&number| number == 250));
        assert_eq!(ring.lost_bytes(), 0);
    }
    println!("{PLAYED}");
}

#[test]
fn what_was_there_before_still_happens() {
    let name = "taken::what_was_there_before_still_happens";
    let Some(part) = part() else {
        for part in ["plain handler", "once", "ignored"] {
            play_well(name, part);
        }
        for part in ["default", "default, sent", "ignored, met"] {
            let ended = play(name, part).status;
            assert_eq!(ended.signal(), Some(libc::SIGBUS), "{part}: {ended}");
        }
        return;
    };
    let plain = plain as *const () as usize;
    match part.as_str() {
        "plain handler" => handle(plain, 0),
        "once" => handle(plain, libc::SA_RESETHAND),
        "ignored" | "ignored, met" => handle(libc::SIG_IGN, 0),
        _ => handle(libc::SIG_DFL, 0),
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = SpoolDir::open(folder.path()).unwrap();
    let (ring, _reader) = spooled(&dir, 4096);
    set_length(&only_file(folder.path()), 0);
    assert!(push(&ring, 1, 1), "ours is handled all the same");
    // SAFETY: sends the signal to this thread.
    let raise = || unsafe { libc::raise(libc::SIGBUS) };
    match part.as_str() {
        "default" | "ignored, met" => touch(&taken_map()),
        _ => {
            raise();
        }
    }
    match part.as_str() {
        "ignored" => {}
        "plain handler" => {
            raise();
            assert_eq!(FOREIGN.load(Ordering::SeqCst), 2);
        }
        "once" => assert_eq!(FOREIGN.load(Ordering::SeqCst), 1),
        _ => return,
    }
    assert!(push(&ring, 1, 2));
    println!("{PLAYED}");
}

#[test]
fn more_spools_than_can_be_watched_are_refused() {
    let name = "taken::more_spools_than_can_be_watched_are_refused";
    if part().is_none() {
        return play_well(name, "the only one");
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = SpoolDir::open(folder.path()).unwrap();
    let mut rings: Vec<_> = (0..64).map(|_| spooled(&dir, 4096)).collect();
    let one_more = || {
        let producer = distlog_proto::ProducerId::random();
        Ring::spooled(&dir, producer, 4096, &super::story::source(producer), true)
    };
    let refused = one_more().err().unwrap().to_string();
    assert!(refused.contains("64 spools in use"), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 64);
    rings.pop();
    let (ring, _reader) = one_more().unwrap();
    let path = folder.path().to_owned();
    for entry in std::fs::read_dir(path).unwrap() {
        set_length(&entry.unwrap().path(), 0);
    }
    assert!(push(&ring, 1, 1));
    assert!(ring.check_spool().is_some());
    println!("{PLAYED}");
}
