//! Keys (CURVE): programs, keys and the daemon that lets in only those that it knows.

mod altered;
mod keys;
mod known;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use distlog_testkit::{Daemon, eventually};
use tempfile::TempDir;

use super::sessions::{Client, TO_FILE};

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// Both ZeroMQ receivers have keys.
const LISTEN: &str = "{
    push: { bind: 'tcp://localhost:0', curve: { key: keys/distlogd.key, clients: keys/clients } },
    session: { bind: 'tcp://localhost:0', curve: { key: keys/distlogd.key, clients: keys/clients } },
    otlp_grpc: 'localhost:0', otlp_http: 'localhost:0', http: 'localhost:0' }";

/// A daemon with keys, and the folder of all keys.
struct Keyed {
    folder: TempDir,
    daemon: Daemon,
}

impl Keyed {
    /// It knows the client `shop`.
    fn start() -> Keyed {
        let folder = tempfile::tempdir().unwrap();
        for name in ["distlogd", "shop"] {
            new_keys(folder.path(), name);
        }
        std::fs::create_dir(folder.path().join("keys/clients")).unwrap();
        let daemon = {
            admit(folder.path(), "shop");
            Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, TO_FILE)
        };
        Keyed { folder, daemon }
    }

    fn new_keys(&self, name: &str) {
        new_keys(self.folder.path(), name);
    }

    fn admit(&self, name: &str) {
        admit(self.folder.path(), name);
    }

    fn revoke(&self, name: &str) {
        let file = format!("keys/clients/{name}.pub");
        std::fs::remove_file(self.folder.path().join(file)).unwrap();
    }

    /// A program with the keys of that name, which knows the daemon by `server`.
    fn client(&self, address: &str, first: u64, server: &str, name: &str) -> Client {
        let path = |file: &str| self.path(file).display().to_string();
        let (server, key) = (path(&format!("{server}.pub")), path(&format!("{name}.key")));
        let keys = [
            ("DISTLOG_CURVE_SERVER", &*server),
            ("DISTLOG_CURVE_KEY", &*key),
        ];
        Client::start_at(address, first, &keys)
    }

    fn session(&self) -> String {
        format!("session={}", self.daemon.session())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("keys").join(file)
    }

    /// Waits until the daemon has counted and logged what it refused.
    fn expect_refused(&mut self, receiver: &str, reason: &str, said: &str) {
        let metric = "distlogd_receiver_rejected_inputs_total";
        let metric = format!("{metric}{{receiver=\"{receiver}\",reason=\"{reason}\"}}");
        eventually(&metric, || match self.daemon.metric(&metric) {
            0.0 => Err(self.daemon.process().stderr()),
            _ => Ok(()),
        });
        let process = self.daemon.process();
        process.expect_stderr(said, |line| line.contains(said).then_some(()));
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(DISTLOGD);
    command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn new_keys(folder: &Path, name: &str) {
    let output = run(folder, &["keys", "new", name]);
    assert!(output.status.success(), "{output:?}");
}

fn admit(folder: &Path, name: &str) {
    let keys = folder.join("keys");
    let file = format!("{name}.pub");
    // Whole at once, as `mv` does it.
    let whole = keys.join("clients").join(format!("{name}.new"));
    std::fs::copy(keys.join(&file), &whole).unwrap();
    std::fs::rename(whole, keys.join("clients").join(file)).unwrap();
}
