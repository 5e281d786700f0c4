//! A token: a secret text that is known by its hash, and what it may.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::rights::{Needs, Right, Services};

/// So begins the text of a token, so that scanners for leaked secrets find it.
const PREFIX: &str = "distlog_";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;

/// A secret that only its owner has: a token, or the id of a session.
pub(crate) struct Secret(String);

impl Secret {
    /// A new one, from the system's source of randomness.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(crate) fn random() -> std::io::Result<Secret> {
        let mut bytes = [0; RANDOM_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += rustix::rand::getrandom(
                &mut bytes[filled..],
                rustix::rand::GetRandomFlags::empty(),
            )?;
        }
        Ok(Secret(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> Hash {
        Hash::of(&self.0)
    }
}

/// The SHA-256 of a secret. A secret has 256 random bits: nobody finds it by its hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    pub(crate) fn of(secret: &str) -> Hash {
        Hash(Sha256::digest(secret).into())
    }

    /// Reads `sha256:HEX`.
    pub(super) fn parse(text: &str) -> Option<Hash> {
        let hex = text.strip_prefix("sha256:")?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
        }
        Some(Hash(bytes))
    }

    /// Whether two are the same, in a time that does not tell where they differ.
    pub(super) fn is(&self, other: &Hash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) hash: Hash,
    pub(crate) may: Vec<Right>,
    /// It reads only what these stored; `None`: all.
    pub(crate) services: Option<Services>,
    /// It does not hold from this time on.
    pub(crate) expires: Option<SystemTime>,
}

impl Token {
    /// How long it still holds: `None`: without an end.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = |end: SystemTime| end.duration_since(SystemTime::now()).unwrap_or_default();
        self.expires.map(left)
    }

    /// # Errors
    /// If it is too old.
    pub(super) fn check_age(&self) -> Result<(), Denied> {
        match self.expires {
            Some(end) if self.left() == Some(Duration::ZERO) => Err(Denied::Expired {
                name: self.name.clone(),
                end: rfc3339(end),
            }),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// If it may not do what is needed.
    pub(crate) fn check(&self, needs: Needs) -> Result<(), Denied> {
        let name = self.name.clone();
        if let Some(right) = needs.right().filter(|right| !self.may.contains(right)) {
            return Err(Denied::Lacks { name, right });
        }
        if needs == Needs::ReadAll && self.services.is_some() {
            return Err(Denied::Limited { name });
        }
        Ok(())
    }
}

/// A time as people and files have it.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error(
        "a token is needed: send the header `Authorization: Bearer TOKEN`; `distlogd token new` makes one"
    )]
    Missing,
    #[error("the header `Authorization` has no token: write `Bearer`, a space and the token, once")]
    Malformed,
    #[error("the token is not known here: it was revoked, or it is that of another daemon")]
    Unknown,
    #[error("nobody is signed in any more: sign in again, at /sign-in")]
    SignedOut,
    #[error("the token `{name}` held until {end}: `distlogd token new` makes another one")]
    Expired { name: String, end: String },
    #[error("the token `{name}` may not do this: it lacks the right `{}`", right.name())]
    Lacks { name: String, right: Right },
    #[error("the token `{name}` reads some services only, and this is about all of them")]
    Limited { name: String },
}

impl Denied {
    /// Whether it is not known who asks; else it is, and he may not.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        !matches!(self, Denied::Lacks { .. } | Denied::Limited { .. })
    }

    /// In few words that are always the same: the value of the label `reason`.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Denied::Missing => "no token",
            Denied::Malformed => "malformed token",
            Denied::Unknown => "unknown token",
            Denied::SignedOut => "session over",
            Denied::Expired { .. } => "expired token",
            Denied::Lacks { .. } | Denied::Limited { .. } => "token lacks right",
        }
    }

    /// The header `WWW-Authenticate`, by RFC 6750.
    pub(crate) fn challenge(&self) -> &'static str {
        match self {
            Denied::Missing => "Bearer realm=\"distlogd\"",
            Denied::Malformed => "Bearer realm=\"distlogd\", error=\"invalid_request\"",
            Denied::Unknown | Denied::SignedOut | Denied::Expired { .. } => {
                "Bearer realm=\"distlogd\", error=\"invalid_token\""
            }
            Denied::Lacks { .. } | Denied::Limited { .. } => {
                "Bearer realm=\"distlogd\", error=\"insufficient_scope\""
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_new_each_time_and_known_by_its_hash() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert!(one.text().starts_with("distlog_") && one.text().len() == 8 + 43);
        assert_ne!(one.text(), other.text());
        assert!(one.hash().is(&Hash::of(one.text())) && !one.hash().is(&other.hash()));
        assert_eq!(Hash::parse(&one.hash().to_string()), Some(one.hash()));
        assert_eq!(
            Hash::of("abc").to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        for text in ["", "sha256:", "sha256:zz", &"0".repeat(64), "md5:00"] {
            assert_eq!(Hash::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_token_may_is_what_it_says() {
        let token = |may: &[Right], services: &[&str]| Token {
            name: "t".into(),
            hash: Hash::of("t"),
            may: may.to_vec(),
            services: (!services.is_empty())
                .then(|| Services::new(services.iter().map(|s| (*s).to_owned()).collect())),
            expires: None,
        };
        let may = |token: &Token| {
            [
                Needs::Nothing,
                Needs::Ingest,
                Needs::Read,
                Needs::ReadAll,
                Needs::Admin,
            ]
            .map(|needs| token.check(needs).is_ok())
        };
        let sends = token(&[Right::Ingest], &[]);
        assert_eq!(may(&sends), [true, true, false, false, false]);
        let reads = token(&[Right::Read], &[]);
        assert_eq!(may(&reads), [true, false, true, true, false]);
        let some = token(&[Right::Read], &["shop"]);
        assert_eq!(may(&some), [true, false, true, false, false]);
        let admin = token(&[Right::Admin], &[]);
        assert_eq!(may(&admin), [true, false, false, false, true]);
    }
}
