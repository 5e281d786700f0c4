//! The network: what ZeroMQ and TCP are to both ends.
//!
//! A link connects by itself and again, as a DEALER does: to a hub that is not there it tries each 100 ms to 2 s, with
//! a random part. What is sent arrives in order after the delay, unless the hub is killed; what is sent into a
//! partition waits, and arrives when it is over, as TCP would repeat it. A link has room for so many messages that the
//! hub has not read.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use distlog_client::{Broken, Dial, Link, SendStatus, SocketError};

/// One way.
pub const DELAY: Duration = Duration::from_micros(500);
/// Messages that a connection holds, in the queues and buffers of both ends.
const QUEUE: usize = 96;
/// Between two attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What is sent into a partition is sent again so often.
const REPEAT: Duration = Duration::from_millis(200);

/// What is to happen on the network.
#[derive(Debug, Clone, Copy)]
pub enum Wire {
    /// A link tries to connect.
    Connect(usize),
    /// The first message to the hub arrives.
    ToHub(usize),
    /// The first message to the client arrives.
    ToClient(usize),
}

/// A message of a client, of which a batch is only its length.
pub struct Message {
    pub head: Vec<u8>,
    pub body: usize,
}

struct LinkState {
    client: usize,
    hub: usize,
    /// The connection, as the hub knows it. `None`: not connected.
    connection: Option<u64>,
    attempts: u32,
    to_hub: VecDeque<Message>,
    arriving: VecDeque<Vec<u8>>,
    arrived: VecDeque<Vec<u8>>,
    is_closed: bool,
}

#[derive(Default)]
pub struct State {
    links: Vec<LinkState>,
    connections: u64,
    /// Of each connection the link. Of those that ended: gone.
    by_connection: std::collections::HashMap<u64, usize>,
    is_up: Vec<bool>,
    is_cut: Vec<bool>,
    /// Who is to be told of what, after this moment.
    planned: Vec<(Duration, Wire)>,
    random: u64,
}

/// Shared by all links.
#[derive(Clone, Default)]
pub struct Network(Rc<RefCell<State>>);

/// What the endpoints of a client are named after: the number of a hub.
pub fn address(hub: usize) -> String {
    format!("tcp://hub-{hub}:5011")
}

impl State {
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn disconnect(&mut self, link: usize) {
        let state = &mut self.links[link];
        if let Some(connection) = state.connection.take() {
            self.by_connection.remove(&connection);
        }
        // What was sent and not read is gone, both ways.
        state.to_hub.clear();
        state.arriving.clear();
        state.attempts = 0;
    }

    fn plan_attempt(&mut self, link: usize) {
        let attempts = self.links[link].attempts;
        let pause = (RECONNECT.0 * (1 << attempts.min(5))).min(RECONNECT.1);
        let random = Duration::from_micros(self.random() % RECONNECT.0.as_micros() as u64);
        self.planned.push((pause + random, Wire::Connect(link)));
    }
}

impl Network {
    pub fn new(hubs: usize, seed: u64) -> Network {
        Network(Rc::new(RefCell::new(State {
            is_up: vec![true; hubs],
            is_cut: vec![false; hubs],
            random: seed,
            ..State::default()
        })))
    }

    /// What is to happen, each with how long after now.
    pub fn take_planned(&self) -> Vec<(Duration, Wire)> {
        std::mem::take(&mut self.0.borrow_mut().planned)
    }

    /// A link's attempt to connect.
    pub fn connect(&self, link: usize) {
        let state = &mut *self.0.borrow_mut();
        let (hub, is_closed) = (state.links[link].hub, state.links[link].is_closed);
        if is_closed || state.links[link].connection.is_some() {
            return;
        }
        if !state.is_up[hub] || state.is_cut[hub] {
            state.links[link].attempts += 1;
            return state.plan_attempt(link);
        }
        state.connections += 1;
        let connection = state.connections;
        state.links[link].connection = Some(connection);
        state.by_connection.insert(connection, link);
    }

    /// The hub of a link, if what was sent to it arrives now.
    pub fn hub_of(&self, link: usize) -> Option<usize> {
        let state = &mut *self.0.borrow_mut();
        let hub = state.links[link].hub;
        if state.is_cut[hub] {
            state.planned.push((REPEAT, Wire::ToHub(link)));
            return None;
        }
        Some(hub)
    }

    /// The hub reads a message. Gives its connection.
    pub fn read(&self, link: usize) -> Option<(u64, Message)> {
        let state = &mut *self.0.borrow_mut();
        let connection = state.links[link].connection?;
        let message = state.links[link].to_hub.pop_front()?;
        if state.links[link].is_closed && state.links[link].to_hub.is_empty() {
            state.disconnect(link);
        }
        Some((connection, message))
    }

    /// A message arrives at a client: its number.
    pub fn arrive(&self, link: usize) -> Option<usize> {
        let state = &mut *self.0.borrow_mut();
        let hub = state.links[link].hub;
        if state.is_cut[hub] {
            state.planned.push((REPEAT, Wire::ToClient(link)));
            return None;
        }
        let state = &mut state.links[link];
        let message = state.arriving.pop_front()?;
        state.arrived.push_back(message);
        Some(state.client)
    }

    /// A hub says something to a connection. `false`: it is gone.
    pub fn answer(&self, connection: u64, message: Vec<u8>, after: Duration) -> bool {
        let state = &mut *self.0.borrow_mut();
        let Some(&link) = state.by_connection.get(&connection) else {
            return false;
        };
        state.links[link].arriving.push_back(message);
        state.planned.push((after + DELAY, Wire::ToClient(link)));
        true
    }

    /// A hub is killed, or there again.
    pub fn set_up(&self, hub: usize, is_up: bool) {
        let state = &mut *self.0.borrow_mut();
        state.is_up[hub] = is_up;
        if is_up {
            return;
        }
        for link in 0..state.links.len() {
            if state.links[link].hub == hub && state.links[link].connection.is_some() {
                state.disconnect(link);
                state.plan_attempt(link);
            }
        }
    }

    /// Nothing goes to a hub or comes from it, or everything does again.
    pub fn set_cut(&self, hub: usize, is_cut: bool) {
        self.0.borrow_mut().is_cut[hub] = is_cut;
    }
}

/// Opens links for one client.
pub struct Dialer {
    pub network: Network,
    pub client: usize,
    /// Its endpoints.
    pub hubs: Vec<usize>,
}

impl Dial for Dialer {
    type Link = SimulatedLink;

    fn dial(&self, number: usize, _: &str) -> Result<SimulatedLink, SocketError> {
        let state = &mut *self.network.0.borrow_mut();
        state.links.push(LinkState {
            client: self.client,
            hub: self.hubs[number],
            connection: None,
            attempts: 0,
            to_hub: VecDeque::new(),
            arriving: VecDeque::new(),
            arrived: VecDeque::new(),
            is_closed: false,
        });
        let link = state.links.len() - 1;
        state.planned.push((3 * DELAY, Wire::Connect(link)));
        Ok(SimulatedLink {
            network: self.network.clone(),
            link,
        })
    }
}

/// One attempt of a client.
pub struct SimulatedLink {
    network: Network,
    link: usize,
}

impl Link for SimulatedLink {
    fn broken(&self) -> Option<Broken> {
        None
    }

    fn has_room(&self) -> bool {
        let state = &self.network.0.borrow().links[self.link];
        state.connection.is_some() && state.to_hub.len() < QUEUE
    }

    fn receive(&self) -> Option<Vec<u8>> {
        self.network.0.borrow_mut().links[self.link]
            .arrived
            .pop_front()
    }

    fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> SendStatus {
        if !self.has_room() {
            return SendStatus::Full;
        }
        let state = &mut *self.network.0.borrow_mut();
        let mut frames = frames.into_iter();
        let head = frames.next().unwrap_or_default().to_vec();
        let body = frames.map(<[u8]>::len).sum();
        state.links[self.link]
            .to_hub
            .push_back(Message { head, body });
        state.planned.push((DELAY, Wire::ToHub(self.link)));
        SendStatus::Sent
    }

    fn close(self, _: Duration) {
        self.network.0.borrow_mut().links[self.link].is_closed = true;
    }
}

impl Drop for SimulatedLink {
    fn drop(&mut self) {
        let state = &mut *self.network.0.borrow_mut();
        // What a closed one has sent is still read.
        let lingers = std::mem::replace(&mut state.links[self.link].is_closed, true);
        if !lingers || state.links[self.link].to_hub.is_empty() {
            state.disconnect(self.link);
        }
    }
}
