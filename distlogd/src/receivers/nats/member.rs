//! A member of the group: shows that it lives, sees who else does, and reads the partitions that fall to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use distlog_proto::ProducerId;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::bucket::{Bucket, Lease, LeaseError, Place, Read};
use super::config::Config;
use super::partition::{End, Reader};
use super::plan::{Plan, plan};
use super::storing::Message;
use crate::nats::{Connection, NatsStream, reason, subject};
use crate::receiver::ReceiverContext;

/// A member shows that it lives so often in the time of a lease.
const BEATS: u32 = 4;
/// Keys of members that were dead for so many leases are removed.
const FORGOTTEN: u32 = 30;
/// How often what all groups have stored is removed from the stream.
const PURGE_INTERVAL: Duration = Duration::from_secs(10);
/// How long partitions may take to be given back.
const RELEASE_TIME: Duration = Duration::from_secs(5);

/// A member of a group.
pub(super) struct Member {
    name: String,
    config: Config,
    id: String,
    connection: Arc<Connection>,
    bucket: Bucket,
    found: NatsStream,
    context: ReceiverContext,
    messages: mpsc::Sender<Message>,
    /// What is read here.
    reading: HashMap<u16, Reading>,
    /// The revisions of keys, and since when they are these.
    seen: HashMap<String, (u64, Instant)>,
    beat_at: Instant,
    purged_at: Instant,
    /// How far each partition was stored, and when.
    stored: HashMap<u16, Vec<(Instant, u64)>>,
    said: Vec<u16>,
}

/// A partition that is read here.
struct Reading {
    stop: watch::Sender<bool>,
    task: JoinHandle<End>,
    /// Messages that are not stored yet.
    pending: Arc<AtomicU64>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // How far the group is behind is not known here any more.
        self.context.metrics.source(&self.name, 0, None);
    }
}

impl Member {
    /// Joins the group.
    ///
    /// # Errors
    /// A sentence.
    pub(super) async fn join(
        name: &str,
        config: &Config,
        connection: Connection,
        context: &ReceiverContext,
        messages: mpsc::Sender<Message>,
    ) -> Result<Member, String> {
        let settings = crate::nats::Settings::default();
        let Some(found) = NatsStream::find(&connection, &config.stream, &settings).await? else {
            return Err(format!(
                "there is no stream {} at {}: processors `nats` make it when they start",
                config.stream, connection.at
            ));
        };
        let replicas = found.stream.cached_info().config.num_replicas;
        let bucket = Bucket::open(&connection, &config.stream, &config.group, replicas).await?;
        let now = Instant::now();
        let member = Member {
            name: name.to_owned(),
            config: config.clone(),
            id: ProducerId::random().to_string(),
            connection: Arc::new(connection),
            bucket,
            found,
            context: context.clone(),
            messages,
            reading: HashMap::new(),
            seen: HashMap::new(),
            beat_at: now,
            purged_at: now,
            stored: HashMap::new(),
            said: Vec::new(),
        };
        member.beat().await?;
        tracing::info!(
            source = member.name,
            "joined the group {} of the stream {} at {}, {} partitions",
            config.group,
            config.stream,
            member.connection.at,
            member.found.partitions
        );
        Ok(member)
    }

    /// How often [`Member::act`] is to be called.
    pub(super) fn interval(&self) -> Duration {
        self.config.lease / BEATS
    }

    /// Shows that it lives, and takes and gives back what the others' presence asks for.
    ///
    /// # Errors
    /// A sentence: it is to be called again. Without success for as long as a lease, nothing is read any more.
    pub(super) async fn act(&mut self) -> Result<(), String> {
        let acted = self.try_act().await;
        match &acted {
            Ok(()) => {}
            // Others have taken the partitions.
            Err(_) if self.beat_at.elapsed() > self.config.lease => self.reading.clear(),
            Err(_) => {}
        }
        self.reap().await?;
        self.say();
        self.count();
        acted.map_err(|why| {
            format!(
                "cannot use the key-value bucket {} at {}: {why}{}",
                self.bucket.name(),
                self.connection.at,
                self.connection.trouble()
            )
        })
    }

    async fn try_act(&mut self) -> Result<(), String> {
        self.beat().await?;
        self.beat_at = Instant::now();
        let keys = self.bucket.keys().await?;
        if !keys.contains(&self.bucket.member_key(&self.id)) {
            return Err(
                "it has not what was written there just now: its servers have lost messages (nats-server 2.9 can, when \
                 several of its servers are killed); if that lasts, delete the bucket, and groups read the stream anew"
                    .into(),
            );
        }
        let members = self.alive(&keys).await?;
        let mut places = Vec::new();
        for partition in 0..self.found.partitions {
            let key = self.bucket.partition_key(partition);
            let place = if keys.contains(&key) {
                self.bucket.place(&key).await?
            } else {
                None
            };
            let owner = place.as_ref().map(|place| place.value.owner.as_deref());
            if owner != Some(Some(self.id.as_str())) {
                // We were taken for dead, and somebody else has it: he reads on from where the group was.
                self.reading.remove(&partition);
            }
            places.push(place);
        }
        let owners: Vec<Option<&str>> = places
            .iter()
            .zip(0..)
            .map(|(place, partition)| self.owner(partition, place.as_ref(), &members))
            .collect();
        let Plan { take, release } = plan(&self.id, &members, &owners);
        for partition in take {
            self.take(partition, places[usize::from(partition)].as_ref())
                .await?;
        }
        for (partition, place) in (0..).zip(places) {
            if let Some(place) = place {
                self.disown(partition, place).await?;
            }
        }
        self.release(&release).await;
        if self.config.purge && self.purged_at.elapsed() >= PURGE_INTERVAL {
            self.purged_at = Instant::now();
            self.purge(&keys).await?;
        }
        Ok(())
    }

    async fn beat(&self) -> Result<(), String> {
        let about = serde_json::json!({
            "host": crate::host::hostname(),
            "process": std::process::id(),
        });
        self.bucket.beat(&self.id, about.to_string()).await
    }

    /// The members that live: whose key has changed in the time of a lease.
    async fn alive(&mut self, keys: &[String]) -> Result<Vec<String>, String> {
        let prefix = self.bucket.member_key("");
        let now = Instant::now();
        let mut members = vec![self.id.clone()];
        let mut seen = HashMap::new();
        for key in keys {
            let Some(member) = key
                .strip_prefix(&prefix)
                .filter(|member| *member != self.id)
            else {
                continue;
            };
            let Some(revision) = self.bucket.revision(key).await? else {
                continue;
            };
            let known = self.seen.get(key).filter(|known| known.0 == revision);
            let (_, since) = known.copied().unwrap_or((revision, now));
            seen.insert(key.clone(), (revision, since));
            if since.elapsed() <= self.config.lease {
                members.push(member.to_owned());
            } else if since.elapsed() > self.config.lease * FORGOTTEN {
                self.bucket.remove_member(member).await?;
            }
        }
        self.seen = seen;
        Ok(members)
    }

    /// Who has a partition, if he lives.
    fn owner<'a>(
        &'a self,
        partition: u16,
        place: Option<&'a Read<Place>>,
        members: &[String],
    ) -> Option<&'a str> {
        if self.reading.contains_key(&partition) {
            return Some(&self.id);
        }
        let owner = place?.value.owner.as_deref()?;
        // What is ours and not read has failed, and is free.
        (owner != self.id && members.iter().any(|member| member == owner)).then_some(owner)
    }

    async fn take(&mut self, partition: u16, there: Option<&Read<Place>>) -> Result<(), String> {
        let made = NatsStream::made(self.found.stream.cached_info());
        let lease = match Lease::take(&self.bucket, partition, &self.id, made, there).await {
            Ok(lease) => lease,
            Err(LeaseError::Lost) => return Ok(()),
            Err(LeaseError::Unknown(why)) => return Err(why),
        };
        let (stop, stopped) = watch::channel(false);
        let pending = Arc::new(AtomicU64::new(0));
        let reader = Reader {
            connection: Arc::clone(&self.connection),
            stream: self.config.stream.clone(),
            made,
            partition,
            key: key(&self.config.stream, made, partition),
            lease,
            intake: self.context.intake.clone(),
            messages: self.messages.clone(),
            pending: Arc::clone(&pending),
            stop: stopped,
        };
        let task = tokio::spawn(reader.run());
        let reading = Reading {
            stop,
            task,
            pending,
        };
        self.reading.insert(partition, reading);
        Ok(())
    }

    /// Gives back what is ours by its key and is not read here: reading has failed, or we were away for too long. While
    /// we live nobody else takes it.
    async fn disown(&self, partition: u16, place: Read<Place>) -> Result<(), String> {
        let is_ours = place.value.owner.as_deref() == Some(self.id.as_str());
        if !is_ours || self.reading.contains_key(&partition) {
            return Ok(());
        }
        let free = Place {
            owner: None,
            ..place.value
        };
        let written = self.bucket.write(partition, &free, Some(place.revision));
        match written.await {
            Ok(_) | Err(LeaseError::Lost) => Ok(()),
            Err(LeaseError::Unknown(why)) => Err(why),
        }
    }

    async fn release(&mut self, partitions: &[u16]) {
        let stopping: Vec<(u16, Reading)> = partitions
            .iter()
            .filter_map(|partition| Some((*partition, self.reading.remove(partition)?)))
            .collect();
        stopping
            .iter()
            .for_each(|(_, reading)| _ = reading.stop.send(true));
        for (_, mut reading) in stopping {
            // Who does not end in time is aborted; its lease ends with us.
            let _ = timeout(RELEASE_TIME, &mut reading.task).await;
        }
    }

    /// Forgets the partitions that are no longer read.
    async fn reap(&mut self) -> Result<(), String> {
        let ended = self
            .reading
            .iter()
            .filter(|(_, reading)| reading.task.is_finished());
        let ended: Vec<u16> = ended.map(|(partition, _)| *partition).collect();
        let mut failed = None;
        for partition in ended {
            let Some(mut reading) = self.reading.remove(&partition) else {
                continue;
            };
            match (&mut reading.task).await {
                Ok(End::Failed(why)) => failed = Some(why),
                Ok(End::Lost) => {
                    tracing::debug!(source = self.name, partition, "another daemon has it now");
                }
                Ok(End::Released | End::Closed) => {}
                Err(error) => {
                    tracing::error!(source = self.name, partition, "reading failed: {error}")
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Removes from the stream what all groups have stored for longer than it recognises what is published again:
    /// after a restart a server knows only the ids of messages that are there.
    async fn purge(&mut self, keys: &[String]) -> Result<(), String> {
        let info = self.found.stream.cached_info();
        let (window, made) = (info.config.duplicate_window, NatsStream::made(info));
        let now = Instant::now();
        let mine: Vec<u16> = self.reading.keys().copied().collect();
        self.stored.retain(|partition, _| mine.contains(partition));
        for partition in mine {
            let suffix = format!(".p.{partition}");
            let mut least = u64::MAX;
            for key in keys.iter().filter(|key| key.ends_with(&suffix)) {
                let place = self.bucket.place(key).await?.map(|read| read.value);
                let place = place.filter(|place| place.stream == made);
                least = least.min(place.map_or(0, |place| place.next));
            }
            if least == u64::MAX {
                continue;
            }
            let stored = self.stored.entry(partition).or_default();
            if stored.last().is_none_or(|last| last.1 < least) {
                stored.push((now, least));
            }
            let old = stored.partition_point(|(at, _)| at.elapsed() > window);
            let Some((_, next)) = stored.drain(..old).next_back() else {
                continue;
            };
            let subject = subject(&self.config.stream, partition);
            // Keeps the place itself, and all after it.
            let purge = self.found.stream.purge().sequence(next).filter(subject);
            purge.await.map_err(|error| reason(&error))?;
        }
        Ok(())
    }

    /// Says which partitions are read here, when they are others than before.
    fn say(&mut self) {
        let mut mine: Vec<u16> = self.reading.keys().copied().collect();
        mine.sort_unstable();
        if mine == self.said {
            return;
        }
        let list: Vec<String> = mine.iter().map(u16::to_string).collect();
        let list = if list.is_empty() {
            "none".to_owned()
        } else {
            list.join(", ")
        };
        tracing::info!(
            source = self.name,
            "reads the partitions {list} of the stream {}",
            self.config.stream
        );
        self.said = mine;
    }

    /// Tells the metrics how far this daemon is.
    fn count(&self) {
        let pending = self.reading.values();
        let pending = pending.map(|reading| reading.pending.load(Ordering::Relaxed));
        let metrics = &self.context.metrics;
        metrics.source(&self.name, self.reading.len(), Some(pending.sum()));
    }

    /// Gives everything back and leaves.
    pub(super) async fn leave(mut self) {
        let mine: Vec<u16> = self.reading.keys().copied().collect();
        self.release(&mine).await;
        if let Err(why) = self.bucket.remove_member(&self.id).await {
            tracing::debug!(
                source = self.name,
                "the group does not hear that we leave: {why}"
            );
        }
    }
}

/// Names a partition in the store, where it has a position as producers do.
fn key(stream: &str, made: i64, partition: u16) -> ProducerId {
    let hash = Sha256::digest(format!("nats\0{stream}\0{made}\0{partition}"));
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    ProducerId::from_bytes(key)
}
