//! The address of a receiver.

use std::fmt;
use std::str::FromStr;

use http::uri::{InvalidUri, Uri};
use serde::{Deserialize, Deserializer};

use crate::values;

/// `http://host:port/path?query` or `https://…`. Shown without its query, which may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(Uri);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let uri: Uri = text
            .parse()
            .map_err(|error: InvalidUri| error.to_string())?;
        match (uri.scheme_str(), uri.authority()) {
            // It would be shown in each message.
            (_, Some(authority)) if authority.as_str().contains('@') => {
                Err("user and password belong into the header `authorization`".into())
            }
            (Some("http" | "https"), Some(_)) => Ok(Url(uri)),
            _ => Err("it does not begin with http:// or https://".into()),
        }
    }
}

impl Url {
    /// Whether it is by TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// With `path` after its own, and `parameter` (`name=value`) unless it has one of that name.
    ///
    /// # Errors
    /// If that is too long for an address.
    pub(crate) fn with(&self, path: &str, parameter: Option<&str>) -> Result<Uri, String> {
        let mut text = format!("{self}");
        let trimmed = text.trim_end_matches('/').len();
        text.truncate(if path.is_empty() { text.len() } else { trimmed });
        text.push_str(path);
        let own = self.0.query().filter(|query| !query.is_empty());
        let is_there = |parameter: &&str| {
            let name = parameter.split('=').next().unwrap_or_default();
            let mut names = own.into_iter().flat_map(|query| query.split('&'));
            names.any(|pair| pair.split('=').next() == Some(name))
        };
        let more = parameter.filter(|parameter| !is_there(parameter));
        for (pair, mark) in own.into_iter().chain(more).zip(['?', '&']) {
            text.push(mark);
            text.push_str(pair);
        }
        text.parse().map_err(|error: InvalidUri| error.to_string())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self
            .0
            .authority()
            .map_or("", |authority| authority.as_str());
        write!(f, "{scheme}://{authority}{}", self.0.path())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        values::scalar(
            deserializer,
            "an address like https://logs.example/ingest, without a user and password (the header `authorization` has those)",
            |text| text.parse().ok(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn paths_and_parameters_are_added() {
        let with = |text, path, parameter| url(text).with(path, parameter).unwrap().to_string();
        assert_eq!(with("http://h:1", "", None), "http://h:1/");
        assert_eq!(with("http://h/in/", "", None), "http://h/in/");
        assert_eq!(with("http://h:1", "/_bulk", None), "http://h:1/_bulk");
        assert_eq!(
            with("https://h/es/?k=1", "/_bulk", Some("f=a")),
            "https://h/es/_bulk?k=1&f=a"
        );
        assert_eq!(
            with("http://h/es?f=b", "/_bulk", Some("f=a")),
            "http://h/es/_bulk?f=b"
        );
        assert_eq!(
            with("http://h", "/_bulk", Some("f=a")),
            "http://h/_bulk?f=a"
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        assert_eq!(url("https://h/in?token=abc").to_string(), "https://h/in");
        assert_eq!(
            format!("{:?}", url("https://h/in?token=abc")),
            "https://h/in"
        );
        for bad in ["https://leo:pw@h/", "ftp://h", "h:1", "", "/in"] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
