//! A real server of OpenTelemetry.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::{Process, eventually};

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
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        // It does not say which port it took.
        let (grpc, http) = (free(), free());
        let process = Process::start(
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
        for address in [&grpc, &http] {
            eventually("rotel", || TcpStream::connect(address));
        }
        Rotel {
            grpc,
            http,
            process,
        }
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
