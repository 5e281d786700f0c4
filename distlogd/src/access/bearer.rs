//! The token of a request: `Authorization: Bearer TOKEN` (RFC 6750).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::token::Denied;

/// The token that a request has; `None` without the header.
///
/// # Errors
/// If the header has no token, or stands there twice.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| Denied::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Denied::Malformed)?;
    let token = token.trim();
    let fits = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ');
    if fits && values.next().is_none() {
        return Ok(Some(token));
    }
    Err(Denied::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_where_there_is_one() {
        let read = |values: &[&'static str]| {
            let headers = values.iter().map(|v| (AUTHORIZATION, v.parse().unwrap()));
            let mut map = HeaderMap::new();
            headers.for_each(|(name, value)| _ = map.append(name, value));
            bearer(&map).map(|token| token.map(str::to_owned))
        };
        assert_eq!(read(&[]), Ok(None));
        for good in ["Bearer abc", "bearer  abc", "BEARER abc "] {
            assert_eq!(read(&[good]), Ok(Some("abc".to_owned())), "{good}");
        }
        for bad in ["", "abc", "Basic abc", "Bearer", "Bearer ", "Bearer a b"] {
            assert_eq!(read(&[bad]), Err(Denied::Malformed), "{bad}");
        }
        assert_eq!(read(&["Bearer a", "Bearer b"]), Err(Denied::Malformed));
    }
}
