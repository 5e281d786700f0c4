//! What the modules of this program share.

pub mod http;
pub mod in_process;
pub mod otlp;
pub mod session_client;
pub mod spool;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Hundreds of clients need more files than some systems allow at first, and the tests beside need some too.
pub fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Connects to a push receiver, as the Python package does.
pub fn push_socket(address: &str) -> zmq::Socket {
    let socket = zmq::Context::new().socket(zmq::PUSH).unwrap();
    socket.set_linger(0).unwrap();
    socket.connect(address).unwrap();
    socket
}
