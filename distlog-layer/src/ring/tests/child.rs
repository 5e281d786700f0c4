//! Processes that the tests start, and what these share with them.

use std::mem::ManuallyDrop;
use std::process::{Command, Output};
use std::sync::atomic::AtomicU64;

use memmap2::MmapRaw;

/// Words that survive the process which writes them, and are seen by its parent.
pub(super) fn witness(words: usize) -> &'static [AtomicU64] {
    let file = tempfile::tempfile().unwrap();
    file.set_len(words as u64 * 8).unwrap();
    let map = ManuallyDrop::new(MmapRaw::map_raw(&file).unwrap());
    // SAFETY: the map is page-aligned, has so many words, is never unmapped and is accessed by these atomics alone.
    unsafe { std::slice::from_raw_parts(map.as_mut_ptr().cast(), words) }
}

/// Runs `work` in a forked child, which then ends with 0. The child has one thread, a copy of this one: it must not
/// need what another one may hold at this moment.
pub(super) fn fork(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child does `work` and ends; the caller sees to it that this needs no lock of another thread's.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the child without the test harness's doing.
        unsafe { libc::_exit(if work.is_ok() { 0 } else { 101 }) };
    }
    child
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    With(i32),
    By(i32),
}

pub(super) fn wait(child: libc::pid_t) -> Ended {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the child's status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    match libc::WIFSIGNALED(status) {
        true => Ended::By(libc::WTERMSIG(status)),
        false => Ended::With(libc::WEXITSTATUS(status)),
    }
}

pub(super) fn kill(child: libc::pid_t) {
    // SAFETY: a child that nobody has waited for yet, so the number is still its own.
    assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
}

const PART: &str = "DISTLOG_TEST_PART";

/// Which part of a test this process is to play: `None` for the test itself.
pub(super) fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// Runs the test `name` once more, in a process of its own, in which it plays `part`.
pub(super) fn play(name: &str, part: &str) -> Output {
    let name = format!("ring::tests::{name}");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .output()
        .unwrap()
}

/// The same, which must end well, having said that it played its part.
pub(super) fn play_well(name: &str, part: &str) {
    let output = play(name, part);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(PLAYED),
        "{part}: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// To be printed at the end of a part.
pub(super) const PLAYED: &str = "the part is played";
