//! rsyslog: `imptcp` to `omfile`.

use std::process::Command;

use distlog_tests::bench::peer::find;

use super::{Form, Peer, Place};

const GET: &str = "no rsyslogd; `apt-get install rsyslog`, or its path in DISTLOG_BENCH_RSYSLOG";

/// A line is only text for it: it can be framed and written, but rules cannot ask for a field.
pub const AS_TEXT: Peer = Peer {
    name: "rsyslog, lines as text",
    get: GET,
    share: 1,
    form: Form::Lines,
    mark: "\n",
    command: |place| command(place, "", "%rawmsg%"),
};

/// It knows the fields, and writes them.
pub const AS_FIELDS: Peer = Peer {
    name: "rsyslog, JSON parsed",
    command: |place| command(place, PARSE, "%$!all-json%"),
    ..AS_TEXT
};

const PARSE: &str = r#"
module(load="mmjsonparse")
action(type="mmjsonparse" cookie="" useRawMsg="on")
"#;

fn command(place: &Place, parse: &str, line: &str) -> Option<Command> {
    let program = find("DISTLOG_BENCH_RSYSLOG", "rsyslogd")?;
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
        folder = place.folder.display(),
        port = place.port,
        output = place.output().display(),
    ));
    let mut command = Command::new(program);
    command.arg("-n").arg("-f").arg(config);
    command.arg("-i").arg(place.folder.join("pid"));
    Some(command)
}
