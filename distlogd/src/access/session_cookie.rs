//! What a browser has after somebody signed in: the random id of a session, in a cookie.
//!
//! The sessions are in memory. So signing out ends one for good, no key is to be kept, and whoever reads the daemon's
//! files can sign nothing; after a restart people sign in anew. A session is as good as its token: it ends when that is
//! revoked or too old, and may what that may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::token::{Denied, Hash, Secret, Token};
use super::tokens::Tokens;

/// How long somebody stays signed in at most.
pub(crate) const SESSION_TIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Beyond this the oldest session ends.
const MAX_SESSIONS: usize = 10_000;

/// The sessions of one server. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    tokens: Tokens,
    /// By the hash of their ids, so that the time of a look-up tells nothing about an id.
    open: Arc<Mutex<HashMap<Hash, Session>>>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    token: Hash,
    begun: Instant,
}

impl Sessions {
    pub(crate) fn new(tokens: Tokens) -> Sessions {
        Sessions {
            tokens,
            open: Arc::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Hash, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session of somebody who has that token; gives its id.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(crate) fn begin(&self, token: &Token) -> std::io::Result<Secret> {
        let id = Secret::random()?;
        let mut open = self.open();
        if open.len() >= MAX_SESSIONS {
            open.retain(|_, session| session.begun.elapsed() < SESSION_TIME);
        }
        if open.len() >= MAX_SESSIONS {
            let oldest = open.iter().min_by_key(|(_, session)| session.begun);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                open.remove(&oldest);
            }
        }
        let session = Session {
            token: token.hash,
            begun: Instant::now(),
        };
        open.insert(id.hash(), session);
        Ok(id)
    }

    /// The token of a session.
    ///
    /// # Errors
    /// If the session is over, or its token does not hold any more.
    pub(crate) fn token(&self, id: &str) -> Result<Arc<Token>, Denied> {
        let session = self.open().get(&Hash::of(id)).copied();
        let session = session.filter(|session| session.begun.elapsed() < SESSION_TIME);
        let session = session.ok_or(Denied::SignedOut)?;
        self.tokens.find(&session.token)
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &str) {
        self.open().remove(&Hash::of(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Needs;

    #[test]
    fn a_session_holds_as_long_as_its_token_and_until_it_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let line = |secret| {
            let hash = Hash::of(secret);
            format!("- {{ name: me, hash: '{hash}', may: [read] }}\n")
        };
        std::fs::write(&path, line("a")).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        let sessions = Sessions::new(tokens.clone());
        let token = tokens.check("a", Needs::Read).unwrap();
        let (one, other) = (
            sessions.begin(&token).unwrap(),
            sessions.begin(&token).unwrap(),
        );
        assert_eq!(sessions.token(one.text()).unwrap().name, "me");
        assert_eq!(
            sessions.token("a"),
            Err(Denied::SignedOut),
            "a token is no session"
        );
        sessions.end(one.text());
        assert_eq!(sessions.token(one.text()), Err(Denied::SignedOut));
        assert!(sessions.token(other.text()).is_ok());
        std::fs::write(&path, line("b")).unwrap();
        let begun = Instant::now();
        while sessions.token(other.text()).is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(60));
        }
        assert_eq!(sessions.token(other.text()), Err(Denied::Unknown));
        for _ in 0..MAX_SESSIONS + 10 {
            sessions.begin(&token).unwrap();
        }
        assert_eq!(sessions.open().len(), MAX_SESSIONS);
    }
}
