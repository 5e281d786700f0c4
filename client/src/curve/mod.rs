//! Keys for encrypted connections: a client and a daemon know each other by ZeroMQ's CURVE.
//!
//! [`Curve`] is what a client is given. `keys.rs` has keys and the files that they are in, which `distlogd keys new`
//! writes and pyzmq reads; `z85.rs` writes them as text.

mod keys;
mod z85;

use std::path::Path;

pub use keys::{KeyError, KeyPair, PublicKey};

/// Names the file with the daemon's public key.
const SERVER: &str = "DISTLOG_CURVE_SERVER";
/// Names the file with the program's own keys.
const KEY: &str = "DISTLOG_CURVE_KEY";

/// Keys by which a program and its daemon know each other. All that goes between them is encrypted.
///
/// `distlogd keys new NAME` makes keys; the daemon knows those of its clients by their public halves. Daemons that
/// stand in for each other share one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    /// The public key of the daemon.
    pub server: PublicKey,
    /// The program's own keys.
    pub keys: KeyPair,
}

impl Curve {
    /// Reads the daemon's public key (`distlogd.pub`) and the program's own keys (`NAME.key`).
    ///
    /// # Errors
    /// If a file cannot be read, or has no such key.
    pub fn from_files(server: impl AsRef<Path>, keys: impl AsRef<Path>) -> Result<Curve, KeyError> {
        Ok(Curve {
            server: PublicKey::read(server.as_ref())?,
            keys: KeyPair::read(keys.as_ref())?,
        })
    }

    /// Reads the files that the variables `DISTLOG_CURVE_SERVER` and `DISTLOG_CURVE_KEY` name; `None` if neither is
    /// set.
    ///
    /// # Errors
    /// As [`Curve::from_files`]; also if only one is set.
    pub fn from_env() -> Result<Option<Curve>, KeyError> {
        let variable = |name| std::env::var_os(name).filter(|path| !path.is_empty());
        let missing = |missing, set| Err(KeyError::Variable { missing, set });
        match (variable(SERVER), variable(KEY)) {
            (Some(server), Some(keys)) => Curve::from_files(server, keys).map(Some),
            (None, None) => Ok(None),
            (None, Some(_)) => missing(SERVER, KEY),
            (Some(_), None) => missing(KEY, SERVER),
        }
    }

    /// Checks that this program's libzmq has CURVE.
    ///
    /// # Errors
    /// If not; the text says how to get one that has.
    pub fn check_supported() -> Result<(), KeyError> {
        match zmq::has("curve") {
            Some(true) => Ok(()),
            _ => Err(KeyError::NoCurve),
        }
    }
}
