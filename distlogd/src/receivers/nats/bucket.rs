//! What the members of all groups tell each other: a key-value bucket of JetStream beside the stream.
//!
//! `GROUP.p.3` says who has partition 3, and up to where the group has stored it; it is only ever changed by who knows
//! its last revision, so that of two who want it one gets it. `GROUP.m.ID` changes while the member of that id lives.

use std::time::Duration;

use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use serde::{Deserialize, Serialize};
use tokio_stream::StreamExt;

use crate::nats::{Connection, reason};

/// What was not done because of who is not answered is tried again so often, and so long after each other.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// What stands in the key of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The id of the member that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    /// The stream's place after the last one that is stored.
    pub(super) next: u64,
    /// When the stream was made, in ns since the epoch: places of another one of that name mean nothing.
    pub(super) stream: i64,
}

/// A key that was read.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) revision: u64,
}

/// Why a lease could not be changed.
#[derive(Debug)]
pub(super) enum LeaseError {
    /// Somebody else has it now.
    Lost,
    /// It is not known whether it was changed.
    Unknown(String),
}

/// The bucket of a stream.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Store,
    group: String,
}

impl Bucket {
    /// The bucket, which is made if it is not there.
    ///
    /// # Errors
    /// A sentence that names it.
    pub(super) async fn open(
        connection: &Connection,
        stream: &str,
        group: &str,
        replicas: usize,
    ) -> Result<Bucket, String> {
        let name = format!("{stream}-groups");
        let jetstream = &connection.jetstream;
        if let Ok(store) = jetstream.get_key_value(&name).await {
            return Ok(Bucket::new(store, group));
        }
        // Made as a stream: async-nats does not understand what servers before 2.10 say of the account, which it asks
        // for before it makes a bucket.
        let made = jetstream
            .create_stream(stream_of(&name, stream, replicas))
            .await;
        let opened = jetstream.get_key_value(&name).await;
        opened
            .map(|store| Bucket::new(store, group))
            .map_err(|error| {
                let why = made.map_or_else(|error| reason(&error), |_| reason(&error));
                format!(
                    "cannot open the key-value bucket {name} at {}: {why}{}",
                    connection.at,
                    connection.trouble()
                )
            })
    }

    fn new(store: Store, group: &str) -> Bucket {
        Bucket {
            store,
            group: group.to_owned(),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.store.name
    }

    /// All keys.
    pub(super) async fn keys(&self) -> Result<Vec<String>, String> {
        let all = format!("{}>", self.store.prefix);
        let mut subjects = self
            .store
            .stream
            .info_with_subjects(all)
            .await
            .map_err(|error| reason(&error))?;
        let mut keys = Vec::new();
        while let Some(subject) = subjects.next().await {
            let (subject, _) = subject.map_err(|error| reason(&error))?;
            keys.extend(subject.strip_prefix(&self.store.prefix).map(str::to_owned));
        }
        Ok(keys)
    }

    /// The revision of a key, whatever stands there.
    pub(super) async fn revision(&self, key: &str) -> Result<Option<u64>, String> {
        let entry = self
            .store
            .entry(key)
            .await
            .map_err(|error| reason(&error))?;
        Ok(entry
            .filter(|entry| entry.operation == Operation::Put)
            .map(|entry| entry.revision))
    }

    /// What stands in the key of a partition, of any group.
    pub(super) async fn place(&self, key: &str) -> Result<Option<Read<Place>>, String> {
        let entry = self
            .store
            .entry(key)
            .await
            .map_err(|error| reason(&error))?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&entry.value).map_err(|error| {
            format!(
                "the key {key} of the bucket {} is not as distlogd writes it: {error}",
                self.store.name
            )
        })?;
        Ok(Some(Read {
            value,
            revision: entry.revision,
        }))
    }

    /// Shows that a member lives.
    pub(super) async fn beat(&self, member: &str, about: String) -> Result<(), String> {
        let put = self.store.put(self.member_key(member), about.into()).await;
        put.map(|_| ()).map_err(|error| reason(&error))
    }

    /// Removes a member that has ended or is long dead.
    pub(super) async fn remove_member(&self, member: &str) -> Result<(), String> {
        // Unlike a deleted key it leaves nothing: each daemon has a new id at each start.
        let subject = format!("{}{}", self.store.prefix, self.member_key(member));
        let purged = self.store.stream.purge().filter(subject).await;
        purged.map(|_| ()).map_err(|error| reason(&error))
    }

    pub(super) fn member_key(&self, member: &str) -> String {
        format!("{}.m.{member}", self.group)
    }

    pub(super) fn partition_key(&self, partition: u16) -> String {
        format!("{}.p.{partition}", self.group)
    }

    /// Writes the key of a partition whose last revision is known; gives the new one.
    ///
    /// # Errors
    /// If it was changed by somebody else, or nobody says.
    pub(super) async fn write(
        &self,
        partition: u16,
        place: &Place,
        revision: Option<u64>,
    ) -> Result<u64, LeaseError> {
        let key = self.partition_key(partition);
        let value =
            serde_json::to_vec(place).map_err(|error| LeaseError::Unknown(error.to_string()))?;
        match revision {
            Some(revision) => self
                .store
                .update(&key, value.into(), revision)
                .await
                .map_err(|error| match error.kind() {
                    UpdateErrorKind::WrongLastRevision => LeaseError::Lost,
                    _ => LeaseError::Unknown(reason(&error)),
                }),
            None => self
                .store
                .create(&key, value.into())
                .await
                .map_err(|error| match error.kind() {
                    CreateErrorKind::AlreadyExists => LeaseError::Lost,
                    _ => LeaseError::Unknown(reason(&error)),
                }),
        }
    }
}

/// The stream that a key-value bucket is, as all clients make it.
fn stream_of(bucket: &str, stream: &str, replicas: usize) -> Config {
    Config {
        name: format!("KV_{bucket}"),
        description: Some(format!(
            "who reads which partition of the stream {stream}, and up to where"
        )),
        subjects: vec![format!("$KV.{bucket}.>")],
        max_messages_per_subject: 1,
        max_messages: -1,
        max_bytes: -1,
        max_message_size: -1,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..Config::default()
    }
}

/// The lease of a partition, held by `me`.
pub(super) struct Lease {
    bucket: Bucket,
    partition: u16,
    me: String,
    stream: i64,
    /// All before it is stored by the group.
    pub(super) next: u64,
    revision: u64,
}

impl Lease {
    /// Takes a partition that nobody has, of what stands in its key.
    ///
    /// # Errors
    /// As [`Bucket::write`].
    pub(super) async fn take(
        bucket: &Bucket,
        partition: u16,
        me: &str,
        stream: i64,
        there: Option<&Read<Place>>,
    ) -> Result<Lease, LeaseError> {
        let known = there.filter(|there| there.value.stream == stream);
        let next = known.map_or(0, |there| there.value.next);
        let place = Place {
            owner: Some(me.to_owned()),
            next,
            stream,
        };
        let revision = there.map(|there| there.revision);
        let revision = bucket.write(partition, &place, revision).await?;
        Ok(Lease {
            bucket: bucket.clone(),
            partition,
            me: me.to_owned(),
            stream,
            next,
            revision,
        })
    }

    /// Says that all before `next` is stored.
    ///
    /// # Errors
    /// If somebody else has the partition by now, or nobody says.
    pub(super) async fn commit(&mut self, next: u64) -> Result<(), LeaseError> {
        self.change(next, Some(self.me.clone())).await
    }

    /// Gives the partition back.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    pub(super) async fn release(mut self, next: u64) -> Result<(), LeaseError> {
        self.change(next, None).await
    }

    async fn change(&mut self, next: u64, owner: Option<String>) -> Result<(), LeaseError> {
        let place = Place {
            owner,
            next: next.max(self.next),
            stream: self.stream,
        };
        let mut last = LeaseError::Lost;
        for _ in 0..ATTEMPTS {
            match self
                .bucket
                .write(self.partition, &place, Some(self.revision))
                .await
            {
                Ok(revision) => {
                    self.revision = revision;
                    self.next = place.next;
                    return Ok(());
                }
                Err(LeaseError::Unknown(why)) => last = LeaseError::Unknown(why),
                // It may be our own change, whose answer was lost; and one who answers may be behind.
                Err(LeaseError::Lost) => {
                    let key = self.bucket.partition_key(self.partition);
                    match self.bucket.place(&key).await {
                        Ok(Some(there)) if there.value == place => {
                            self.revision = there.revision;
                            self.next = place.next;
                            return Ok(());
                        }
                        Ok(Some(there)) if there.value.owner.as_deref() == Some(&self.me) => {
                            self.revision = there.revision;
                        }
                        Ok(_) => return Err(LeaseError::Lost),
                        Err(why) => last = LeaseError::Unknown(why),
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(last)
    }
}
