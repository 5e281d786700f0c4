//! Binds ZeroMQ sockets.

use super::{TRIES, has_ipv6, localhost};

/// Binds a socket that `set` has set up. `*` or 0 as port takes a free one; gives what clients connect to.
///
/// # Errors
/// Why it is not possible.
pub(crate) fn bind(
    context: &zmq::Context,
    kind: zmq::SocketType,
    endpoint: &str,
    set: impl Fn(&zmq::Socket) -> Result<(), zmq::Error>,
) -> Result<(zmq::Socket, String), String> {
    let open = |endpoint: &str| {
        let socket = context.socket(kind)?;
        // ZMTP before 3.0 is refused with it, and nothing else changes as long as nobody answers for the domain. Of 1.0
        // any bytes are frames, those of a POST of a web page too.
        socket.set_zap_domain("distlog")?;
        set(&socket)?;
        let bound = add(&socket, endpoint)?;
        Ok((socket, bound))
    };
    match endpoint.strip_prefix("tcp://").and_then(localhost) {
        Some(port) => loopback(port, has_ipv6(), open),
        None => open(endpoint),
    }
    .map_err(|error| match error {
        zmq::Error::EADDRINUSE => "another program listens there already".to_owned(),
        zmq::Error::EACCES => "not permitted".to_owned(),
        zmq::Error::ENODEV => "this machine has no such address".to_owned(),
        other => zmq::Error::to_string(&other),
    })
}

fn loopback(
    port: &str,
    ipv6: bool,
    open: impl Fn(&str) -> Result<(zmq::Socket, String), zmq::Error>,
) -> Result<(zmq::Socket, String), zmq::Error> {
    let any = matches!(port, "0" | "*");
    let mut tries = TRIES;
    loop {
        let (socket, bound) = open(&format!("tcp://127.0.0.1:{port}"))?;
        if !ipv6 {
            return Ok((socket, bound));
        }
        let port = bound.rsplit(':').next().unwrap_or(port);
        match add(&socket, &format!("tcp://[::1]:{port}")) {
            Ok(_) => return Ok((socket, format!("tcp://localhost:{port}"))),
            Err(zmq::Error::EADDRINUSE) if any && tries > 0 => tries -= 1,
            Err(error) => return Err(error),
        }
    }
}

/// Binds one more endpoint; gives it with its port.
fn add(socket: &zmq::Socket, endpoint: &str) -> Result<String, zmq::Error> {
    // Holds for what is bound from now on. With it 127.0.0.1 would be bound as an address of IPv6.
    socket.set_ipv6(endpoint.starts_with("tcp://["))?;
    socket.bind(endpoint)?;
    let bound = socket.get_last_endpoint()?;
    Ok(bound.unwrap_or_else(|_| endpoint.to_owned()))
}
