//! The network between a daemon and a server: it can be cut.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A TCP proxy. It runs as long as the test's process.
#[derive(Debug)]
pub struct Proxy {
    at: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Leads to a port on this machine.
    ///
    /// # Panics
    /// If the system gives no port.
    pub fn start(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let open = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&open);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    own.lock().unwrap().push(from.try_clone().unwrap());
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        // Whoever ends it, the other side hears of it.
                        let _ = copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Proxy { at, open }
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
