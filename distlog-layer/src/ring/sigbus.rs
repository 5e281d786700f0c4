//! What happens when the memory of a spool's file is taken away: somebody shortened the file, or its disk failed.
//!
//! The system then answers an access with the signal SIGBUS, which ends the program. A program must not die of its log,
//! so a handler puts anonymous memory in the place of the page, notes that, and lets the access go on. Every other
//! SIGBUS goes to the handler that was there before, or does what it would have done without this one.
//!
//! The handler runs in whatever thread met the page, perhaps in the midst of anything. So it neither locks nor
//! allocates: what it must know stands in a table of fixed size that consists of atomics.

use std::io;
use std::ptr::{null, null_mut};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst,
};
use std::sync::{Arc, OnceLock};

use libc::{c_int, c_void, siginfo_t};

/// More spools than this cannot be mapped by one process at a time.
const SLOTS: usize = 64;

static TABLE: [Slot; SLOTS] = [const { Slot::free() }; SLOTS];
static PAGE: AtomicUsize = AtomicUsize::new(4096);
/// What handled the signal before, and the flags it was installed with.
static BEFORE: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
static BEFORE_FLAGS: AtomicI32 = AtomicI32::new(0);

/// A map that the handler knows. `start`, `end` and `marks` belong together where `version` is even and the same before
/// and after they were read.
struct Slot {
    taken: AtomicBool,
    version: AtomicU64,
    start: AtomicUsize,
    end: AtomicUsize,
    marks: AtomicPtr<Marks>,
}

/// What the handler did to a map.
struct Marks {
    /// Whether it did anything.
    hit: AtomicBool,
    /// A bit per page, set by the one thread that replaces it.
    replaced: Box<[AtomicU64]>,
}

/// A map under watch, until this is dropped. That must be before the map goes.
pub(super) struct Watch {
    slot: &'static Slot,
    marks: Arc<Marks>,
}

impl Slot {
    const fn free() -> Slot {
        Slot {
            taken: AtomicBool::new(false),
            version: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            marks: AtomicPtr::new(null_mut()),
        }
    }

    /// Only for who has taken the slot.
    fn set(&self, start: usize, end: usize, marks: *mut Marks) {
        self.version.fetch_add(1, SeqCst);
        self.start.store(start, SeqCst);
        self.end.store(end, SeqCst);
        self.marks.store(marks, SeqCst);
        self.version.fetch_add(1, SeqCst);
    }

    /// The slot's map, if `address` is in it: where it begins, and its marks.
    fn find(&self, address: usize) -> Option<(usize, *const Marks)> {
        let version = self.version.load(SeqCst);
        let (start, end) = (self.start.load(SeqCst), self.end.load(SeqCst));
        let marks = self.marks.load(SeqCst);
        let whole = version.is_multiple_of(2) && self.version.load(SeqCst) == version;
        (whole && (start..end).contains(&address)).then_some((start, marks.cast_const()))
    }
}

impl Watch {
    /// Watches a map that begins at a page.
    ///
    /// # Errors
    /// If there are too many, or the system does not let the signal be handled.
    pub(super) fn new(start: *const u8, length: usize) -> io::Result<Watch> {
        install()?;
        let slot = TABLE
            .iter()
            .find(|slot| !slot.taken.swap(true, SeqCst))
            .ok_or_else(|| {
                io::Error::other(format!(
                    "this process has {SLOTS} spools in use, which is the most there can be"
                ))
            })?;
        let pages = length.div_ceil(page_size());
        let marks = Arc::new(Marks {
            hit: AtomicBool::new(false),
            replaced: (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        });
        let start = start as usize;
        slot.set(start, start + length, Arc::as_ptr(&marks).cast_mut());
        Ok(Watch { slot, marks })
    }

    /// Whether a page of the map had to be replaced.
    pub(super) fn is_hit(&self) -> bool {
        self.marks.hit.load(SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.slot.set(0, 0, null_mut());
        self.slot.taken.store(false, SeqCst);
    }
}

/// The system's, in bytes, once a map was watched.
pub(super) fn page_size() -> usize {
    PAGE.load(SeqCst)
}

/// Installs the handler, once.
fn install() -> io::Result<()> {
    static DONE: OnceLock<Option<i32>> = OnceLock::new();
    let failed = DONE.get_or_init(|| {
        try_install()
            .err()
            .map(|error| error.raw_os_error().unwrap_or(0))
    });
    failed.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
}

fn try_install() -> io::Result<()> {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    if let Ok(page @ 1..) = usize::try_from(page) {
        PAGE.store(page, SeqCst);
    }
    // What was there is noted first: the handler can be called as soon as it is installed.
    remember(&exchange(None)?);
    let mut ours = empty_action();
    ours.sa_sigaction = on_sigbus as *const () as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // No other handler may leave this one halfway; those of faults may come, for the handler that is called from here.
    // SAFETY: the set is a valid place, the signals are valid ones.
    unsafe {
        libc::sigfillset(&mut ours.sa_mask);
        for fault in [
            libc::SIGSEGV,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
        ] {
            libc::sigdelset(&mut ours.sa_mask, fault);
        }
    }
    remember(&exchange(Some(&ours))?);
    Ok(())
}

fn remember(action: &libc::sigaction) {
    BEFORE_FLAGS.store(action.sa_flags, SeqCst);
    BEFORE.store(action.sa_sigaction, SeqCst);
}

fn empty_action() -> libc::sigaction {
    // SAFETY: numbers, an empty set and an absent pointer are valid as zeros; a handler of 0 is SIG_DFL.
    unsafe { std::mem::zeroed() }
}

/// Sets what handles the signal, if anything is given; returns what did.
fn exchange(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = empty_action();
    // SAFETY: `new` is a complete action or absent, `old` a valid place. The handlers that are given to this function
    // are `on_sigbus`, which keeps to what is allowed in one, and the system's default.
    match unsafe {
        libc::sigaction(
            libc::SIGBUS,
            new.map_or(null(), std::ptr::from_ref),
            &mut old,
        )
    } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the system calls a handler with SA_SIGINFO with a valid `info`; the address is set where it is read, for
    // a signal of the system's own.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // A positive code: an access of this thread, not something that another process sent.
    if code > 0 && !is_broken_memory(code) && replace(address) {
        return;
    }
    chain(signal, code, info, context);
}

/// Memory that is broken as such, which other memory in its place does not mend: it may be the other memory already.
fn is_broken_memory(code: c_int) -> bool {
    cfg!(target_os = "linux") && (code == 4 || code == 5) // BUS_MCEERR_AR, BUS_MCEERR_AO
}

/// Puts anonymous memory in the place of the page at `address`, if it is in one of our maps.
fn replace(address: usize) -> bool {
    let Some((start, marks)) = TABLE.iter().find_map(|slot| slot.find(address)) else {
        return false;
    };
    // SAFETY: a thread that accesses a map keeps it alive, and with it its `Watch`, which holds the marks: it is
    // dropped before the map (see `Watch`). An entry of the table that is being changed is another map's, and `find`
    // skips it.
    let marks = unsafe { &*marks };
    let size = page_size();
    let page = (address - start) / size;
    let bit = 1 << (page % 64);
    let Some(word) = marks.replaced.get(page / 64) else {
        return false;
    };
    if word.fetch_or(bit, SeqCst) & bit != 0 {
        // Another thread is replacing it, or just has. Twice would wipe what was written since; if it is not done yet,
        // the access fails again and leads here again.
        return true;
    }
    marks.hit.store(true, SeqCst);
    // SAFETY: the range is a page of our map, begins at one, and nobody is told of its place but the map's owner, whose
    // accesses find zeros there from now on: bytes for which every value is valid. `munmap` of the map covers it.
    let place = unsafe {
        libc::mmap(
            (start + page * size) as *mut c_void,
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_FIXED | libc::MAP_ANONYMOUS | libc::MAP_PRIVATE,
            -1,
            0,
        )
    };
    if place == libc::MAP_FAILED {
        word.fetch_and(!bit, SeqCst);
        return false;
    }
    true
}

/// Does what would have happened without this handler.
fn chain(signal: c_int, code: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let sent = code <= 0;
    let before = BEFORE.load(SeqCst);
    match before {
        libc::SIG_IGN if sent => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // An access fails again after the return, and then ends the process as if nobody had caught it. (The
            // system does not let a failed access be ignored either.) What was sent has to be sent again.
            let _ = exchange(Some(&empty_action()));
            if sent {
                // SAFETY: sends a signal to this thread, which gets it when this handler returns.
                unsafe { libc::raise(signal) };
            }
        }
        _ => {
            let flags = BEFORE_FLAGS.load(SeqCst);
            if flags & libc::SA_RESETHAND != 0 {
                BEFORE.store(libc::SIG_DFL, SeqCst);
            }
            if flags & libc::SA_SIGINFO != 0 {
                type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
                // SAFETY: installed with SA_SIGINFO, so it is a function of this type; neither SIG_DFL nor SIG_IGN.
                let handler = unsafe { std::mem::transmute::<usize, Handler>(before) };
                handler(signal, info, context);
            } else {
                // SAFETY: installed without SA_SIGINFO, so it is a function of this type; as above.
                let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(before) };
                handler(signal);
            }
        }
    }
}
