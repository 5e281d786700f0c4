//! The daemon of the Python package, with a plugin that writes lines of JSON, as it comes with none that does.

use std::ffi::OsStr;
use std::process::Stdio;

use super::{Peer, Place, Setup, command};

pub const PEER: Peer = Peer {
    name: "daemon of the Python package, JSON",
    get: "DISTLOG_TEST_PYTHON names no Python with the package; in a virtual environment \
          `pip install distlog==0.1.dev0 pyzmq six`, and its bin/python in that variable",
    // It takes some 50 000 a second.
    share: 20,
    setup,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/daemon.py");

fn setup(place: &Place, records: u64) -> Option<Setup> {
    let python = std::env::var_os("DISTLOG_TEST_PYTHON")?;
    let mut has_package = command(
        python.as_ref(),
        &[OsStr::new("-c"), OsStr::new("import distlogd")],
    );
    let status = has_package.stderr(Stdio::null()).status().ok()?;
    if !status.success() {
        return None;
    }
    let address = format!("tcp://127.0.0.1:{}", place.port);
    let (output, count) = (place.output(), records.to_string());
    let arguments = [
        OsStr::new(SCRIPT),
        OsStr::new(&address),
        output.as_os_str(),
        OsStr::new(&count),
    ];
    Some(Setup {
        daemon: command(python.as_ref(), &arguments),
        client: &["frames"],
        address,
        encoding: Some("json"),
    })
}
