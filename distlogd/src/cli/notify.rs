//! Messages to the service manager: `sd_notify(3)` of systemd. Without one, nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

/// The daemon takes records.
pub(super) fn ready() {
    notify(NotifyState::Ready);
}

/// The daemon reads its configuration again; it is [`ready`] afterwards.
pub(super) fn reloading() {
    notify(NotifyState::Reloading);
}

/// The daemon closes its receivers and makes durable what came. It has as long as its `grace` and some time for the
/// store.
pub(super) fn stopping(grace: Duration) {
    notify(NotifyState::Stopping);
    let time = grace.saturating_add(Duration::from_secs(30));
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    notify(NotifyState::ExtendTimeoutUsec(micros));
}

/// Says that the process runs, twice in each `WatchdogSec=`. Returns only where no watchdog is asked for.
pub(super) async fn watchdog() {
    let Some(timeout) = sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero()) else {
        return;
    };
    let mut ticks = tokio::time::interval(timeout / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        notify(NotifyState::Watchdog);
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}
