//! Addresses to listen on: their forms, whether others can reach them, whether two of them share a port.

use std::net::IpAddr;

pub(crate) const ZMQ: &str =
    "a ZeroMQ address like tcp://127.0.0.1:5010 or ipc:///run/distlog/push";
pub(crate) const TCP: &str = "an address like 127.0.0.1:5080";

/// Checks a ZeroMQ address: `tcp://HOST:PORT` or `ipc://PATH`. Beyond loopback it needs to be `protected`, or said
/// to be open.
///
/// # Errors
/// What was found and what was expected.
pub(crate) fn check_zmq(address: &str, protected: bool) -> Result<(), String> {
    if let Some(path) = address.strip_prefix("ipc://") {
        return if path.is_empty() {
            Err(format!("`{address}` names no path: expected {ZMQ}"))
        } else {
            Ok(())
        };
    }
    let host = address
        .strip_prefix("tcp://")
        .and_then(host_of)
        .ok_or_else(|| format!("`{address}` is no address: expected {ZMQ}"))?;
    let danger = "who could read along and exhaust the memory: give it `curve: { key: FILE, clients: FOLDER }` \
                  (`distlogd keys new` makes keys), or";
    check_reachable(address, host, protected, danger)
}

/// Checks the address of a TCP receiver: `HOST:PORT`. Beyond loopback it needs to be `protected`, or said to be open.
///
/// # Errors
/// What was found and what was expected.
pub(crate) fn check_tcp(address: &str, protected: bool) -> Result<(), String> {
    let host = host_of(address)
        .filter(|_| !address.ends_with('*'))
        .ok_or_else(|| format!("`{address}` is no address: expected {TCP}"))?;
    let danger =
        "who could read along and send anything: give it `tls: { cert: FILE, key: FILE }`, or";
    check_reachable(address, host, protected, danger)
}

fn check_reachable(address: &str, host: &str, plaintext: bool, danger: &str) -> Result<(), String> {
    if plaintext || is_loopback(host) {
        return Ok(());
    }
    Err(format!(
        "`{address}` is reachable by others, {danger} write {{ bind: '{address}', plaintext: true }} if the network \
         is trusted, else listen on localhost"
    ))
}

/// The host of `HOST:PORT`.
fn host_of(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let fits = !host.is_empty() && (bracketed || !host.contains([':', '/', ' ']));
    (fits && (port == "*" || port.parse::<u16>().is_ok())).then_some(host)
}

/// Whether nobody beyond this machine reaches the address of a TCP receiver.
pub(crate) fn is_local(address: &str) -> bool {
    host_of(address).is_some_and(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether two addresses cannot both be bound. What they speak does not matter: a port is taken once.
pub(crate) fn conflict(a: &str, b: &str) -> bool {
    let (Some((hosts, port)), Some((others, other))) = (fixed_port(a), fixed_port(b)) else {
        return a == b && a.starts_with("ipc://");
    };
    let same = |a: &str, b: &str| {
        // The wildcard of IPv6 takes IPv4 as well.
        let all = |host, other: &str| match host {
            "[::]" => true,
            "0.0.0.0" | "*" => !other.starts_with('['),
            _ => false,
        };
        a.eq_ignore_ascii_case(b) || all(a, b) || all(b, a)
    };
    port == other && hosts.iter().any(|a| others.iter().any(|b| same(a, b)))
}

/// The hosts and the port that an address takes. `None`: the system chooses the port, or there is none.
fn fixed_port(address: &str) -> Option<(Vec<&str>, &str)> {
    let address = address.strip_prefix("tcp://").unwrap_or(address);
    let host = host_of(address)?;
    let port = &address[host.len() + 1..];
    let hosts = if host.eq_ignore_ascii_case("localhost") {
        vec!["127.0.0.1", "[::1]"]
    } else {
        vec![host]
    };
    (!matches!(port, "0" | "*")).then_some((hosts, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_come_in_only_where_that_is_said() {
        for good in [
            "tcp://127.0.0.1:5010",
            "tcp://127.9.9.9:0",
            "tcp://[::1]:5010",
            "tcp://localhost:*",
            "ipc:///tmp/x",
        ] {
            assert_eq!(check_zmq(good, false), Ok(()), "{good}");
        }
        for open in [
            "tcp://0.0.0.0:5010",
            "tcp://*:5010",
            "tcp://[::]:5010",
            "tcp://example.org:1",
            "tcp://eth0:1",
        ] {
            assert!(
                check_zmq(open, false)
                    .unwrap_err()
                    .contains("plaintext: true"),
                "{open}"
            );
            assert_eq!(check_zmq(open, true), Ok(()), "{open}");
        }
        for bad in [
            "",
            "127.0.0.1:5010",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:70000",
            "tcp://:1",
            "udp://127.0.0.1:1",
            "ipc://",
            "tcp://::1:5",
        ] {
            assert!(check_zmq(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_share_a_port_conflict() {
        for (a, b) in [
            ("tcp://127.0.0.1:1", "127.0.0.1:1"),
            ("localhost:1", "tcp://127.0.0.1:1"),
            ("[::1]:1", "localhost:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("tcp://*:1", "localhost:1"),
            ("[::]:1", "10.0.0.1:1"),
            ("ipc://a", "ipc://a"),
        ] {
            assert!(conflict(a, b) && conflict(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("127.0.0.1:1", "[::1]:1"),
            ("0.0.0.0:1", "[::1]:1"),
            ("127.0.0.1:1", "127.0.0.2:1"),
            ("localhost:0", "localhost:0"),
            ("tcp://*:*", "tcp://*:*"),
            ("ipc://a", "ipc://b"),
        ] {
            assert!(!conflict(a, b) && !conflict(b, a), "{a} {b}");
        }
    }
}
