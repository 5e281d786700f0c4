//! Everything that is simulated, and what happens to it.

use std::time::Duration;

use distlog_proto::ProducerId;

use crate::hub::{Hub, Order};
use crate::network::{Dialer, Network, Wire};
use crate::producer::Producer;
use crate::report::Watch;
use crate::time::{Agenda, Time};

/// How often a client and a hub look at the time.
const TICK: Duration = Duration::from_millis(100);

/// How many there are of what.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Size {
    /// Clients.
    #[arg(long, default_value_t = 10_000)]
    pub clients: usize,
    /// Hubs.
    #[arg(long, default_value_t = 50)]
    pub hubs: usize,
    /// Hubs that a client knows: one of its own, and others in an order of its own.
    #[arg(long, default_value_t = 3)]
    pub endpoints: usize,
    /// Records that each client logs a second.
    #[arg(long, default_value_t = 100)]
    pub rate: u64,
    /// Decides what is random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What is done to hubs.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    Kill,
    /// It stops in order.
    Stop,
    Start,
    Cut,
    Heal,
    /// Each sync takes so long from now on.
    Sync(Duration),
}

enum Event {
    Wire(Wire),
    /// A client logs what it logs in 100 ms.
    Log(usize),
    Tick(usize),
    /// The sync of a hub in its nth life is through.
    Synced(usize, u64),
    /// A hub has read a message, and takes the next.
    Read(usize, u64),
    Do(usize, Deed),
    Look,
}

pub struct World {
    size: Size,
    agenda: Agenda<Event>,
    network: Network,
    clients: Vec<Producer>,
    hubs: Vec<Hub>,
    random: u64,
    is_logging: bool,
    pub watch: Watch,
}

impl World {
    pub fn new(size: Size) -> World {
        let mut world = World {
            size,
            agenda: Agenda::new(),
            network: Network::new(size.hubs, size.seed),
            clients: Vec::new(),
            hubs: (0..size.hubs).map(|_| Hub::new()).collect(),
            random: size.seed,
            is_logging: true,
            watch: Watch::default(),
        };
        for client in 0..size.clients {
            let mut hubs = vec![client % size.hubs];
            while hubs.len() < size.endpoints.min(size.hubs) {
                let other = (world.random() % size.hubs as u64) as usize;
                if !hubs.contains(&other) {
                    hubs.push(other);
                }
            }
            let mut id = [1; 16];
            id[..8].copy_from_slice(&world.random().to_be_bytes());
            let dialer = Dialer {
                network: world.network.clone(),
                client,
                hubs,
            };
            let instant = world.agenda.instant();
            let id = ProducerId::from_bytes(id);
            world.clients.push(Producer::new(id, dialer, instant));
            let first = world.part_of(TICK);
            world.agenda.plan(first, Event::Log(client));
        }
        for hub in 0..size.hubs {
            let first = world.part_of(TICK);
            world.agenda.plan(first, Event::Tick(hub));
        }
        world.agenda.plan(Duration::ZERO, Event::Look);
        world.plan_wires();
        world
    }

    /// Plans a deed.
    pub fn plan(&mut self, at: Time, hub: usize, deed: Deed) {
        self.agenda.plan(at, Event::Do(hub, deed));
    }

    /// Lets time go on until then.
    pub fn run_until(&mut self, end: Time) {
        while let Some(event) = self.agenda.next(end) {
            self.happen(event);
        }
    }

    /// Nobody logs any more; gives whether all is acknowledged within this time.
    pub fn settle(&mut self, within: Duration) -> bool {
        self.is_logging = false;
        let end = self.agenda.now() + within;
        self.run_until(end);
        self.clients
            .iter()
            .all(|client| client.records.acked() == client.records.head())
    }

    pub fn clients(&self) -> &[Producer] {
        &self.clients
    }

    pub fn hubs(&self) -> &[Hub] {
        &self.hubs
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn part_of(&mut self, time: Duration) -> Duration {
        Duration::from_nanos(self.random() % time.as_nanos() as u64)
    }

    fn plan_wires(&mut self) {
        let now = self.agenda.now();
        for (after, wire) in self.network.take_planned() {
            self.agenda.plan(now + after, Event::Wire(wire));
        }
    }

    fn happen(&mut self, event: Event) {
        let (now, instant) = (self.agenda.now(), self.agenda.instant());
        match event {
            Event::Wire(Wire::Connect(link)) => self.network.connect(link),
            Event::Wire(Wire::ToClient(link)) => {
                if let Some(client) = self.network.arrive(link) {
                    self.clients[client].work(now, instant);
                }
            }
            Event::Wire(Wire::ToHub(link)) => {
                if let Some(hub) = self
                    .network
                    .hub_of(link)
                    .filter(|hub| self.hubs[*hub].is_up)
                {
                    self.hubs[hub].inbox.push_back(link);
                    if !self.hubs[hub].is_busy {
                        self.read(hub);
                    }
                }
            }
            Event::Read(hub, life) if self.hubs[hub].life == life => self.read(hub),
            Event::Log(client) => {
                // What does not divide by ten comes with the first of each ten.
                let (rate, tenth) = (self.size.rate, now.as_millis() / 100 % 10);
                let records = rate / 10 + if tenth == 0 { rate % 10 } else { 0 };
                let records = if self.is_logging { records } else { 0 };
                self.clients[client].log(records, now, instant);
                self.agenda.plan(now + TICK, Event::Log(client));
            }
            Event::Tick(hub) => {
                if self.hubs[hub].is_up {
                    self.with_hub(hub, |hub, orders| hub.tick(instant, orders));
                }
                self.agenda.plan(now + TICK, Event::Tick(hub));
            }
            Event::Synced(hub, life) if self.hubs[hub].life == life => {
                self.with_hub(hub, |hub, orders| hub.synced(instant, orders));
            }
            Event::Read(..) | Event::Synced(..) => {}
            Event::Do(hub, deed) => self.do_to(hub, deed),
            Event::Look => {
                self.watch.look(now, &mut self.clients, &mut self.hubs);
                self.agenda.plan(now + TICK, Event::Look);
            }
        }
        self.plan_wires();
    }

    /// A hub reads the next message, if there is one.
    fn read(&mut self, hub: usize) {
        let instant = self.agenda.instant();
        self.hubs[hub].is_busy = false;
        while let Some(link) = self.hubs[hub].inbox.pop_front() {
            let Some((peer, message)) = self.network.read(link) else {
                continue;
            };
            let cost = Hub::cost(&message);
            let life = self.hubs[hub].life;
            self.hubs[hub].is_busy = true;
            self.agenda
                .plan(self.agenda.now() + cost, Event::Read(hub, life));
            self.with_hub(hub, |hub, orders| {
                hub.handle(peer, &message, instant, orders)
            });
            return;
        }
    }

    fn with_hub(&mut self, number: usize, then: impl FnOnce(&mut Hub, &mut Vec<Order>)) {
        let mut orders = Vec::new();
        then(&mut self.hubs[number], &mut orders);
        for order in orders {
            match order {
                Order::Synced(after) => {
                    let life = self.hubs[number].life;
                    self.agenda
                        .plan(self.agenda.now() + after, Event::Synced(number, life));
                }
                Order::Say(peer, say) => {
                    let mut bytes = Vec::new();
                    say.encode(&mut bytes);
                    if !self.network.answer(peer, bytes, Duration::ZERO) {
                        self.hubs[number].gone(peer);
                    }
                }
            }
        }
    }

    fn do_to(&mut self, hub: usize, deed: Deed) {
        match deed {
            Deed::Kill => {
                let wrote = self.random().is_multiple_of(2);
                self.hubs[hub].kill(wrote);
                self.network.set_up(hub, false);
            }
            Deed::Stop => {
                self.with_hub(hub, Hub::closing);
                // Clients have 300 ms to go.
                let later = self.agenda.now() + 3 * TICK;
                self.agenda.plan(later, Event::Do(hub, Deed::Kill));
            }
            Deed::Start => {
                self.hubs[hub].is_up = true;
                self.network.set_up(hub, true);
            }
            Deed::Cut => self.network.set_cut(hub, true),
            Deed::Heal => self.network.set_cut(hub, false),
            Deed::Sync(time) => self.hubs[hub].sync = time,
        }
    }
}
