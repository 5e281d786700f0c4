//! What an error of the database means for the records.

use tokio_postgres::error::DbError;

use crate::processor::Error;
use crate::processors::causes::with_causes;
use crate::tls_error::{of_tls, outside};

/// More than this of what the server says is not repeated, in characters.
const MAX_REASON: usize = 300;

/// What became of the records when `doing` failed at `destination`.
pub(super) fn judged(destination: &str, doing: &str, error: &tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(said) => {
            let reason = format!("{destination}: {doing} fails: {}", words(said));
            if speaks_of_records(said.code().code()) {
                Error::Refused { reason }
            } else {
                Error::retry(reason)
            }
        }
        None => Error::retry(format_args!(
            "{destination}: {doing} fails: {}",
            causes(error)
        )),
    }
}

/// Whether the server refuses what is in the records, by the class of its SQLSTATE. All else is a matter of the server,
/// the schema or the rights, and works again some day:
/// [Appendix A](https://www.postgresql.org/docs/current/errcodes-appendix.html).
fn speaks_of_records(code: &str) -> bool {
    match code.get(..2) {
        // Data exception, integrity constraint violation.
        Some("22" | "23") => true,
        // Program limit exceeded: a value is too long for an index, a row too large for a page.
        Some("54") => true,
        _ => false,
    }
}

/// What the server says, in one line. Its details are left out: they quote rows.
fn words(said: &DbError) -> String {
    let hint = said.hint().map(|hint| format!(" ({hint})"));
    let text = format!(
        "{}{} [{}]",
        said.message(),
        hint.unwrap_or_default(),
        said.code().code()
    );
    one_line(&text)
}

/// The error and what is behind it.
fn causes(error: &tokio_postgres::Error) -> String {
    if let Some(rustls::Error::InvalidCertificate(why)) = of_tls(error) {
        return certificate(why);
    }
    one_line(&with_causes(error))
}

/// What is wrong with the server's certificate.
fn certificate(why: &rustls::CertificateError) -> String {
    use rustls::CertificateError::{
        BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    match why {
        // A bad signature is that of another authority of the same name.
        UnknownIssuer | BadSignature => {
            "no authority of `tls: { ca: … }`, or of the system, has signed its certificate"
                .to_owned()
        }
        NotValidForName | NotValidForNameContext { .. } => {
            "its certificate is for another name than the host of the URL".to_owned()
        }
        other => match outside(other) {
            Some(outside) => format!("its certificate {outside}"),
            None => other.to_string(),
        },
    }
}

fn one_line(text: &str) -> String {
    let shown = text.chars().take(MAX_REASON);
    shown
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_records_refuses_them() {
        // Invalid text, a number out of range, null, a value too long for an index.
        for code in ["22021", "22P05", "22003", "23502", "54000"] {
            assert!(speaks_of_records(code), "{code}");
        }
        // Gone, shutting down, full, deadlock, lock, read-only, no such table, no right, password, cancelled.
        for code in [
            "08006", "57P01", "53100", "40P01", "55P03", "25006", "42P01", "42501", "28P01",
            "57014", "XX000", "",
        ] {
            assert!(!speaks_of_records(code), "{code}");
        }
    }
}
