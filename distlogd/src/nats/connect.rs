//! Connects to a server.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use rustls::{ClientConfig, RootCertStore};

use super::reason::{reason, with_causes};
use super::server::{Server, Tls};
use crate::certificates::{FileError, authorities, certificates, private_key, provider};

/// How long connecting to one server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may take to answer or to acknowledge.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages without acknowledgement, those included that nobody waits for any more.
const MAX_UNACKNOWLEDGED: usize = 1 << 14;
/// The longest pause before a connection that broke is made anew.
const MAX_RECONNECT_PAUSE: Duration = Duration::from_secs(2);

/// A connection, which is made anew by itself when it breaks.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    /// The servers' names, for messages.
    pub(crate) at: String,
    trouble: Trouble,
}

/// What the connection suffers from now.
type Trouble = Arc<Mutex<Option<String>>>;

impl Connection {
    /// What the connection suffers from now, to be appended to what did not work.
    pub(crate) fn trouble(&self) -> String {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble
            .as_ref()
            .map_or_else(String::new, |trouble| format!(" ({trouble})"))
    }
}

/// Connects. `name` is shown by the server in its list of connections.
///
/// # Errors
/// A sentence that names the servers, and never says credentials.
pub(crate) async fn connect(server: &Server, name: &str) -> Result<Connection, String> {
    let at = server.urls.to_string();
    let trouble = Trouble::default();
    let options = options(server, name, Arc::clone(&trouble)).await?;
    let connected = options.connect(&server.urls.0[..]).await;
    let client = connected.map_err(|error| match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => format!(
            "NATS at {at} refuses {}: {}",
            identity(server),
            reason(&error)
        ),
        _ => format!("cannot connect to NATS at {at}: {}", reason(&error)),
    })?;
    let jetstream = jetstream::context::ContextBuilder::new()
        .timeout(ANSWER_TIMEOUT)
        .ack_timeout(ANSWER_TIMEOUT)
        .max_ack_inflight(MAX_UNACKNOWLEDGED)
        .build(client.clone());
    Ok(Connection {
        client,
        jetstream,
        at,
        trouble,
    })
}

/// As whom we connect, for messages.
fn identity(server: &Server) -> String {
    match server {
        Server {
            user: Some(user), ..
        } => format!("the user `{user}` with the password of `password`"),
        Server { token: Some(_), .. } => "the token of `token`".into(),
        Server {
            nkey: Some(path), ..
        } => format!("the key of {}", path.display()),
        Server {
            credentials: Some(path),
            ..
        } => format!("the credentials of {}", path.display()),
        Server { urls, .. } if urls.0.iter().any(|url| url.has_user_pass()) => {
            "user and password of `url`".into()
        }
        _ => {
            "a client without credentials (`user` and `password`, `token`, `nkey` or `credentials`)"
                .into()
        }
    }
}

async fn options(server: &Server, name: &str, trouble: Trouble) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::new()
        .name(name)
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(ANSWER_TIMEOUT))
        .reconnect_delay_callback(|attempts| {
            let pause = Duration::from_millis(20 << attempts.min(10));
            pause.min(MAX_RECONNECT_PAUSE)
        })
        .event_callback(move |event| {
            let trouble = Arc::clone(&trouble);
            async move {
                let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Event::Connected => *trouble = None,
                    Event::Disconnected => *trouble = Some("the connection is broken".into()),
                    Event::ServerError(error) => *trouble = Some(error.to_string()),
                    Event::ClientError(error) => *trouble = Some(error.to_string()),
                    _ => {}
                }
            }
        });
    if let (Some(user), Some(password)) = (&server.user, &server.password) {
        options = options.user_and_password(user.clone(), password.0.clone());
    }
    if let Some(token) = &server.token {
        options = options.token(token.0.clone());
    }
    if let Some(path) = &server.nkey {
        options = options.nkey(secret_of("key", path)?.trim().to_owned());
    }
    if let Some(path) = &server.credentials {
        let text = secret_of("credentials", path)?;
        options = options.credentials(&text).map_err(|_| {
            format!(
                "{} holds no credentials: `nsc generate creds` makes them",
                path.display()
            )
        })?;
    }
    let tls = server.urls.0.iter().any(|url| url.tls_required());
    if tls || server.tls.is_some() {
        let config =
            tls_config(&server.tls.clone().unwrap_or_default()).map_err(|e| e.to_string())?;
        options = options.require_tls(true).tls_client_config(config);
    }
    Ok(options)
}

fn secret_of(what: &str, path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("the {what} file {} cannot be read: {error}", path.display()))
}

fn tls_config(tls: &Tls) -> Result<ClientConfig, FileError> {
    let system = Path::new("of the system");
    let roots = match &tls.ca {
        Some(path) => authorities("the authority", path)?,
        None => {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            roots
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| FileError::new("the set of protocols", system, with_causes(&error)))?
        .with_root_certificates(roots);
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(
                certificates("the certificate", cert)?,
                private_key("the key", key)?,
            )
            .map_err(|error| FileError::new("the certificate", cert, with_causes(&error))),
        _ => Ok(builder.with_no_client_auth()),
    }
}
