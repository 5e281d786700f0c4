//! Our daemon in each situation that is measured.

use distlog_tests::bench::{results, system};

use crate::client_processes::ClientProcesses;
use crate::frames::Frame;
use crate::load::{Load, Receiver};
use crate::measure;
use crate::probe;
use crate::row::Row;

/// Who sends.
#[derive(Debug, Clone, Copy)]
enum Sender {
    /// Programs with the layer.
    Layer { receiver: Receiver, spool: bool },
    /// Programs with the Python package.
    Python(Frame),
}

/// A situation.
#[derive(Debug)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    sender: Sender,
    /// Of the records that others get, it gets one in so many: it would take too long.
    share: u64,
    config: &'static str,
}

const STORE: &str = "";
const SLOW_SYNC: &str = "store: { sync: 5ms }";
const FILE: &str = "
processors: { all: { file: { path: all.jsonl } } }
rules: [{ to: [all] }]
";
const RULES: &str = r#"
processors: { all: { file: { path: all.jsonl } }, some: { file: { path: some.jsonl } } }
rules:
  - to: [all]
  - { when: 'severity >= WARN && service == "load"', to: [some] }
  - { when: 'fields.amount > 100.0 || fields.user == "eve"', to: [some] }
"#;

/// All situations.
pub const VARIANTS: &[Variant] = &[
    Variant {
        name: "session",
        sender: Sender::Layer {
            receiver: Receiver::Session,
            spool: false,
        },
        share: 1,
        config: STORE,
    },
    Variant {
        name: "session, sync: 5ms",
        sender: Sender::Layer {
            receiver: Receiver::Session,
            spool: false,
        },
        share: 1,
        config: SLOW_SYNC,
    },
    Variant {
        name: "session with spool",
        sender: Sender::Layer {
            receiver: Receiver::Session,
            spool: true,
        },
        share: 1,
        config: STORE,
    },
    Variant {
        name: "push",
        sender: Sender::Layer {
            receiver: Receiver::Push,
            spool: false,
        },
        share: 1,
        config: STORE,
    },
    Variant {
        name: "session, a file",
        sender: Sender::Layer {
            receiver: Receiver::Session,
            spool: false,
        },
        share: 1,
        config: FILE,
    },
    Variant {
        name: "session, 3 rules, 2 files",
        sender: Sender::Layer {
            receiver: Receiver::Session,
            spool: false,
        },
        share: 1,
        config: RULES,
    },
    Variant {
        name: "Python push, JSON, a file",
        sender: Sender::Python(Frame::Json),
        share: 2,
        config: FILE,
    },
    Variant {
        name: "Python push, pickle, a file",
        sender: Sender::Python(Frame::Pickle),
        share: 10,
        config: FILE,
    },
];

impl Variant {
    /// Measures it with so many records of each client, and so many of the probe.
    pub fn measure(&self, clients: usize, records: u64, probes: u64) -> Row {
        let folder = results::scratch_folder();
        let mut daemon = measure::daemon(folder.path(), self.config);
        let mut row = Row {
            name: format!("distlogd: {}", self.name),
            clients,
            ..Row::default()
        };
        let records = records / self.share;
        let (arguments, stored) = match self.sender {
            Sender::Layer { receiver, spool } => {
                if receiver == Receiver::Session {
                    row.ack_micros = probe::acks(&daemon, probes);
                }
                row.tail_micros = probe::tail(&daemon, receiver, probes);
                let address = match receiver {
                    Receiver::Push => daemon.push(),
                    Receiver::Session => daemon.session(),
                };
                let load = Load {
                    spool,
                    ..Load::new(receiver, address, records)
                };
                (load.arguments(), load.stored())
            }
            Sender::Python(frame) => {
                let words = ["frames", daemon.push(), &records.to_string(), frame.name()];
                (words.map(str::to_owned).to_vec(), records)
            }
        };
        let client_processes = ClientProcesses::start(clients, folder.path(), &arguments);
        let cost = measure::measure(&mut daemon, client_processes, stored * clients as u64);
        row.records = cost.records;
        row.stored_per_second = Some(cost.rate(cost.stored));
        row.daemon_cpu_per_million = cost.per_record(cost.daemon);
        row.clients_cpu_per_million = cost.per_record(cost.clients);
        row.busy = Some(cost.busy.clone());
        row.peak_mib = system::peak(daemon.process().id());
        let file = folder.path().join("all.jsonl");
        if self.config.contains("all.jsonl") {
            let lines = measure::lines(&file);
            let stored = measure::stored(&daemon);
            assert_eq!(lines, stored, "the file has every record once");
            row.written_per_second = Some(cost.rate(cost.written));
            row.written_bytes = Some(measure::length(&file) / lines.max(1));
        }
        row
    }
}
