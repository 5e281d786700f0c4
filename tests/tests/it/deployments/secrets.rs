//! Keys, certificates and tokens as the deployments want them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nkeys::KeyPair as NKey;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::DISTLOGD;

/// A folder that stands for `/etc/distlog`, and for the credentials that systemd hands over.
pub struct Secrets {
    folder: PathBuf,
    /// The public key of `agent.nk`.
    pub agent: String,
    /// The public key of `hub.nk`.
    pub hub: String,
}

impl Secrets {
    /// Makes them all in a new folder.
    pub fn new(folder: &Path) -> Secrets {
        for part in ["tls", "keys", "clients", "tokens", "nkeys"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names = ["localhost", "127.0.0.1", "hub.example", "nats-1.example"];
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.map(str::to_owned)).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        fs::write(folder.join("tls/ca.pem"), authority.pem()).unwrap();
        for part in ["", "tls"] {
            fs::write(folder.join(part).join("cert.pem"), certificate.pem()).unwrap();
            fs::write(folder.join(part).join("key.pem"), key.serialize_pem()).unwrap();
        }
        let [agent, hub] = ["agent", "hub"].map(|name| {
            let pair = NKey::new_user();
            for part in ["", "nkeys"] {
                let path = folder.join(part).join(format!("{name}.nk"));
                fs::write(path, pair.seed().unwrap()).unwrap();
            }
            pair.public_key()
        });
        let secrets = Secrets {
            folder: folder.to_owned(),
            agent,
            hub,
        };
        let path = |part: &str| folder.join(part).display().to_string();
        secrets.distlogd(&["keys", "new", "distlogd", "--dir", &path("keys")]);
        let tokens = path("tokens.yaml");
        let token =
            secrets.distlogd(&["token", "new", "people", "--may", "read", "--file", &tokens]);
        fs::write(folder.join("token"), token).unwrap();
        fs::copy(&tokens, folder.join("tokens/tokens.yaml")).unwrap();
        secrets
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What systemd says of it.
    pub fn environment(&self) -> String {
        format!("CREDENTIALS_DIRECTORY={}", self.folder.display())
    }

    /// Runs a command; gives what it printed.
    fn distlogd(&self, arguments: &[&str]) -> String {
        let output = Command::new(DISTLOGD).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Asks a daemon with TLS and tokens by a command; gives what it printed.
    pub fn ask(&self, url: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(DISTLOGD)
            .args(arguments)
            .args(["--url", url, "--ca"])
            .arg(self.folder.join("tls/ca.pem"))
            .arg("--token-file")
            .arg(self.folder.join("token"))
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}
