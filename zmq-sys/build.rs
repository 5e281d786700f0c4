//! Compiles libzmq from the source in `zeromq-src`, with libsodium, without which libzmq has no CURVE.

use std::env;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo shows the compiler's warnings of crates in the workspace. Those of libzmq are not ours to mend.
    let mut flags = env::var("CXXFLAGS").unwrap_or_default() + " -w";
    if env::var_os("CARGO_CFG_UNIX").is_some() {
        // Without it libzmq's timers run by the time of day: where the clock is set back, nothing connects again, and
        // no wait ends, until it is that time once more.
        flags += " -DHAVE_CLOCK_GETTIME";
    }
    // SAFETY: this is the only thread.
    unsafe { env::set_var("CXXFLAGS", flags) };
    let (lib, include) = (env::var("DEP_SODIUM_LIB")?, env::var("DEP_SODIUM_INCLUDE")?);
    zeromq_src::Build::new()
        .with_libsodium(Some(zeromq_src::LibLocation::new(lib, include)))
        .build();
    Ok(())
}
