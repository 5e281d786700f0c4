//! Who may do what, beyond loopback.
//!
//! Tokens: `rights.rs` has what one may, `token.rs` the token itself and how it is known again by its hash,
//! `tokens_file.rs` the file that lists them, `tokens.rs` that file while the daemon runs: it is read anew when it
//! changes. `bearer.rs` reads the header of a request. `session_cookie.rs` has what a browser gets instead of a token,
//! `attempts.rs` how often somebody may try.
//!
//! Keys, for the ZeroMQ receivers: `curve/`.

mod attempts;
mod bearer;
pub(crate) mod curve;
mod rights;
mod session_cookie;
mod token;
mod tokens;
mod tokens_file;

pub(crate) use attempts::Attempts;
pub(crate) use bearer::bearer;
pub(crate) use rights::{Needs, Right, Services};
pub(crate) use session_cookie::{OpenSession, SESSION_TIME, Sessions};
#[cfg(test)]
pub(crate) use token::Hash;
pub(crate) use token::{Denied, Secret, Token, rfc3339};
pub(crate) use tokens::{TokenFiles, Tokens, TokensError};
pub(crate) use tokens_file::{AppendError, Entry, append, is_name, parse};
