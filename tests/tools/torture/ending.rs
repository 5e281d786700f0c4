//! The end of the rounds: nobody logs any more, and everything arrives where it goes to.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::cluster::Cluster;
use super::daemon::Daemon;
use super::order::Order;
use super::stream::Stream;

/// Between two looks at how far the processors are.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(100);
/// Hubs look oftener than this at how much of the stream is left.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Ends the clients in order, takes what dead ones left, lets everything arrive, and stops the daemons.
///
/// # Errors
/// What the system says.
pub fn rest(cluster: &mut Cluster) -> io::Result<()> {
    cluster.wait("daemons at the end", |cluster| cluster.stored().is_some())?;
    cluster.dismiss_all()?;
    stop_daemons(cluster)?;
    drain(cluster)?;
    (0..cluster.daemons().len()).try_for_each(|number| cluster.obey(Order::StartDaemon(number)))?;
    // Also those that were away: what they have stored goes on from them alone.
    (0..cluster.hubs().len()).try_for_each(|hub| cluster.obey(Order::StartHub(hub)))?;
    catch_up(cluster, "progress of the processors", lag_of_daemons)?;
    rest_stream(cluster)?;
    stop_daemons(cluster)
}

/// Lets everything go through the stream and into the databases, and stops the hubs.
fn rest_stream(cluster: &mut Cluster) -> io::Result<()> {
    while cluster.stream().is_some() && cluster.findings.violations.is_empty() {
        catch_up(cluster, "progress of the hubs in the stream", pending)?;
        catch_up(cluster, "progress of the hubs' processors", lag_of_hubs)?;
        // What they say of the stream is not of the moment.
        std::thread::sleep(LOOK_INTERVAL);
        if (pending(cluster), lag_of_hubs(cluster)) == (Some(0), Some(0)) {
            break;
        }
    }
    (0..cluster.hubs().len()).try_for_each(|hub| cluster.obey(Order::StopHub(hub)))?;
    cluster.wait("the end of the hubs", |cluster| are_absent(cluster.hubs()))?;
    Ok(())
}

fn lag_of_daemons(cluster: &Cluster) -> Option<u64> {
    cluster.daemons().iter().map(Daemon::lag).sum()
}

fn lag_of_hubs(cluster: &Cluster) -> Option<u64> {
    cluster.hubs().iter().map(Daemon::lag).sum()
}

fn pending(cluster: &Cluster) -> Option<u64> {
    cluster.stream().and_then(Stream::pending)
}

fn are_absent(daemons: &[Daemon]) -> bool {
    daemons.iter().all(|daemon| daemon.supervisor.is_absent())
}

/// Waits until nothing is left, however long that takes, as long as it gets less.
fn catch_up(
    cluster: &mut Cluster,
    what: &str,
    left: impl Fn(&Cluster) -> Option<u64>,
) -> io::Result<()> {
    let mut least = u64::MAX;
    while least > 0 {
        let mut now = least;
        let got_on = cluster.wait(what, |cluster| {
            now = left(cluster).unwrap_or(u64::MAX);
            now < least
        })?;
        if !got_on {
            break;
        }
        least = now;
        std::thread::sleep(CATCH_UP_INTERVAL);
    }
    Ok(())
}

fn stop_daemons(cluster: &mut Cluster) -> io::Result<()> {
    (0..cluster.daemons().len()).try_for_each(|number| cluster.obey(Order::StopDaemon(number)))?;
    cluster.wait("the end of the daemons", |cluster| {
        are_absent(cluster.daemons())
    })?;
    Ok(())
}

/// Takes what dead clients left, and nobody else looked after, into the first store.
fn drain(cluster: &mut Cluster) -> io::Result<()> {
    let mut drain = cluster.start_draining()?;
    cluster.wait("the end of draining", |_| {
        drain.ended().is_ok_and(|status| status.is_some())
    })?;
    if drain.ended()?.is_none_or(|status| !status.success()) {
        let failed = format!("draining failed: {}", drain.last_words());
        cluster.findings.violation(failed);
    }
    for path in left(cluster) {
        let left = format!("{} was left after draining", path.display());
        cluster.findings.violation(left);
    }
    Ok(())
}

/// Spool files that are left.
fn left(cluster: &Cluster) -> Vec<PathBuf> {
    cluster
        .spools()
        .iter()
        .flat_map(|spool| std::fs::read_dir(spool).into_iter().flatten())
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "spool"))
        .collect()
}
