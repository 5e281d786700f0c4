//! The file of tokens: a list in YAML, with hashes instead of the tokens themselves.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use chrono::DateTime;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Deserializer};

use super::rights::{Right, Services};
use super::token::{Hash, Token, rfc3339};
use crate::values;
use crate::yaml::{Faults, read_list};

/// Longest name of a token, in bytes.
const MAX_NAME: usize = 64;
/// Time for others who add a token.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Stands at the head of a new file.
const HEAD: &str = "\
# Who may send to distlogd and ask it: `distlogd token new NAME --may ingest,read` adds a line. Of a token only its hash
# is here. Without its line a token does not hold any more; distlogd sees that within a second.
";

/// A token as the file has it.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a token like { name: NAME, hash: 'sha256:HEX', may: [ingest, read] }"
)]
pub(crate) struct Entry {
    #[serde(deserialize_with = "name")]
    pub(crate) name: String,
    #[serde(deserialize_with = "hash")]
    pub(crate) hash: Hash,
    pub(crate) may: Vec<Right>,
    #[serde(default, deserialize_with = "services")]
    pub(crate) services: Option<Vec<String>>,
    #[serde(default, deserialize_with = "expires")]
    pub(crate) expires: Option<SystemTime>,
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let expected = "a name of up to 64 of a–z, A–Z, 0–9, -, _, @ and .";
    values::scalar(deserializer, expected, |text| {
        is_name(text).then(|| text.to_owned())
    })
}

/// Whether a token may be called so.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '@' | '.');
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(plain)
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
    let expected = "`sha256:` and 64 hexadecimal digits, as `distlogd token new` writes them";
    values::scalar(deserializer, expected, Hash::parse)
}

/// A key without a value is a list without a name, and no key that is left out: that would be a token for all services.
fn services<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

fn expires<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let expected = "a time like 2027-01-31T00:00:00Z";
    values::scalar(deserializer, expected, |text| {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        let seconds = u64::try_from(time.timestamp()).ok()?;
        Some(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    })
}

/// Reads the text of a file; `file` is its name in faults.
///
/// # Errors
/// All faults of the file.
pub(crate) fn parse(text: &str, file: &str) -> Result<Vec<Token>, Faults> {
    let entries: Vec<Entry> = read_list(text, (file, "tokens"), check)?;
    let token = |entry: Entry| Token {
        name: entry.name,
        hash: entry.hash,
        may: entry.may,
        services: entry.services.map(Services::new),
        expires: entry.expires,
    };
    Ok(entries.into_iter().map(token).collect())
}

/// What no type can check; `before` stand before it.
pub(crate) fn check(before: &[Entry], entry: &Entry) -> Result<(), String> {
    let name = &entry.name;
    if before.iter().any(|other| other.name == *name) {
        return Err(format!("the token `{name}` stands twice"));
    }
    if let Some(other) = before.iter().find(|other| other.hash == entry.hash) {
        let other = &other.name;
        return Err(format!("`{name}` and `{other}` are the same token"));
    }
    if entry.may.is_empty() {
        return Err(format!(
            "the token `{name}` may do nothing: expected ingest, read or admin in `may`"
        ));
    }
    if let Some(services) = &entry.services {
        if services.iter().all(String::is_empty) {
            return Err(format!(
                "the token `{name}` reads no service: name some in `services`, or leave it out for all of them"
            ));
        }
        if !entry.may.contains(&Right::Read) {
            return Err(format!(
                "`services` says what the token `{name}` may read, and it may not read: add `read` to `may`"
            ));
        }
        if entry.may.contains(&Right::Admin) {
            return Err(format!(
                "the token `{name}` cannot be limited to services: `admin` deletes records of all of them"
            ));
        }
    }
    Ok(())
}

/// Adds a token to a file, which is made if it is not there and replaced as a whole: nobody reads half of it. Processes
/// that add tokens at once do so one after the other.
///
/// # Errors
/// If the file cannot be read, has faults, has a token of that name, or cannot be written.
pub(crate) fn append(path: &Path, entry: &Entry) -> Result<(), AppendError> {
    let shown = path.display().to_string();
    // A link stays one.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let cannot = |what| {
        let path = shown.clone();
        move |error| AppendError::File { what, path, error }
    };
    let _alone = lock_folder(path).map_err(cannot("lock the folder of"))?;
    let old = match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => HEAD.to_owned(),
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
        Err(error) => return Err(cannot("read")(error)),
    };
    let known: Vec<Entry> = read_list(&old, (&shown, "tokens"), check)?;
    check(&known, entry).map_err(|why| AppendError::Entry {
        why,
        path: shown.clone(),
    })?;
    let mut new = old;
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(&line(entry));
    // `[]` and the like take no further line.
    parse(&new, &shown).map_err(|_| AppendError::Shape {
        path: shown.clone(),
        line: line(entry),
    })?;
    let aside = path.with_extension("yaml.tmp");
    replace(path, &aside, &new).map_err(cannot("write"))
}

/// Keeps others from adding a token until the result is dropped. The folder is locked: the file itself is replaced, and
/// a file for the lock would stay.
///
/// # Errors
/// If there is no such folder, or others have it locked for [`LOCK_TIMEOUT`].
fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = File::open(folder.unwrap_or(Path::new(".")))?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(folder),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(Errno::WOULDBLOCK) => {
                let why = format!("another process has it locked for {LOCK_TIMEOUT:?}");
                return Err(io::Error::other(why));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn replace(path: &Path, aside: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    let mut file = std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600)
        .write(true)
        .create_new(true)
        .open(aside)?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(0o600))?;
    if let Ok(old) = fs::metadata(path) {
        // Root adds a token: the daemon's user is still the owner.
        use std::os::unix::fs::MetadataExt as _;
        let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(aside, path)
}

/// A token as a line of the file.
fn line(entry: &Entry) -> String {
    let may: Vec<&str> = entry.may.iter().map(|right| right.name()).collect();
    let mut line = format!(
        "- {{ name: '{}', hash: '{}', may: [{}]",
        entry.name,
        entry.hash,
        may.join(", ")
    );
    if let Some(services) = &entry.services {
        // A text of JSON is one of YAML, too.
        let names = services
            .iter()
            .map(|name| serde_json::json!(name).to_string());
        let names: Vec<String> = names.collect();
        line.push_str(&format!(", services: [{}]", names.join(", ")));
    }
    if let Some(end) = entry.expires {
        line.push_str(&format!(", expires: {}", rfc3339(end)));
    }
    line.push_str(" }\n");
    line
}

/// A token was not added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("cannot {what} {path}: {error}")]
    File {
        what: &'static str,
        path: String,
        error: io::Error,
    },
    #[error("{0}")]
    Faults(#[from] Faults),
    #[error("{why}, in {path}: take another name, or remove its line first")]
    Entry { why: String, path: String },
    #[error("{path} is written in a way that takes no further line; add this to its list:\n{line}")]
    Shape { path: String, line: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    fn faults(text: &str) -> Vec<(usize, usize, String)> {
        let faults = parse(text, "tokens.yaml")
            .expect_err(text)
            .faults
            .into_iter();
        faults
            .map(|fault| (fault.line, fault.column, fault.message))
            .collect()
    }

    #[test]
    fn all_faults_are_told_where_they_are() {
        let text = format!(
            "- {{ name: a, hash: '{ZEROS}', may: [ingest] }}\n\
             - {{ name: 'a b', hash: md5, may: [write], expires: soon, colour: red }}\n\
             - {{ name: a, hash: 'sha256:{}', may: [] }}\n\
             - just text\n",
            "1".repeat(64)
        );
        let found = faults(&text);
        let has = |line, part: &str| {
            assert!(
                found
                    .iter()
                    .any(|(l, _, why)| *l == line && why.contains(part)),
                "{part}: {found:#?}"
            );
        };
        has(2, "expected a name of up to 64");
        has(2, "expected `sha256:` and 64 hexadecimal digits");
        has(2, "unknown value `write`");
        has(2, "expected a time like 2027-01-31T00:00:00Z");
        has(2, "unknown key `colour`");
        has(3, "the token `a` stands twice");
        has(4, "expected a token like { name: NAME");
        assert_eq!(
            faults("a: b")[0].2,
            "found a map, expected a list of tokens; `[]` has none"
        );
    }

    #[test]
    fn services_limit_what_is_read_and_nothing_else() {
        let with =
            |may: &str| format!("- {{ name: a, hash: '{ZEROS}', may: [{may}], services: [shop] }}");
        assert!(parse(&with("read"), "x").is_ok() && parse(&with("ingest, read"), "x").is_ok());
        assert!(faults(&with("ingest"))[0].2.contains("may not read"));
        assert!(
            faults(&with("read, admin"))[0]
                .2
                .contains("cannot be limited")
        );
        // Not a token for all of them.
        for none in ["[]", "", "['']", "null"] {
            let text = format!("- {{ name: a, hash: '{ZEROS}', may: [read], services: {none} }}");
            assert!(faults(&text)[0].2.contains("reads no service"), "{none}");
        }
    }

    #[test]
    fn what_is_added_is_read_again_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.yaml");
        let entry = |name: &str, fill: &str| Entry {
            name: name.into(),
            hash: Hash::of(fill),
            may: vec![Right::Ingest, Right::Read],
            services: Some(vec!["shop".into(), "web: 'x' \"y\"".into()]),
            expires: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)),
        };
        append(&path, &entry("one", "1")).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("# mine");
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        append(&path, &entry("two", "2")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("# mine\n- { name: 'two'"), "{text}");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let tokens = parse(&text, "x").unwrap();
        assert_eq!(tokens.len(), 2);
        assert_eq!(
            tokens[1].services.as_ref().unwrap().names()[1],
            "web: 'x' \"y\""
        );
        assert_eq!(tokens[1].hash, Hash::of("2"));
        let again = append(&path, &entry("one", "3")).unwrap_err().to_string();
        assert!(again.contains("the token `one` stands twice"), "{again}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        fs::write(&path, "[]\n").unwrap();
        let shape = append(&path, &entry("one", "3")).unwrap_err().to_string();
        assert!(shape.contains("add this to its list"), "{shape}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
