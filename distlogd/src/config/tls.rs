//! The files of `tls:`.

use super::sections::Listen;
use crate::address::is_local;
use crate::yaml::{Fault, Node};

/// Finds certificates and keys that cannot be used, and adds what is probably a mistake to `warnings`.
pub(super) fn check(document: &Node, listen: &Listen, warnings: &mut Vec<Fault>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, http) in listen.tcp() {
        let Some((http, tls)) = http.and_then(|http| Some((http, http.tls.as_ref()?))) else {
            continue;
        };
        let section = document.get("listen").and_then(|listen| listen.get(name));
        let Some(section) = section.and_then(|receiver| receiver.get("tls")) else {
            continue;
        };
        let place = |key: &str| section.get(key).unwrap_or(section).place;
        #[cfg(feature = "tls")]
        for finding in crate::listen::check_tls(tls) {
            let fault = place(finding.key).fault(finding.message);
            if finding.fatal {
                faults.push(fault);
            } else {
                warnings.push(fault);
            }
        }
        #[cfg(not(feature = "tls"))]
        faults.push(
            section
                .place
                .fault("this distlogd is built without TLS, the feature `tls`"),
        );
        if tls.client_ca.is_none() && http.tokens.is_none() && !is_local(&http.bind) {
            warnings.push(place("cert").fault(format!(
                "who reaches {} may read and send: TLS hides what is said and asks nobody who he is; `tokens: FILE` lets in \
                 those with a token, `client_ca: FILE` those with a certificate of that authority",
                http.bind
            )));
        }
    }
    faults
}
