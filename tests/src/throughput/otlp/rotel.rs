//! `rotel`, which takes OTLP and forwards it, and keeps nothing.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::Forwarder;
use crate::measure;

const GET: &str = "no rotel; `pip install rotel` has its program rotel-agent in site-packages/rotel; its path in DISTLOG_TEST_ROTEL";

/// Killed when dropped.
pub struct Rotel {
    child: Child,
    grpc: String,
}

impl Rotel {
    /// Starts it.
    ///
    /// # Errors
    /// How to get it, if it is not there.
    pub fn start(folder: &Path, forward_to: &str) -> Result<Rotel, &'static str> {
        let program = std::env::var_os("DISTLOG_TEST_ROTEL").ok_or(GET)?;
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("its address").to_string()
        };
        let (grpc, http) = (free(), free());
        let child = Command::new(program)
            .args(["start", "--otlp-grpc-endpoint", &grpc])
            .args(["--otlp-http-endpoint", &http])
            .args(["--exporter", "otlp", "--otlp-exporter-protocol", "grpc"])
            .args(["--otlp-exporter-endpoint", forward_to])
            .args(["--otlp-exporter-compression", "none"])
            .arg("--pid-file")
            .arg(folder.join("pid"))
            .arg("--log-file")
            .arg(folder.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| GET)?;
        measure::until("rotel listens", || TcpStream::connect(&grpc).is_ok());
        Ok(Rotel { child, grpc })
    }
}

impl Forwarder for Rotel {
    fn endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    fn process(&mut self) -> u32 {
        self.child.id()
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
