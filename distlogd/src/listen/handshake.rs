//! The handshake of TLS, and why it fails, in plain words.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::tcp::say_and_close;
use super::tls::Certificates;
use crate::tls_error::{of_tls, outside};

/// Time for it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client that speaks plain HTTP to read the error.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// A handshake failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The client went away during it.
    Gone,
    /// It is refused: the value of the label `reason`, and a sentence.
    Refused(&'static str, String),
}

/// Does the handshake. `wrap` is put around the stream before its first byte of TLS.
///
/// # Errors
/// If there is no TLS.
pub(super) async fn shake_hands<IO: AsyncRead + AsyncWrite + Unpin>(
    mut stream: TcpStream,
    certificates: &Certificates,
    wrap: impl FnOnce(TcpStream) -> IO,
) -> Result<TlsStream<IO>, Failure> {
    let shaking = async {
        let mut first = [0];
        let read = stream.peek(&mut first).await.unwrap_or(0);
        if read == 0 {
            return Err(Failure::Gone);
        }
        // The letter of a method. A message of TLS begins with 22.
        if first[0].is_ascii_uppercase() {
            let answered = answer_in_plain_text(&mut stream);
            let _ = tokio::time::timeout(ANSWER_TIMEOUT, answered).await;
            let why = "it speaks HTTP without TLS: its address is to begin with https://";
            return Err(Failure::Refused("no TLS", why.to_owned()));
        }
        let acceptor = TlsAcceptor::from(certificates.current());
        acceptor
            .accept(wrap(stream))
            .await
            .map_err(|error| failure(&error))
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, shaking).await {
        Ok(shaken) => shaken,
        Err(_) => {
            let seconds = HANDSHAKE_TIMEOUT.as_secs();
            let why = format!("the handshake of TLS was not over after {seconds} s");
            Err(Failure::Refused("handshake too slow", why))
        }
    }
}

async fn answer_in_plain_text(stream: &mut TcpStream) -> io::Result<()> {
    let body = "This port speaks TLS: write https:// in the place of http://\n";
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    say_and_close(stream, answer.as_bytes()).await
}

fn failure(error: &io::Error) -> Failure {
    match of_tls(error) {
        Some(error) => {
            let (reason, why) = in_words(error);
            Failure::Refused(reason, why)
        }
        None => Failure::Gone,
    }
}

/// Why there is no TLS: the value of the label `reason`, and a sentence.
pub(super) fn in_words(error: &Error) -> (&'static str, String) {
    const REFUSED: &str = "certificate refused";
    const OUT_OF_DATE: &str = "certificate out of date";
    const UNTRUSTED: &str = "our certificate refused";
    match error {
        Error::NoCertificatesPresented => {
            let why = "it shows no certificate, and `client_ca` lets in only those with one";
            ("no certificate", why.to_owned())
        }
        Error::InvalidCertificate(why) => match (outside(why), why) {
            (Some(why), _) => (OUT_OF_DATE, format!("its certificate {why}")),
            (None, CertificateError::UnknownIssuer) => {
                let why = "its certificate is not signed by an authority of `client_ca`";
                (REFUSED, why.to_owned())
            }
            (None, CertificateError::BadSignature) => {
                let why = "the signature of its certificate is not that of the authority";
                (REFUSED, why.to_owned())
            }
            (
                None,
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
            ) => {
                let why = "its certificate is none for clients (extended key usage)";
                (REFUSED, why.to_owned())
            }
            (None, why) => (REFUSED, format!("its certificate cannot be used: {why}")),
        },
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate),
        ) => {
            let why = format!("it does not trust the certificate of this receiver ({alert:?})");
            (UNTRUSTED, why)
        }
        Error::NoApplicationProtocol => {
            let why = "it wants to speak another protocol than this receiver does (ALPN)";
            ("other protocol", why.to_owned())
        }
        Error::DecryptError => {
            let why = "what it sent was changed on the way, or cut off";
            ("changed on the way", why.to_owned())
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => {
            let why = "it speaks no TLS 1.2 or newer";
            ("TLS failed", why.to_owned())
        }
        Error::InvalidMessage(_) => ("no TLS", "it does not speak TLS".to_owned()),
        error => ("TLS failed", error.to_string()),
    }
}
