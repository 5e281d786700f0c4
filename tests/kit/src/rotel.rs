//! A real server of OpenTelemetry.

use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Process;

/// So often it is started until it listens.
const ATTEMPTS: usize = 5;
/// And is given so much time for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running [rotel](https://pypi.org/project/rotel/), which forwards what it gets by OTLP. Killed when dropped.
#[derive(Debug)]
pub struct Rotel {
    grpc: String,
    http: String,
    process: Process,
}

impl Rotel {
    /// Starts it in `folder`, and waits until it listens. It forwards to `http://host:port`, by gRPC.
    ///
    /// # Panics
    /// If the environment variable `DISTLOG_TEST_ROTEL` does not name its program.
    pub fn start(folder: &Path, forward_to: &str) -> Rotel {
        let program = std::env::var_os("DISTLOG_TEST_ROTEL").expect(
            "DISTLOG_TEST_ROTEL must name the program rotel-agent: `pip install rotel` has it in site-packages/rotel",
        );
        for _ in 0..ATTEMPTS {
            if let Some(rotel) = Rotel::attempt(&program, folder, forward_to) {
                return rotel;
            }
        }
        panic!("rotel did not listen, {ATTEMPTS} times");
    }

    /// Starts it on ports that are free now; another program may take them before it does, and it gives up then.
    fn attempt(program: &OsStr, folder: &Path, forward_to: &str) -> Option<Rotel> {
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        // It does not say which port it took.
        let (grpc, http) = (free(), free());
        let mut process = Process::start(
            Command::new(program)
                .arg("start")
                .args(["--otlp-grpc-endpoint", &grpc])
                .args(["--otlp-http-endpoint", &http])
                .args(["--exporter", "otlp", "--otlp-exporter-protocol", "grpc"])
                .args(["--otlp-exporter-endpoint", forward_to])
                .args(["--batch-timeout", "50ms"])
                .arg("--pid-file")
                .arg(folder.join("rotel.pid"))
                .arg("--log-file")
                .arg(folder.join("rotel.log")),
        );
        let listens = || {
            [&grpc, &http]
                .iter()
                .all(|at| TcpStream::connect(at).is_ok())
        };
        let deadline = Instant::now() + PATIENCE;
        while !listens() {
            if process.has_ended() || Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // Else it was another who listens there.
        (!process.has_ended()).then_some(Rotel {
            grpc,
            http,
            process,
        })
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where it takes OTLP by gRPC, `host:port`.
    pub fn grpc(&self) -> &str {
        &self.grpc
    }

    /// Where it takes OTLP by HTTP, `host:port`.
    pub fn http(&self) -> &str {
        &self.http
    }
}
