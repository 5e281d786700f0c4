//! How a process notices that it is a forked child.

#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(target_os = "linux")]
use memmap2::{MmapMut, MmapRaw};

/// Remembers the process it was made in. Asking costs one load where the system can wipe a page on fork (Linux), and
/// the process id elsewhere.
pub(crate) struct ForkMark {
    #[cfg(target_os = "linux")]
    page: Option<MmapRaw>,
    process: u32,
}

impl ForkMark {
    /// A mark of this process.
    pub(crate) fn new() -> ForkMark {
        let mark = ForkMark {
            #[cfg(target_os = "linux")]
            page: wiped_on_fork(),
            process: std::process::id(),
        };
        #[cfg(target_os = "linux")]
        if let Some(word) = mark.word() {
            word.store(1, Ordering::Relaxed);
        }
        mark
    }

    /// Whether this process is another than the one the mark was made in.
    pub(crate) fn is_crossed(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(word) = self.word() {
            return word.load(Ordering::Relaxed) == 0;
        }
        self.process != std::process::id()
    }

    #[cfg(target_os = "linux")]
    fn word(&self) -> Option<&AtomicU64> {
        // SAFETY: the page is at least 8 bytes long, page-aligned, lives as long as `self` and is only accessed here,
        // as an atomic; the kernel's wiping gives 0, a valid value, in a process that has no other thread yet.
        self.page
            .as_ref()
            .map(|page| unsafe { &*page.as_mut_ptr().cast::<AtomicU64>() })
    }
}

#[cfg(target_os = "linux")]
fn wiped_on_fork() -> Option<MmapRaw> {
    let page = MmapRaw::from(MmapMut::map_anon(4096).ok()?);
    // SAFETY: the range is this map, which nobody else knows. The advice changes nothing in this process.
    unsafe {
        rustix::mm::madvise(
            page.as_mut_ptr().cast(),
            page.len(),
            rustix::mm::Advice::LinuxWipeOnFork,
        )
        .ok()?
    };
    Some(page)
}
