//! What a browser has after somebody signed in: the random id of a session, in a cookie.
//!
//! The sessions are in memory. So signing out ends one for good, no key is to be kept, and whoever reads the daemon's
//! files can sign nothing; after a restart people sign in anew. A session is as good as its token: it ends when that is
//! revoked or too old, and may what that may. A stream that was opened with it ends with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::token::{Denied, Hash, Secret, Token};
use super::tokens::Tokens;

/// How long somebody stays signed in at most.
pub(crate) const SESSION_TIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions at once. One more ends the oldest.
const MAX_SESSIONS: usize = 10_000;
/// Sessions at once of one token. One more ends the oldest of them: who has a token ends no session of another one.
const MAX_SESSIONS_OF_TOKEN: usize = 100;

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

    fn table(&self) -> MutexGuard<'_, HashMap<Hash, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session of somebody who has that token; gives its id.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(crate) fn begin(&self, token: &Token) -> std::io::Result<Secret> {
        let id = Secret::random()?;
        let mut open = self.table();
        let of_token = |session: &Session| session.token == token.hash;
        if open.len() >= MAX_SESSIONS {
            open.retain(|_, session| session.begun.elapsed() < SESSION_TIME);
        }
        if open.values().filter(|session| of_token(session)).count() >= MAX_SESSIONS_OF_TOKEN {
            remove_oldest(&mut open, of_token);
        }
        if open.len() >= MAX_SESSIONS {
            remove_oldest(&mut open, |_| true);
        }
        let session = Session {
            token: token.hash,
            begun: Instant::now(),
        };
        open.insert(id.hash(), session);
        Ok(id)
    }

    /// The session of that id.
    ///
    /// # Errors
    /// If the session is over, or its token does not hold any more.
    pub(crate) fn find(&self, id: &str) -> Result<OpenSession, Denied> {
        let id = Hash::of(id);
        Ok(OpenSession {
            token: self.token(&id)?,
            id,
            sessions: self.clone(),
        })
    }

    fn token(&self, id: &Hash) -> Result<Arc<Token>, Denied> {
        let session = self.table().get(id).copied();
        let session = session.filter(|session| session.begun.elapsed() < SESSION_TIME);
        let session = session.ok_or(Denied::SignedOut)?;
        self.tokens.find(&session.token)
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &str) {
        self.table().remove(&Hash::of(id));
    }
}

fn remove_oldest(open: &mut HashMap<Hash, Session>, of: impl Fn(&Session) -> bool) {
    let some = open.iter().filter(|(_, session)| of(session));
    let oldest = some.min_by_key(|(_, session)| session.begun);
    if let Some(oldest) = oldest.map(|(id, _)| *id) {
        open.remove(&oldest);
    }
}

/// A session that was open when a request came.
#[derive(Debug, Clone)]
pub(crate) struct OpenSession {
    /// What its token said then.
    pub(crate) token: Arc<Token>,
    id: Hash,
    sessions: Sessions,
}

impl OpenSession {
    /// Whether nobody has signed out since, it is not too old, and its token still is what it was.
    pub(crate) fn holds(&self) -> bool {
        self.sessions
            .token(&self.id)
            .is_ok_and(|now| *now == *self.token)
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
        let denied = |id: &str| sessions.find(id).map(|_| ()).unwrap_err();
        let (of_one, of_other) = (
            sessions.find(one.text()).unwrap(),
            sessions.find(other.text()).unwrap(),
        );
        assert_eq!(of_one.token.name, "me");
        assert_eq!(denied("a"), Denied::SignedOut, "a token is no session");
        assert!(of_one.holds());
        sessions.end(one.text());
        assert_eq!(denied(one.text()), Denied::SignedOut);
        assert!(!of_one.holds() && of_other.holds());
        std::fs::write(&path, line("b")).unwrap();
        let begun = Instant::now();
        while of_other.holds() {
            assert!(begun.elapsed() < Duration::from_secs(60));
        }
        assert_eq!(denied(other.text()), Denied::Unknown);
    }

    #[test]
    fn of_too_many_sessions_the_oldest_ends_first_that_of_the_same_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let names = (0..MAX_SESSIONS / MAX_SESSIONS_OF_TOKEN + 1).map(|n| format!("t{n}"));
        let lines = names.map(|name| {
            let hash = Hash::of(&name);
            format!("- {{ name: {name}, hash: '{hash}', may: [read] }}\n")
        });
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        let sessions = Sessions::new(tokens.clone());
        let begin = |token: &str| {
            let token = tokens.check(token, Needs::Read).unwrap();
            sessions.begin(&token).unwrap()
        };
        let other = begin("t1");
        let first = begin("t0");
        let later: Vec<_> = (1..MAX_SESSIONS_OF_TOKEN).map(|_| begin("t0")).collect();
        assert!(sessions.find(first.text()).is_ok());
        begin("t0");
        assert!(sessions.find(first.text()).is_err());
        assert!(later.iter().all(|id| sessions.find(id.text()).is_ok()));
        assert!(sessions.find(other.text()).is_ok());
        for n in 1..=MAX_SESSIONS / MAX_SESSIONS_OF_TOKEN {
            (0..MAX_SESSIONS_OF_TOKEN).for_each(|_| _ = begin(&format!("t{n}")));
        }
        assert_eq!(sessions.table().len(), MAX_SESSIONS);
        assert!(later.iter().all(|id| sessions.find(id.text()).is_err()));
    }
}
