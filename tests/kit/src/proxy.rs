//! The network between a daemon and a server: it can be cut, and tapped.

use std::io::{self, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A TCP proxy. It runs as long as the test's process.
#[derive(Debug)]
pub struct Proxy {
    at: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
    passed: Option<Passed>,
}

/// What went by.
type Passed = Arc<Mutex<Vec<u8>>>;

/// Writes to both.
struct Tap {
    to: TcpStream,
    passed: Option<Passed>,
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        if let Some(passed) = &self.passed {
            passed.lock().unwrap().extend_from_slice(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Proxy {
    /// Leads to a port on this machine.
    ///
    /// # Panics
    /// If the system gives no port.
    pub fn start(port: u16) -> Proxy {
        Proxy::new(port, None)
    }

    /// The same, and keeps all that goes by, in both directions.
    ///
    /// # Panics
    /// If the system gives no port.
    pub fn tapped(port: u16) -> Proxy {
        Proxy::new(port, Some(Arc::default()))
    }

    fn new(port: u16, passed: Option<Passed>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let open = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&open);
        let tapped = passed.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    own.lock().unwrap().push(from.try_clone().unwrap());
                    let (mut from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let passed = tapped.clone();
                    std::thread::spawn(move || {
                        // Whoever ends it, the other side hears of it.
                        let mut tap = Tap { to, passed };
                        let _ = copy(&mut from, &mut tap);
                        let _ = tap.to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Proxy { at, open, passed }
    }

    /// All that went by so far, of a tapped one.
    ///
    /// # Panics
    /// If one of its threads did.
    pub fn passed(&self) -> Vec<u8> {
        let passed = self.passed.as_ref();
        passed.map_or_else(Vec::new, |passed| passed.lock().unwrap().clone())
    }

    /// `host:port` of it.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Cuts all connections, in the middle of whatever is said; says how many there were.
    ///
    /// # Panics
    /// If one of its threads did.
    pub fn cut(&self) -> usize {
        let streams: Vec<TcpStream> = self.open.lock().unwrap().drain(..).collect();
        for stream in &streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        streams.len() / 2
    }
}
