//! What is done to everything that runs, and its time.

use std::fmt;
use std::time::Duration;

use super::network::Weather;

/// How a client logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// Size of its ring in bytes.
    pub ring: usize,
    /// Whether it waits for room.
    pub waits: bool,
    /// Records of a burst of each thread.
    pub burst: u64,
    /// Bursts of each thread in a second.
    pub bursts: u64,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Order {
    KillDaemon(usize),
    StopDaemon(usize),
    StartDaemon(usize),
    KillClient(usize),
    StopClient(usize),
    StartClient(usize, ClientOptions),
    Weather(Weather),
    Cut,
    /// Leaves so many bytes free.
    FillDisk(u64),
    FreeDisk,
    KillSink,
    SinkAway(bool),
    KillDatabase,
    StartDatabase,
    CutDatabase,
    FreezeDatabase(bool),
    KillHub(usize),
    StopHub(usize),
    StartHub(usize),
    KillNode(Node),
    StartNode(Node),
    FreezeNode(Node, bool),
    /// All connections of clients to the stream's servers.
    CutNodes,
}

/// A server of the stream, by what it is when something happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// It leads the stream.
    Leader,
    /// One of the others.
    Follower,
}

/// An order and its time, from the begin of the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Duration,
    /// What.
    pub order: Order,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::KillDaemon(daemon) => write!(f, "kill daemon {daemon}"),
            Order::StopDaemon(daemon) => write!(f, "stop daemon {daemon}"),
            Order::StartDaemon(daemon) => write!(f, "start daemon {daemon}"),
            Order::KillClient(slot) => write!(f, "kill client {slot}"),
            Order::StopClient(slot) => write!(f, "stop client {slot}"),
            Order::StartClient(slot, client_options) => {
                let waits = if client_options.waits {
                    "waits"
                } else {
                    "drops"
                };
                write!(
                    f,
                    "start client {slot} ({waits}, {} KiB)",
                    client_options.ring >> 10
                )
            }
            Order::Weather(weather) => write!(f, "network {weather}"),
            Order::Cut => f.write_str("cut network"),
            Order::FillDisk(_) => f.write_str("fill disk"),
            Order::FreeDisk => f.write_str("free disk"),
            Order::KillSink => f.write_str("kill sink"),
            Order::SinkAway(true) => f.write_str("sink away"),
            Order::SinkAway(false) => f.write_str("sink back"),
            Order::KillDatabase => f.write_str("kill database"),
            Order::StartDatabase => f.write_str("start database"),
            Order::CutDatabase => f.write_str("cut database"),
            Order::FreezeDatabase(true) => f.write_str("database frozen"),
            Order::FreezeDatabase(false) => f.write_str("database goes on"),
            Order::KillHub(hub) => write!(f, "kill hub {hub}"),
            Order::StopHub(hub) => write!(f, "stop hub {hub}"),
            Order::StartHub(hub) => write!(f, "start hub {hub}"),
            Order::KillNode(node) => write!(f, "kill {node}"),
            Order::StartNode(node) => write!(f, "start {node}"),
            Order::FreezeNode(node, true) => write!(f, "{node} frozen"),
            Order::FreezeNode(node, false) => write!(f, "{node} goes on"),
            Order::CutNodes => f.write_str("cut servers of the stream"),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Node::Leader => "leader",
            Node::Follower => "follower",
        })
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weather { refuse: true, .. } => f.write_str("refuses"),
            Weather { freeze: true, .. } => f.write_str("frozen"),
            Weather { cut: 1.., .. } => f.write_str("cuts messages"),
            Weather { twice: 1.., .. } => f.write_str("repeats messages"),
            Weather { delay, .. } if !delay.is_zero() => f.write_str("slow"),
            _ => f.write_str("clear"),
        }
    }
}
