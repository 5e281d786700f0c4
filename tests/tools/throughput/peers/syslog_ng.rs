//! syslog-ng: `network()` to `file()`.

use std::path::{Path, PathBuf};
use std::process::Command;

use distlog_tests::bench::peer::find;

use super::{Form, Peer, Place};

const GET: &str = "no syslog-ng; `apt-get install syslog-ng-core`; as Debian does not install it beside rsyslog, \
                   `apt-get download syslog-ng-core`, `dpkg -x` into a folder, the path of its usr/sbin/syslog-ng in \
                   DISTLOG_BENCH_SYSLOG_NG, and `apt-get install libivykis0 libnet1 libwrap0 libjson-c5 libpcre3`";

/// A line is only text for it: it can be framed and written, but filters cannot ask for a field.
pub const AS_TEXT: Peer = Peer {
    name: "syslog-ng, lines as text",
    get: GET,
    share: 1,
    form: Form::Lines,
    mark: "\n",
    command: |place| command(place, "", "$MSG"),
};

/// It knows the fields, and writes them.
pub const AS_FIELDS: Peer = Peer {
    name: "syslog-ng, JSON parsed",
    command: |place| {
        command(
            place,
            PARSE,
            "$(format-json .line.* --rekey .line.* --shift 6)",
        )
    },
    ..AS_TEXT
};

const PARSE: &str = r#"parser { json-parser(prefix(".line.")); };"#;

fn command(place: &Place, parse: &str, line: &str) -> Option<Command> {
    let program = find("DISTLOG_BENCH_SYSLOG_NG", "syslog-ng")?;
    let (version, libraries) = parts(&program)?;
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
        port = place.port,
        output = place.output().display(),
    ));
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", &libraries);
    command.args(["-F", "--no-caps", "-f"]).arg(config);
    command.arg("--module-path").arg(libraries.join(version));
    for (option, file) in [("-R", "persist"), ("-p", "pid"), ("-c", "control")] {
        command.arg(option).arg(place.folder.join(file));
    }
    Some(command)
}

/// Its version, and where its libraries are: beside the program, installed or not.
fn parts(program: &Path) -> Option<(String, PathBuf)> {
    let libraries = program.parent()?.parent()?.join("lib/syslog-ng");
    let version = std::fs::read_dir(&libraries)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with(|first: char| first.is_ascii_digit()))?;
    Some((version, libraries))
}
