//! What happens in which scenario.

use std::time::{Duration, Instant};

use crate::hub::SYNC;
use crate::report::{Balance, most_sessions, time};
use crate::time::Time;
use crate::world::{Deed, Size, World};

/// Before this nothing happens, but that all connect.
const CALM: Time = Duration::from_secs(10);
/// A deed is taken back so much later.
const TROUBLE: Duration = Duration::from_secs(30);
/// Time after the end for all to be acknowledged.
const REST: Duration = Duration::from_secs(60);

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Nothing: all begin at once, and log.
    Calm,
    /// One hub is killed, and is back after 30 s.
    Kill,
    /// All hubs are killed at once, and are back after 5 s.
    Outage,
    /// Each hub in turn stops in order and is back 1 s later: an update.
    Rolling,
    /// A tenth of the hubs need 3 s for each sync, for 30 s.
    Slow,
    /// Half of the hubs cannot be reached for 30 s.
    Partition,
    /// All but one hub are killed, and are back after 30 s.
    Crowd,
}

impl Scenario {
    /// What it does; gives the time of the last deed.
    fn plan(self, world: &mut World, hubs: usize) -> Time {
        let mut both = |hub, first, second, after| {
            world.plan(CALM, hub, first);
            world.plan(CALM + after, hub, second);
            CALM + after
        };
        match self {
            Scenario::Calm => CALM,
            Scenario::Kill => both(0, Deed::Kill, Deed::Start, TROUBLE),
            Scenario::Outage => {
                let after = Duration::from_secs(5);
                (0..hubs)
                    .map(|hub| both(hub, Deed::Kill, Deed::Start, after))
                    .max()
                    .unwrap_or(CALM)
            }
            Scenario::Rolling => {
                let mut at = CALM;
                for hub in 0..hubs {
                    world.plan(at, hub, Deed::Stop);
                    world.plan(at + Duration::from_secs(1), hub, Deed::Start);
                    at += Duration::from_secs(2);
                }
                at
            }
            Scenario::Slow => {
                let slow = Deed::Sync(Duration::from_secs(3));
                let hubs = 0..hubs.div_ceil(10);
                hubs.map(|hub| both(hub, slow, Deed::Sync(SYNC), TROUBLE))
                    .max()
                    .unwrap_or(CALM)
            }
            Scenario::Partition => {
                let hubs = 0..hubs.div_ceil(2);
                hubs.map(|hub| both(hub, Deed::Cut, Deed::Heal, TROUBLE))
                    .max()
                    .unwrap_or(CALM)
            }
            Scenario::Crowd => {
                let hubs = 1..hubs;
                hubs.map(|hub| both(hub, Deed::Kill, Deed::Start, TROUBLE))
                    .max()
                    .unwrap_or(CALM)
            }
        }
    }

    /// Runs it and prints a line. Gives whether all was as promised.
    pub fn run(self, size: Size) -> bool {
        let begun = Instant::now();
        let mut world = World::new(size);
        let over = self.plan(&mut world, size.hubs);
        world.run_until(over + TROUBLE);
        let end = over + TROUBLE + REST;
        let is_settled = world.settle(REST);
        let balance = Balance::of(world.clients(), world.hubs());
        let (watch, most) = (&world.watch, size.clients * 99 / 100);
        let back = match self {
            Scenario::Calm => watch.connected(Duration::ZERO, most),
            _ => watch.connected(CALM, most),
        };
        println!(
            "{:<10} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>8} {:>8} {:>9} {:>6} {:>6} {:>9} {:>7}",
            format!("{self:?}").to_lowercase(),
            time(watch.wait(CALM / 2, CALM, 0.5)),
            time(watch.wait(CALM / 2, CALM, 0.99)),
            time(watch.wait(CALM, end, 0.99)),
            time(watch.wait(CALM, end, 1.0)),
            watch.fewest(CALM),
            back.map_or("never".into(), time),
            watch.storm(Duration::ZERO),
            most_sessions(world.hubs()),
            balance.dropped,
            balance.lost,
            balance.twice,
            balance.in_two,
            time(begun.elapsed()),
        );
        is_settled && balance.lost == 0 && balance.twice == 0
    }
}

/// Names of what [`Scenario::run`] prints.
pub fn print_head() {
    println!(
        "{:<10} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>8} {:>8} {:>9} {:>6} {:>6} {:>9} {:>7}",
        "",
        "p50",
        "p99",
        "p99 then",
        "longest",
        "fewest",
        "99% back",
        "hellos/s",
        "sessions",
        "dropped",
        "lost",
        "twice",
        "in two",
        "took"
    );
}
