//! Binds TCP listeners, and closes connections so that the client can read the last answer.

use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{TRIES, has_ipv6, localhost};

/// Where a TCP receiver listens: one address, or both loopback addresses with one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listening {
    first: SocketAddr,
    second: Option<SocketAddr>,
}

impl Listening {
    /// The first address; the other one, if there is one, has the same port.
    #[cfg(test)]
    fn first(self) -> SocketAddr {
        self.first
    }
}

impl fmt::Display for Listening {
    /// `HOST:PORT` for clients; `localhost` where both loopback addresses are listened on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.second {
            Some(_) => write!(f, "localhost:{}", self.first.port()),
            None => self.first.fmt(f),
        }
    }
}

/// Binds `HOST:PORT`; port 0 takes a free one, the same for all listeners.
///
/// # Errors
/// If the address is in use, not permitted, or none.
pub(super) async fn bind(address: &str) -> Result<(Vec<TcpListener>, Listening)> {
    let Some(port) = localhost(address) else {
        let listener = TcpListener::bind(address).await.map_err(readable)?;
        let first = listener.local_addr()?;
        let second = None;
        return Ok((vec![listener], Listening { first, second }));
    };
    let port = port
        .parse()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "is no port"))?;
    loopback(port, has_ipv6()).await.map_err(readable)
}

async fn loopback(port: u16, ipv6: bool) -> Result<(Vec<TcpListener>, Listening)> {
    let mut tries = TRIES;
    loop {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let first = v4.local_addr()?;
        if !ipv6 {
            let second = None;
            return Ok((vec![v4], Listening { first, second }));
        }
        match TcpListener::bind((Ipv6Addr::LOCALHOST, first.port())).await {
            Ok(v6) => {
                let second = Some(v6.local_addr()?);
                return Ok((vec![v4, v6], Listening { first, second }));
            }
            Err(error) if port == 0 && error.kind() == ErrorKind::AddrInUse && tries > 0 => {
                tries -= 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn readable(error: Error) -> Error {
    match error.kind() {
        ErrorKind::AddrInUse => Error::new(error.kind(), "another program listens there already"),
        ErrorKind::PermissionDenied => Error::new(error.kind(), "not permitted"),
        _ => error,
    }
}

/// Writes and closes. What still comes is read: else the connection is reset, and the client may not see the answer.
pub(super) async fn say_and_close<IO: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut IO,
    answer: &[u8],
) -> Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_without_ipv6_is_one_address() {
        let (listeners, listening) = loopback(0, false).await.unwrap();
        assert_eq!(listeners.len(), 1);
        assert_eq!(listening.to_string(), listening.first().to_string());
        assert!(listening.first().is_ipv4());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_for_one_address_is_taken() {
        if !has_ipv6() {
            return;
        }
        let taken = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(&format!("localhost:{port}")).await.unwrap_err();
        assert!(
            error.to_string().contains("another program listens"),
            "{error}"
        );
    }
}
