//! What goes wrong, and when: drawn from the seed, before it happens.

use std::fmt;
use std::time::Duration;

use super::network::Weather;
use super::random::Random;

/// A round's faults begin within so many milliseconds.
const BEGIN: u64 = 400;

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
    KillDaemon,
    StopDaemon,
    StartDaemon,
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
}

/// An order and its time, from the begin of the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Duration,
    /// What.
    pub order: Order,
}

/// Where faults can happen; in one round at most one in each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Daemon,
    Client(usize),
    Network,
    Disk,
    Sink,
    Database,
}

/// What can go wrong beside what always can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The disk can be filled.
    pub disk: bool,
    /// There is a server of a database.
    pub database: bool,
}

/// Draws rounds.
#[derive(Debug)]
pub struct Plan {
    random: Random,
    places: Vec<Place>,
    drops: u64,
}

impl Plan {
    /// With so many clients, of which `drops` in 100 drop what does not fit.
    pub fn new(seed: u64, clients: usize, drops: u64, can_fail: Failing) -> Plan {
        // What is named more often happens more often.
        let mut places = vec![Place::Daemon, Place::Daemon, Place::Sink];
        places.extend([Place::Network; 3]);
        places.extend((0..clients).map(Place::Client));
        if can_fail.disk {
            places.push(Place::Disk);
        }
        if can_fail.database {
            places.extend([Place::Database; 4]);
        }
        Plan {
            random: Random::new(seed),
            places,
            drops,
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
        let count = self.random.within(1..=3) as usize;
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
            Place::Daemon => {
                let end = if random.percent(75) {
                    Order::KillDaemon
                } else {
                    Order::StopDaemon
                };
                let mut steps = from_to(end, Order::StartDaemon);
                steps.extend(self.young(last, Order::KillDaemon, Order::StartDaemon));
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

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::KillDaemon => f.write_str("kill daemon"),
            Order::StopDaemon => f.write_str("stop daemon"),
            Order::StartDaemon => f.write_str("start daemon"),
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
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Failing = Failing {
        disk: true,
        database: true,
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
        for _ in 0..2000 {
            let (mut daemon, mut clients, mut fine, mut free, mut sink, mut database) =
                (true, [true; 4], true, true, true, true);
            let steps = plan.round();
            assert!(!steps.is_empty());
            for Step { order, .. } in steps {
                match order {
                    Order::KillDaemon | Order::StopDaemon => {
                        assert!(std::mem::replace(&mut daemon, false));
                    }
                    Order::StartDaemon => daemon = true,
                    Order::KillClient(slot) | Order::StopClient(slot) => {
                        assert!(std::mem::replace(&mut clients[slot], false));
                    }
                    Order::StartClient(slot, _) => clients[slot] = true,
                    Order::Weather(weather) => fine = weather == Weather::default(),
                    Order::FillDisk(_) => free = false,
                    Order::FreeDisk => free = true,
                    Order::SinkAway(away) => sink = !away,
                    Order::KillDatabase => assert!(std::mem::replace(&mut database, false)),
                    Order::StartDatabase => database = true,
                    Order::FreezeDatabase(frozen) => database = !frozen,
                    Order::Cut | Order::KillSink | Order::CutDatabase => {}
                }
            }
            assert!(daemon && clients == [true; 4] && fine && free && sink && database);
        }
    }
}
