//! The network between clients and daemon: a TCP proxy with weather.
//!
//! A thread for each direction of each connection passes on whole messages, late, twice, cut in the middle, or not at
//! all for a while, as the weather is.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::random::Random;
use super::zmtp::{Piece, Pieces};

/// What happens to connections and messages. Without any of it: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Each connection is closed as soon as it is made.
    pub refuse: bool,
    /// Nothing is passed on.
    pub freeze: bool,
    /// Each message is late, by so much at most.
    pub delay: Duration,
    /// So many of 100 messages come twice.
    pub twice: u64,
    /// So many of 100 messages are cut in the middle, and the connection with them.
    pub cut: u64,
}

/// The proxy, of which clones are the same. It runs as long as the process.
#[derive(Debug, Clone)]
pub struct Network {
    shared: Arc<Shared>,
    address: String,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// `host:port` of the daemon; empty while there is none.
    daemon: String,
    weather: Weather,
    /// Counts connections.
    number: u64,
    open: Vec<(u64, TcpStream, TcpStream)>,
}

impl Network {
    /// Listens on a free port.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn new(seed: u64) -> std::io::Result<Network> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("tcp://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            seed,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("network".into())
            .spawn(move || {
                for client in listener.incoming().flatten() {
                    own.connect(client);
                }
            })?;
        Ok(Network { shared, address })
    }

    /// Where clients connect to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Leads to the daemon at this ZeroMQ address from now on, or to none.
    pub fn lead_to(&self, daemon: Option<&str>) {
        let address = daemon.map_or("", |address| address.trim_start_matches("tcp://"));
        self.shared.state.lock().unwrap().daemon = address.to_owned();
    }

    /// Changes the weather.
    pub fn weather(&self, weather: Weather) {
        self.shared.state.lock().unwrap().weather = weather;
        self.shared.changed.notify_all();
    }

    /// Cuts every connection at once, wherever it is.
    pub fn cut(&self) {
        for (_, client, daemon) in &self.shared.state.lock().unwrap().open {
            close(client, daemon);
        }
        self.shared.changed.notify_all();
    }
}

/// Either may be closed already.
fn close(one: &TcpStream, other: &TcpStream) {
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

impl Shared {
    /// Leads a client to the daemon. What fails ends its connection, as a network does.
    fn connect(self: &Arc<Shared>, client: TcpStream) {
        let address = {
            let state = self.state.lock().unwrap();
            if state.weather.refuse || state.daemon.is_empty() {
                return;
            }
            state.daemon.clone()
        };
        let Ok(daemon) = TcpStream::connect(address) else {
            return;
        };
        let copies = || Some((client.try_clone().ok()?, daemon.try_clone().ok()?));
        let (Some(kept), Some(back)) = (copies(), copies()) else {
            return;
        };
        let _ = client.set_nodelay(true);
        let _ = daemon.set_nodelay(true);
        let number = {
            let mut state = self.state.lock().unwrap();
            state.number += 1;
            let number = state.number;
            state.open.push((number, kept.0, kept.1));
            number
        };
        for (stream, from, to) in [(0, client, daemon), (1, back.1, back.0)] {
            let own = Arc::clone(self);
            let random = Random::stream(self.seed, number * 2 + stream);
            std::thread::spawn(move || own.pass(number, from, to, random));
        }
    }

    /// Passes on one direction until the connection ends.
    fn pass(&self, number: u64, mut from: TcpStream, mut to: TcpStream, mut random: Random) {
        let mut pieces = Pieces::default();
        let mut buffer = vec![0; 64 << 10];
        'connection: loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => pieces.feed(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            }
            while let Some(piece) = pieces.next() {
                if !self.pass_piece(piece, &mut to, &mut random) {
                    break 'connection;
                }
            }
        }
        close(&from, &to);
        self.state
            .lock()
            .unwrap()
            .open
            .retain(|(known, ..)| *known != number);
    }

    /// Passes it on as the weather is; false if the connection is over.
    fn pass_piece(&self, piece: Piece, to: &mut TcpStream, random: &mut Random) -> bool {
        let weather = {
            let state = self.state.lock().unwrap();
            let state = self
                .changed
                .wait_while(state, |state| state.weather.freeze)
                .unwrap();
            state.weather
        };
        let message = match piece {
            Piece::Link(bytes) => return to.write_all(&bytes).is_ok(),
            Piece::Message(bytes) => bytes,
        };
        if !weather.delay.is_zero() {
            std::thread::sleep(random.millis(0..=weather.delay.as_millis() as u64));
        }
        if random.percent(weather.cut) {
            let at = random.within(1..=message.len() as u64 - 1) as usize;
            let _ = to.write_all(&message[..at]);
            return false;
        }
        let times = 1 + usize::from(random.percent(weather.twice));
        (0..times).all(|_| to.write_all(&message).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weather_does_what_it_says() {
        let context = zmq::Context::new();
        let socket = |kind| {
            let socket = context.socket(kind).unwrap();
            socket.set_linger(0).unwrap();
            socket.set_rcvtimeo(10_000).unwrap();
            socket
        };
        let (daemon, client) = (socket(zmq::ROUTER), socket(zmq::DEALER));
        daemon.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = daemon.get_last_endpoint().unwrap().unwrap();
        let network = Network::new(1).unwrap();
        network.lead_to(Some(&endpoint));
        client.connect(network.address()).unwrap();
        let send = |text: &'static str| client.send_multipart([text, "body"], 0).unwrap();
        let got = || {
            let frames = daemon.recv_multipart(0).unwrap();
            String::from_utf8(frames[1..].concat()).unwrap()
        };

        send("once");
        assert_eq!(got(), "oncebody");
        network.weather(Weather {
            twice: 100,
            ..Weather::default()
        });
        send("twice");
        assert_eq!([got(), got()], ["twicebody"; 2]);
        network.weather(Weather {
            freeze: true,
            ..Weather::default()
        });
        send("late");
        assert_eq!(daemon.poll(zmq::POLLIN, 50).unwrap(), 0);
        network.weather(Weather::default());
        assert_eq!(got(), "latebody");

        network.weather(Weather {
            cut: 100,
            ..Weather::default()
        });
        send("half of this");
        // It connects again by itself, and then sends nothing again.
        let connections = || network.shared.state.lock().unwrap().number;
        distlog_testkit::eventually("a new connection", || match connections() {
            2.. => Ok(()),
            one => Err(one),
        });
        network.weather(Weather::default());
        send("whole");
        assert_eq!(got(), "wholebody");
    }
}
