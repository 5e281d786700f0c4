//! Somebody in between alters what goes by.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use super::Keyed;
use crate::sessions::expect_all;

/// Which byte of a connection is altered, counted from 0, and whether it is one of the client's: greeting, initiate and
/// a batch; then of the daemon's, welcome, ready and an answer.
const ALTERED: [(usize, bool); 6] = [
    (15, true),
    (350, true),
    (5_000, true),
    (150, false),
    (270, false),
    (330, false),
];

#[test]
fn altered_bytes_end_the_connection_and_nothing_of_them_is_stored() {
    let keyed = Keyed::start();
    let port = keyed.daemon.session().rsplit(':').next().unwrap();
    let daemon = format!("127.0.0.1:{port}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let between = format!("session=tcp://{}", listener.local_addr().unwrap());
    let (ended, tampered) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let altered = ALTERED.iter().map(Some).chain(std::iter::repeat(None));
        for (client, altered) in listener.incoming().zip(altered) {
            let (client, daemon) = (client.unwrap(), TcpStream::connect(&daemon).unwrap());
            for (from, to, of_client) in [(&client, &daemon, true), (&daemon, &client, false)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let altered = altered.filter(|altered| altered.1 == of_client);
                let ended = ended.clone();
                std::thread::spawn(move || {
                    if pass(from, to, altered.map(|altered| altered.0)) {
                        let _ = ended.send(());
                    }
                });
            }
        }
    });
    let mut shop = keyed.client(&between, 0, "distlogd", "shop");
    // Enough that each connection has its altered byte.
    let mut logged = 0;
    for _ in ALTERED {
        while tampered.recv_timeout(Duration::from_millis(50)).is_err() {
            logged = shop.log(20).0;
        }
    }
    shop.flush();
    expect_all(&keyed.daemon, logged);
}

/// Passes bytes on, one of them altered; gives whether it was.
fn pass(mut from: TcpStream, mut to: TcpStream, altered: Option<usize>) -> bool {
    let (mut passed, mut buffer) = (0, vec![0; 64 << 10]);
    let mut is_altered = false;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(byte) = altered.and_then(|at| buffer[..count].get_mut(at.checked_sub(passed)?))
        {
            *byte ^= 1;
            is_altered = true;
        }
        passed += count;
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
    is_altered
}
