//! What goes wrong, and when: drawn from the seed, before it happens.

use std::time::Duration;

use super::network::Weather;
use super::order::{ClientOptions, Node, Order, Step};
use super::random::Random;

/// A round's faults begin within so many milliseconds.
const BEGIN: u64 = 400;
/// A server of the stream is away for so many milliseconds at most.
const NODE_AWAY: u64 = 6000;

/// Where faults can happen; in one round at most one in each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Daemon(usize),
    Client(usize),
    Network,
    Disk,
    Sink,
    Database,
    Hub(usize),
    /// The hub that comes and goes.
    LastHub,
    Node(Node),
    Nodes,
}

/// What can go wrong beside what always can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The disk can be filled.
    pub disk: bool,
    /// There is a server of a database.
    pub database: bool,
    /// Daemons that take what programs log.
    pub daemons: usize,
    /// Hubs behind a stream of three servers, of which the last one comes and goes; 0 without a stream.
    pub hubs: usize,
}

/// Draws rounds.
#[derive(Debug)]
pub struct Plan {
    random: Random,
    places: Vec<Place>,
    drops: u64,
    /// Faults of a round, at most.
    most: u64,
    hubs: usize,
    /// Whether the hub that comes and goes is there.
    last_hub: bool,
}

impl Plan {
    /// With so many clients, of which `drops` in 100 drop what does not fit.
    pub fn new(seed: u64, clients: usize, drops: u64, can_fail: Failing) -> Plan {
        // What is named more often happens more often.
        let mut places: Vec<Place> = (0..can_fail.daemons)
            .flat_map(|daemon| [Place::Daemon(daemon); 2])
            .collect();
        places.push(Place::Sink);
        places.extend([Place::Network; 3]);
        places.extend((0..clients).map(Place::Client));
        if can_fail.disk {
            places.push(Place::Disk);
        }
        if can_fail.database {
            places.extend([Place::Database; 4]);
        }
        if let Some(last) = can_fail.hubs.checked_sub(1) {
            places.extend((0..last).flat_map(|hub| [Place::Hub(hub); 2]));
            places.extend([Place::LastHub; 2]);
            places.extend([Place::Node(Node::Leader); 3]);
            places.extend([Place::Node(Node::Follower); 2]);
            places.extend([Place::Nodes; 2]);
        }
        Plan {
            random: Random::new(seed),
            places,
            drops,
            most: if can_fail.hubs > 0 { 5 } else { 3 },
            hubs: can_fail.hubs,
            last_hub: false,
        }
    }

    /// How the next client logs.
    pub fn client_options(&mut self) -> ClientOptions {
        let random = &mut self.random;
        if random.percent(self.drops) {
            ClientOptions {
                ring: 64 << 10,
                waits: false,
                burst: random.within(60..=300),
                bursts: 5,
            }
        } else {
            // The more often, the likelier that a fault finds it at work.
            let bursts = random.pick(&[5, 25, 100]);
            ClientOptions {
                ring: random.pick(&[64 << 10, 256 << 10, 4 << 20]),
                waits: true,
                burst: random.within(1..=500 / bursts),
                bursts,
            }
        }
    }

    /// The steps of the next round, in order.
    pub fn round(&mut self) -> Vec<Step> {
        let mut places = self.places.clone();
        self.random.shuffle(&mut places);
        let mut chosen: Vec<Place> = Vec::new();
        let count = self.random.within(1..=self.most) as usize;
        for place in places {
            if chosen.len() < count && !chosen.contains(&place) {
                chosen.push(place);
            }
        }
        let mut steps: Vec<Step> = chosen
            .into_iter()
            .flat_map(|place| self.fault(place))
            .collect();
        // Stable: what begins comes before what ends it.
        steps.sort_by_key(|step| step.at);
        steps
    }

    fn fault(&mut self, place: Place) -> Vec<Step> {
        let random = &mut self.random;
        let at = random.millis(0..=BEGIN);
        let last = at + random.millis(20..=500);
        let from_to = |begin, end| {
            let begin = Step { at, order: begin };
            vec![
                begin,
                Step {
                    at: last,
                    order: end,
                },
            ]
        };
        match place {
            Place::Daemon(daemon) => {
                let end = if random.percent(75) {
                    Order::KillDaemon(daemon)
                } else {
                    Order::StopDaemon(daemon)
                };
                let start = Order::StartDaemon(daemon);
                let mut steps = from_to(end, start);
                steps.extend(self.young(last, Order::KillDaemon(daemon), start));
                steps
            }
            Place::Client(slot) => {
                let end = if random.percent(80) {
                    Order::KillClient(slot)
                } else {
                    Order::StopClient(slot)
                };
                let mut steps = from_to(end, Order::StartClient(slot, self.client_options()));
                let again = Order::StartClient(slot, self.client_options());
                steps.extend(self.young(last, Order::KillClient(slot), again));
                steps
            }
            Place::Network => match self.weather() {
                None => vec![Step {
                    at,
                    order: Order::Cut,
                }],
                Some(weather) => {
                    let clear = Order::Weather(Weather::default());
                    let mut steps = from_to(Order::Weather(weather), clear);
                    // Who is connected notices it, too.
                    if weather.refuse {
                        steps.insert(
                            1,
                            Step {
                                at,
                                order: Order::Cut,
                            },
                        );
                    }
                    steps
                }
            },
            Place::Disk => {
                let left = random.pick(&[0, 1 << 20]);
                from_to(Order::FillDisk(left), Order::FreeDisk)
            }
            Place::Sink if random.percent(50) => vec![Step {
                at,
                order: Order::KillSink,
            }],
            Place::Sink => from_to(Order::SinkAway(true), Order::SinkAway(false)),
            Place::Database => match random.within(0..=3) {
                0 | 1 => from_to(Order::KillDatabase, Order::StartDatabase),
                2 => from_to(Order::FreezeDatabase(true), Order::FreezeDatabase(false)),
                _ => vec![Step {
                    at,
                    order: Order::CutDatabase,
                }],
            },
            Place::Hub(hub) => {
                let end = if random.percent(75) {
                    Order::KillHub(hub)
                } else {
                    Order::StopHub(hub)
                };
                let start = Order::StartHub(hub);
                let mut steps = from_to(end, start);
                steps.extend(self.young(last, Order::KillHub(hub), start));
                steps
            }
            Place::LastHub => {
                self.last_hub = !self.last_hub;
                let order = if self.last_hub {
                    Order::StartHub(self.hubs - 1)
                } else {
                    Order::StopHub(self.hubs - 1)
                };
                vec![Step { at, order }]
            }
            Place::Node(node) => {
                // A leader that is away for long has another one elected.
                let last = at + random.millis(20..=NODE_AWAY);
                let (begin, order) = match random.within(0..=2) {
                    0 => (
                        Order::FreezeNode(node, true),
                        Order::FreezeNode(node, false),
                    ),
                    _ => (Order::KillNode(node), Order::StartNode(node)),
                };
                vec![Step { at, order: begin }, Step { at: last, order }]
            }
            Place::Nodes => vec![Step {
                at,
                order: Order::CutNodes,
            }],
        }
    }

    /// What was just started is killed, while it recovers or takes what another left, and started again; or nothing.
    fn young(&mut self, started: Duration, kill: Order, start: Order) -> Vec<Step> {
        let random = &mut self.random;
        if !random.percent(30) {
            return Vec::new();
        }
        let killed = started + random.millis(1..=80);
        let again = killed + random.millis(1..=100);
        vec![
            Step {
                at: killed,
                order: kill,
            },
            Step {
                at: again,
                order: start,
            },
        ]
    }

    /// `None`: every connection is cut.
    fn weather(&mut self) -> Option<Weather> {
        let random = &mut self.random;
        let fine = Weather::default();
        Some(match random.within(0..=5) {
            0 => return None,
            1 => Weather {
                refuse: true,
                ..fine
            },
            2 => Weather {
                freeze: true,
                ..fine
            },
            3 => Weather {
                delay: random.millis(1..=100),
                ..fine
            },
            4 => Weather {
                twice: random.within(10..=100),
                ..fine
            },
            _ => Weather {
                cut: random.within(5..=60),
                delay: random.millis(0..=20),
                ..fine
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Failing = Failing {
        disk: true,
        database: true,
        daemons: 2,
        hubs: 3,
    };

    #[test]
    fn the_seed_fixes_the_decisions() {
        let rounds = |seed| -> Vec<Vec<Step>> {
            let mut plan = Plan::new(seed, 4, 30, ALL);
            (0..100).map(|_| plan.round()).collect()
        };
        assert_eq!(rounds(1), rounds(1));
        assert_ne!(rounds(1), rounds(2));
    }

    #[test]
    fn after_each_round_everything_is_as_before() {
        let mut plan = Plan::new(5, 4, 30, ALL);
        // Not the last hub: it stays as it is until a later round.
        let mut last_hub = Vec::new();
        for _ in 0..2000 {
            let (mut daemons, mut clients, mut hubs, mut nodes) =
                ([true; 2], [true; 4], [true; 2], [true; 2]);
            let (mut fine, mut free, mut sink, mut database) = (true, true, true, true);
            let end = |running: &mut bool| assert!(std::mem::replace(running, false));
            let steps = plan.round();
            assert!(!steps.is_empty());
            for Step { order, .. } in steps {
                match order {
                    Order::KillDaemon(daemon) | Order::StopDaemon(daemon) => {
                        end(&mut daemons[daemon]);
                    }
                    Order::StartDaemon(daemon) => daemons[daemon] = true,
                    Order::KillClient(slot) | Order::StopClient(slot) => end(&mut clients[slot]),
                    Order::StartClient(slot, _) => clients[slot] = true,
                    Order::Weather(weather) => fine = weather == Weather::default(),
                    Order::FillDisk(_) => free = false,
                    Order::FreeDisk => free = true,
                    Order::SinkAway(away) => sink = !away,
                    Order::KillDatabase => end(&mut database),
                    Order::StartDatabase => database = true,
                    Order::FreezeDatabase(frozen) => database = !frozen,
                    Order::StartHub(2) => last_hub.push(true),
                    Order::KillHub(2) | Order::StopHub(2) => last_hub.push(false),
                    Order::KillHub(hub) | Order::StopHub(hub) => end(&mut hubs[hub]),
                    Order::StartHub(hub) => hubs[hub] = true,
                    Order::KillNode(node) => end(&mut nodes[node as usize]),
                    Order::StartNode(node) => nodes[node as usize] = true,
                    Order::FreezeNode(node, frozen) => nodes[node as usize] = !frozen,
                    Order::Cut | Order::KillSink | Order::CutDatabase | Order::CutNodes => {}
                }
            }
            assert!(daemons == [true; 2] && clients == [true; 4] && hubs == [true; 2]);
            assert!(nodes == [true; 2] && fine && free && sink && database);
        }
        let turns = last_hub.iter().enumerate();
        assert!(last_hub.len() > 100);
        assert!(
            turns
                .into_iter()
                .all(|(turn, there)| *there == (turn % 2 == 0))
        );
    }
}
