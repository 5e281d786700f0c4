//! rsyslog: `imptcp` to `omfile`.

use std::ffi::OsStr;

use super::{Peer, Place, Setup, command, find};

const GET: &str = "no rsyslogd; `apt-get install rsyslog`, or its path in DISTLOG_BENCH_RSYSLOG";

/// A line is only text for it: it can be framed and written, but rules cannot ask for a field.
pub const AS_TEXT: Peer = Peer {
    name: "rsyslog, lines passed through",
    get: GET,
    share: 1,
    setup: |place, _| setup(place, "", "%rawmsg%"),
};

/// It knows the fields, and writes them.
pub const AS_FIELDS: Peer = Peer {
    name: "rsyslog, JSON parsed and written",
    get: GET,
    share: 1,
    setup: |place, _| setup(place, PARSE, "%$!all-json%"),
};

const PARSE: &str = r#"
module(load="mmjsonparse")
action(type="mmjsonparse" cookie="" useRawMsg="on")
"#;

fn setup(place: &Place, parse: &str, line: &str) -> Option<Setup> {
    let program = find("DISTLOG_BENCH_RSYSLOG", "rsyslogd")?;
    let Place { folder, port } = place;
    // A batch is one write.
    let config = place.configure(&format!(
        r#"
global(workDirectory="{folder}")
module(load="imptcp" threads="2")
main_queue(queue.type="FixedArray" queue.size="100000" queue.dequeueBatchSize="4096")
template(name="line" type="string" string="{line}\n")
input(type="imptcp" address="127.0.0.1" port="{port}")
{parse}
action(type="omfile" file="{output}" template="line" ioBufferSize="256k" flushOnTXEnd="on")
"#,
        folder = folder.display(),
        output = place.output().display(),
    ));
    let pid = folder.join("peer.pid");
    let arguments = [
        OsStr::new("-n"),
        OsStr::new("-f"),
        config.as_os_str(),
        OsStr::new("-i"),
        pid.as_os_str(),
    ];
    Some(Setup {
        daemon: command(&program, &arguments),
        client: &["lines"],
        address: format!("127.0.0.1:{port}"),
        encoding: None,
    })
}
