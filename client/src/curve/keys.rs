//! Keys, and the files that they are in.
//!
//! The files are CZMQ's certificates, which pyzmq reads and writes, too:
//!
//! ```text
//! curve
//!     public-key = "…"
//!     secret-key = "…"
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::z85;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file cannot be read.
    #[error("cannot read the keys in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file has no such key.
    #[error(
        "{} has no `{key} = \"…\"` with the 40 characters of a key: `distlogd keys new NAME` writes such files",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// `public-key` or `secret-key`.
        key: &'static str,
    },
    /// A text is no key.
    #[error("a key has 40 characters of Z85; this text is none")]
    Text,
    /// One of two variables is set.
    #[error(
        "{set} is set and {missing} is not: both name files, the daemon's public key and the program's own keys"
    )]
    Variable {
        /// The variable that is missing.
        missing: &'static str,
        /// The one that is set.
        set: &'static str,
    },
    /// libzmq cannot encrypt.
    #[error(
        "this program's libzmq was built without CURVE: put the zmq-sys of distlog's repository in its place \
         (`[patch.crates-io] zmq-sys = {{ path = \"distlog/zmq-sys\" }}` in the program's Cargo.toml), or link the \
         system's libzmq (`[target.x86_64-unknown-linux-gnu.zmq] rustc-link-lib = [\"zmq\"]` in .cargo/config.toml, \
         Debian's libzmq3-dev has CURVE)"
    )]
    NoCurve,
}

/// The public half of a pair of keys; its text is Z85.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The public key of a file, which may have a secret one as well.
    ///
    /// # Errors
    /// If the file cannot be read, or has none.
    pub fn read(path: &Path) -> Result<PublicKey, KeyError> {
        key(path, &text(path)?, "public-key").map(PublicKey)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A file with it, which everybody may read.
    pub fn to_file(&self, name: &str) -> String {
        format!(
            "# The public key of {name}.\nmetadata\n    name = \"{name}\"\ncurve\n    public-key = \"{self}\"\n"
        )
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        z85::decode(text).map(PublicKey).ok_or(KeyError::Text)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&z85::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A public key and its secret one. The secret is not printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    public: PublicKey,
    secret: [u8; 32],
}

impl KeyPair {
    /// A new pair.
    ///
    /// # Errors
    /// If libzmq has no CURVE.
    pub fn generate() -> Result<KeyPair, KeyError> {
        let pair = zmq::CurveKeyPair::new().map_err(|_| KeyError::NoCurve)?;
        Ok(KeyPair {
            public: PublicKey(pair.public_key),
            secret: pair.secret_key,
        })
    }

    /// The pair with these keys, in Z85.
    ///
    /// # Errors
    /// If one is no key. Whether they belong together shows when they are used.
    pub fn new(public: &str, secret: &str) -> Result<KeyPair, KeyError> {
        Ok(KeyPair {
            public: public.parse()?,
            secret: z85::decode(secret).ok_or(KeyError::Text)?,
        })
    }

    /// The pair of a file.
    ///
    /// # Errors
    /// If the file cannot be read, or does not have both keys.
    pub fn read(path: &Path) -> Result<KeyPair, KeyError> {
        let text = text(path)?;
        Ok(KeyPair {
            public: PublicKey(key(path, &text, "public-key")?),
            secret: key(path, &text, "secret-key")?,
        })
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The bytes of the secret key.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// A file with both, which nobody else may read.
    pub fn to_secret_file(&self, name: &str) -> String {
        let public = self.public.to_file(name);
        let public = public.trim_start_matches(|c| c != '\n');
        let secret = z85::encode(&self.secret);
        format!("# The keys of {name}: for its owner alone.{public}    secret-key = \"{secret}\"\n")
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

fn text(path: &Path) -> Result<String, KeyError> {
    std::fs::read_to_string(path).map_err(|source| KeyError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The key of that name in the text of a file.
fn key(path: &Path, text: &str, name: &'static str) -> Result<[u8; 32], KeyError> {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches(['"', '\'']))
    });
    value
        .and_then(z85::decode)
        .ok_or_else(|| KeyError::Missing {
            path: path.to_owned(),
            key: name,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    #[test]
    fn files_have_what_they_say_and_debug_has_no_secret() {
        let pair = KeyPair::new(PUBLIC, SECRET).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write(&pair.to_secret_file("shop"));
        assert_eq!(KeyPair::read(file.path()).unwrap(), pair);
        assert_eq!(PublicKey::read(file.path()).unwrap(), pair.public());
        write(&pair.public().to_file("shop"));
        assert_eq!(PublicKey::read(file.path()).unwrap().to_string(), PUBLIC);
        let error = KeyPair::read(file.path()).unwrap_err().to_string();
        assert!(error.contains("`secret-key = "), "{error}");
        let debug = format!("{pair:?}");
        assert!(debug.contains(PUBLIC) && !debug.contains(SECRET), "{debug}");
        assert!(!debug.contains(&format!("{:?}", pair.secret)), "{debug}");
    }

    #[test]
    fn a_file_without_keys_says_how_to_make_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "curve\n  public-key = \"short\"\n").unwrap();
        let error = PublicKey::read(file.path()).unwrap_err().to_string();
        assert!(error.contains("distlogd keys new"), "{error}");
        let error = PublicKey::read(Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
    }
}
