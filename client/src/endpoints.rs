//! [`Endpoints`]: where the daemons are.

use crate::curve::KeyError;
use crate::link::SocketError;

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// There is no endpoint.
    #[error("no endpoint of distlogd is given")]
    Missing,
    /// Neither `tcp://` nor `ipc://`.
    #[error("`{0}` is no endpoint of distlogd: its scheme is not known here")]
    Scheme(String),
    /// ZeroMQ refuses it, or the system gives no socket.
    #[error("`{endpoint}` is no endpoint of distlogd: {source}")]
    Refused {
        /// As it was given.
        endpoint: String,
        /// What ZeroMQ says.
        source: SocketError,
    },
    /// libzmq has no CURVE.
    #[error(transparent)]
    Curve(#[from] KeyError),
}

/// The session endpoints of one daemon or several, `tcp://HOST:PORT` or `ipc://PATH`, in order of preference.
///
/// ```
/// use distlog_client::Endpoints;
///
/// let one = Endpoints::from("tcp://127.0.0.1:5011");
/// let several = Endpoints::from(["tcp://a:5011", "tcp://b:5011"]);
/// assert_eq!(one.iter().count() + several.iter().count(), 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints(Vec<String>);

impl Endpoints {
    /// Each, the preferred one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that there is one, and that all have a known scheme.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> Result<(), EndpointError> {
        if self.is_empty() {
            return Err(EndpointError::Missing);
        }
        let is_known = |endpoint: &&String| {
            let schemes = ["tcp://", "ipc://"];
            schemes.iter().any(|scheme| endpoint.starts_with(scheme))
        };
        match self.0.iter().find(|endpoint| !is_known(endpoint)) {
            Some(endpoint) => Err(EndpointError::Scheme(endpoint.clone())),
            None => Ok(()),
        }
    }

    /// The one with the number, counted from 0.
    pub(crate) fn get(&self, number: usize) -> &str {
        self.0.get(number).map_or("", String::as_str)
    }
}

impl From<&str> for Endpoints {
    fn from(address: &str) -> Endpoints {
        Endpoints(vec![address.into()])
    }
}

impl From<String> for Endpoints {
    fn from(address: String) -> Endpoints {
        Endpoints(vec![address])
    }
}

impl From<&String> for Endpoints {
    fn from(address: &String) -> Endpoints {
        Endpoints(vec![address.clone()])
    }
}

impl<T: Into<String>> From<Vec<T>> for Endpoints {
    fn from(addresses: Vec<T>) -> Endpoints {
        Endpoints(addresses.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Endpoints {
    fn from(addresses: [T; N]) -> Endpoints {
        Endpoints(addresses.into_iter().map(Into::into).collect())
    }
}

impl<T: Clone + Into<String>> From<&[T]> for Endpoints {
    fn from(addresses: &[T]) -> Endpoints {
        Endpoints(addresses.iter().cloned().map(Into::into).collect())
    }
}
