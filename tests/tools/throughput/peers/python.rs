//! The daemon of the Python package, with a plugin that writes lines of JSON, as it comes with none that does.

use std::process::{Command, Stdio};

use super::{Form, Peer, Place};

/// It decodes and encodes.
pub const PEER: Peer = Peer {
    name: "daemon of the Python package, JSON",
    get: "DISTLOG_TEST_PYTHON names no Python with the package; in a virtual environment \
          `pip install distlog==0.1.dev0 pyzmq six`, and its bin/python in that variable",
    // It takes some 50 000 a second.
    share: 20,
    form: Form::Frames,
    mark: "\n",
    command,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/daemon.py");

fn command(place: &Place) -> Option<Command> {
    let python = std::env::var_os("DISTLOG_TEST_PYTHON")?;
    let has_package = Command::new(&python)
        .args(["-c", "import distlogd"])
        .stderr(Stdio::null())
        .status();
    has_package.ok()?.success().then(|| {
        let mut command = Command::new(&python);
        command
            .arg(SCRIPT)
            .arg(format!("tcp://127.0.0.1:{}", place.port));
        command.arg(place.output()).arg(place.records.to_string());
        command
    })
}
