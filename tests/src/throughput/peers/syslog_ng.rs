//! syslog-ng: `network()` to `file()`.

use std::ffi::OsStr;
use std::path::Path;

use super::{Peer, Place, Setup, command, find};

const GET: &str = "no syslog-ng; `apt-get install syslog-ng-core`; as Debian does not install it beside rsyslog, \
          `apt-get download syslog-ng-core`, `dpkg -x` into a folder, the path of its usr/sbin/syslog-ng in \
          DISTLOG_BENCH_SYSLOG_NG, and `apt-get install libivykis0 libnet1 libwrap0 libjson-c5 libpcre3`";

/// A line is only text for it: it can be framed and written, but filters cannot ask for a field.
pub const AS_TEXT: Peer = Peer {
    name: "syslog-ng, lines passed through",
    get: GET,
    share: 1,
    setup: |place, _| setup(place, "", "$MSG"),
};

/// It knows the fields, and writes them.
pub const AS_FIELDS: Peer = Peer {
    name: "syslog-ng, JSON parsed and written",
    get: GET,
    share: 1,
    setup: |place, _| {
        let parse = r#"parser { json-parser(prefix(".line.")); };"#;
        setup(
            place,
            parse,
            "$(format-json .line.* --rekey .line.* --shift 6)",
        )
    },
};

fn setup(place: &Place, parse: &str, line: &str) -> Option<Setup> {
    let program = find("DISTLOG_BENCH_SYSLOG_NG", "syslog-ng")?;
    let Place { folder, port } = place;
    let (version, libraries, modules) = parts(&program)?;
    // With flow control nothing is lost; the windows are wide enough that readers do not wait for each other.
    let config = place.configure(&format!(
        r#"@version: {version}
options {{ threaded(yes); stats-freq(0); flush-lines(1000); log-fifo-size(1000000); }};
source clients {{
  network(ip("127.0.0.1") port({port}) transport("tcp") flags(no-parse)
          max-connections(64) log-iw-size(640000) log-fetch-limit(1000));
}};
destination all {{ file("{output}" template("{line}\n")); }};
log {{ source(clients); {parse} destination(all); flags(flow-control); }};
"#,
        output = place.output().display(),
    ));
    let file = |name: &str| folder.join(name);
    let (persist, pid, control) = (file("persist"), file("peer.pid"), file("control"));
    let arguments = [
        OsStr::new("-F"),
        OsStr::new("--no-caps"),
        OsStr::new("-f"),
        config.as_os_str(),
        OsStr::new("-R"),
        persist.as_os_str(),
        OsStr::new("-p"),
        pid.as_os_str(),
        OsStr::new("-c"),
        control.as_os_str(),
        OsStr::new("--module-path"),
        modules.as_os_str(),
    ];
    let mut daemon = command(&program, &arguments);
    daemon.env("LD_LIBRARY_PATH", libraries);
    Some(Setup {
        daemon,
        client: &["lines"],
        address: format!("127.0.0.1:{port}"),
        encoding: None,
    })
}

/// Its version, and where its libraries and modules are: beside the program, installed or not.
fn parts(program: &Path) -> Option<(String, std::path::PathBuf, std::path::PathBuf)> {
    let libraries = program.parent()?.parent()?.join("lib/syslog-ng");
    let versions = std::fs::read_dir(&libraries).ok()?.flatten();
    let version = versions
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find(|name| name.starts_with(|c: char| c.is_ascii_digit()))?;
    let modules = libraries.join(&version);
    Some((version, libraries, modules))
}
