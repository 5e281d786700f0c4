//! Limits by address, with addresses that no test can connect from.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::connections::{Admitted, Connections, Limits, TooMany};
use crate::self_telemetry::Metrics;

fn connections(all: usize, peer: usize) -> Connections {
    let limits = Limits {
        all,
        peer,
        pace: None,
    };
    Connections::new("http", limits, Metrics::default())
}

fn address(number: u8) -> IpAddr {
    [10, 0, 0, number].into()
}

#[test]
fn all_connections_of_an_address_share_one_pace_and_loopback_has_none() {
    let limits = Limits {
        all: 8,
        peer: 8,
        pace: Some(1000),
    };
    let connections = Connections::new("http", limits, Metrics::default());
    let pace = |number| connections.admit(address(number)).unwrap();
    let (one, same, other) = (pace(1), pace(1), pace(2));
    let of = |admitted: &Admitted| Arc::clone(admitted.pace.as_ref().unwrap());
    assert!(Arc::ptr_eq(&of(&one), &of(&same)));
    assert!(!Arc::ptr_eq(&of(&one), &of(&other)));
    let loopback = connections.admit(IpAddr::from([127, 0, 0, 1])).unwrap();
    assert!(loopback.pace.is_none());
}

async fn is_closed(admitted: &Admitted) -> bool {
    let closed = tokio::time::timeout(Duration::ZERO, admitted.closed());
    closed.await.is_ok()
}

#[tokio::test]
async fn an_address_makes_room_for_itself_and_has_no_more_than_its_share() {
    let connections = connections(8, 2);
    let admit = |number| connections.admit(address(number));
    let (works, idle, other) = (admit(1).unwrap(), admit(1).unwrap(), admit(2).unwrap());
    let _request = works.connection.begin(false);
    let third = admit(1).unwrap();
    assert!(is_closed(&idle).await);
    assert!(!is_closed(&works).await && !is_closed(&other).await);
    let request = third.connection.begin(false);
    assert_eq!(admit(1).err(), Some(TooMany::OfPeer));
    admit(3).unwrap();
    // A request that is answered leaves a place that can be taken.
    drop(request);
    admit(1).unwrap();
    assert!(is_closed(&third).await);
}

#[tokio::test]
async fn all_programs_of_the_machine_have_no_share() {
    let connections = connections(4, 1);
    let loopback = || connections.admit(IpAddr::from([127, 0, 0, 1]));
    let admitted: Vec<_> = (0..4).map(|_| loopback().unwrap()).collect();
    let _requests: Vec<_> = admitted
        .iter()
        .map(|admitted| admitted.connection.begin(false))
        .collect();
    assert_eq!(loopback().err(), Some(TooMany::InAll));
    assert_eq!(connections.admit(address(1)).err(), Some(TooMany::InAll));
}

#[tokio::test]
async fn who_has_most_makes_room_for_others() {
    let connections = connections(4, 4);
    let admit = |number| connections.admit(address(number)).unwrap();
    let first = admit(1);
    let greedy = [admit(2), admit(2), admit(2)];
    // None of them counts as new any more.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let third = admit(3);
    assert!(!is_closed(&first).await && !is_closed(&third).await);
    let mut closed = 0;
    for connection in &greedy {
        closed += usize::from(is_closed(connection).await);
    }
    assert_eq!(closed, 1);
}

#[tokio::test]
async fn requests_in_flight_are_counted_by_address_and_in_all() {
    let connections = connections(8, 8);
    let (one, other) = (
        connections.admit(address(1)).unwrap(),
        connections.admit(IpAddr::from([127, 0, 0, 1])).unwrap(),
    );
    let begin = |admitted: &Admitted| admitted.connection.begin(false);
    let of_one: Vec<_> = (0..512).map(|_| begin(&one)).collect();
    assert!(of_one.iter().all(|request| request.admitted));
    assert!(!begin(&one).admitted);
    let of_other: Vec<_> = (512..2048).map(|_| begin(&other)).collect();
    assert!(of_other.iter().all(|request| request.admitted));
    assert!(!begin(&other).admitted);
    drop(of_one);
    assert!(begin(&one).admitted && begin(&other).admitted);
}
