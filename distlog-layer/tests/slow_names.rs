//! A name that nobody resolves for a long time holds up neither another address nor the end of the program.
//!
//! Their program is their own: it stands before the system's `getaddrinfo`.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod common;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::time::{Duration, Instant};

use common::LONG;
use common::store::Store;
use distlog_layer::{Flush, builder};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

/// As the name of a host: it is looked for so long, and not found.
const SLOW: &[u8] = b"slow.invalid";
const LOOKED_FOR: Duration = Duration::from_secs(10);

/// Stands before the system's function of that name, also for libzmq.
///
/// # Safety
/// As for the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    found: *mut *mut libc::addrinfo,
) -> c_int {
    type Real = unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const libc::addrinfo,
        *mut *mut libc::addrinfo,
    ) -> c_int;
    // SAFETY: a text that ends with a zero, if it is there.
    if !node.is_null() && unsafe { CStr::from_ptr(node) }.to_bytes() == SLOW {
        std::thread::sleep(LOOKED_FOR);
        return libc::EAI_AGAIN;
    }
    // SAFETY: the next function of that name is the system's, which has this type; the arguments are the caller's.
    unsafe {
        let real = libc::dlsym(libc::RTLD_NEXT, c"getaddrinfo".as_ptr());
        assert!(!real.is_null());
        std::mem::transmute::<*mut c_void, Real>(real)(node, service, hints, found)
    }
}

#[test]
fn the_next_address_is_tried_while_the_name_of_the_first_is_looked_for() {
    let store = Store::tcp();
    let (layer, guard) = builder()
        .failover_timeouts(|p| p.absent = Duration::from_millis(100))
        .connect(["tcp://slow.invalid:5011".to_owned(), store.address.clone()])
        .unwrap();
    let begin = Instant::now();
    with_default(tracing_subscriber::registry().with(layer), || info!("one"));
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    assert!(begin.elapsed() < LOOKED_FOR / 2, "{:?}", begin.elapsed());
    assert_eq!(guard.close(Duration::from_millis(100)), Flush::Flushed);
    assert!(begin.elapsed() < LOOKED_FOR / 2, "{:?}", begin.elapsed());
}

#[test]
fn a_program_that_ends_does_not_wait_for_a_name() {
    let (layer, guard) = builder()
        .flush_on_drop(Duration::from_millis(100))
        .connect("tcp://slow.invalid:5011")
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || info!("one"));
    let begin = Instant::now();
    // That it is looked for by now.
    assert_ne!(
        guard.flush(Duration::from_millis(200)),
        Flush::Flushed,
        "nobody is there"
    );
    drop(guard);
    assert!(begin.elapsed() < LOOKED_FOR / 2, "{:?}", begin.elapsed());
}
