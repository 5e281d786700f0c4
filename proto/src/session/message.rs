//! What client and daemon say. `distlog/v1/session.proto` explains each field.

use std::borrow::Cow;
use std::fmt;

use crate::id::ProducerId;
use crate::levels::Level;
use crate::record::numbered;

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// Records that a producer dropped since it began: ERROR, WARN, INFO, DEBUG, TRACE.
pub type Dropped = [u64; 5];

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ToDaemon<'a> {
    Hello(Hello<'a>),
    /// A second frame holds the batch.
    Batch(BatchHeader),
    Ping(Ping),
    Bye(Bye),
}

/// The first message of each attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello<'a> {
    /// [`VERSION`].
    pub version: u32,
    /// Whose records will come.
    pub producer: ProducerId,
    /// Rises with each attempt.
    pub epoch: u64,
    /// All before is durable, here or elsewhere.
    pub acked: u64,
    /// There are records up to here.
    pub head: u64,
    /// What was dropped.
    pub dropped: Dropped,
    /// A `RecordBatch` with the source alone: for [`BatchRef`](crate::BatchRef).
    pub source: &'a [u8],
}

/// What stands before a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchHeader {
    /// As the welcome said.
    pub session: u64,
    /// The first offset that it covers.
    pub from: u64,
    /// The offset after the last one that it covers.
    pub to: u64,
}

/// Asks for an [`Ack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ping {
    /// As the welcome said.
    pub session: u64,
    /// The end of the last batch that was sent.
    pub sent: u64,
    /// There are records up to here.
    pub head: u64,
    /// What was dropped.
    pub dropped: Dropped,
    /// The version of the levels that the program applies, or [`NO_LEVELS`], or [`NO_FILTER`].
    pub levels: u64,
}

/// [`Ping::levels`] of a program that has no filter for levels, or is older than these.
pub const NO_FILTER: u64 = 0;
/// [`Ping::levels`] of a program that has a filter and was told no levels.
pub const NO_LEVELS: u64 = 1;
/// The least [`Levels::version`].
pub const FIRST_LEVELS: u64 = 2;

/// The last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bye {
    /// As the welcome said.
    pub session: u64,
    /// Why it ends.
    pub reason: ByeReason,
    /// What was dropped.
    pub dropped: Dropped,
}

/// Why a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ByeReason {
    /// The producer is over; nothing will come any more.
    #[default]
    Done,
    /// It goes to another daemon.
    Moving,
    /// As `Done`, said by whoever brought what a dead process had left.
    Died,
}

/// What a daemon says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ToClient<'a> {
    Welcome(Welcome),
    Ack(Ack),
    Rewind(Rewind),
    Refused(Refused<'a>),
    Closing(Closing),
    Levels(Levels<'a>),
}

/// Answers the hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Welcome {
    /// [`VERSION`] of the daemon.
    pub version: u32,
    /// To be said in each message.
    pub session: u64,
    /// That of the hello.
    pub epoch: u64,
    /// All before is durable; the first batch begins here.
    pub stored_to: u64,
    /// A batch may be sent if it begins before.
    pub credit: u64,
}

/// Says what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // As in Welcome.
pub struct Ack {
    pub session: u64,
    pub stored_to: u64,
    pub credit: u64,
}

/// Says where the next batch must begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // As in Welcome.
pub struct Rewind {
    pub session: u64,
    /// What was sent from here on was not taken.
    pub received_to: u64,
    pub stored_to: u64,
    pub credit: u64,
}

/// There is no session, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused<'a> {
    /// For the client.
    pub reason: RefusedReason,
    /// For a human.
    pub detail: Cow<'a, str>,
    /// The last epoch known, if that is the reason.
    pub epoch: u64,
}

/// The daemon stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // As in Welcome.
pub struct Closing {
    pub session: u64,
}

/// What the program records, on top of what it was started with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)] // As in Welcome.
pub struct Levels<'a> {
    pub session: u64,
    /// Another one for other levels; at least [`FIRST_LEVELS`].
    pub version: u64,
    /// By target: of the same target the last one counts.
    pub sets: Vec<LevelSet<'a>>,
    /// Tasks of which more is recorded.
    pub tasks: Vec<TaskLevel<'a>>,
}

/// Levels by target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LevelSet<'a> {
    /// [`Directives`](crate::levels::Directives) as text.
    pub directives: Cow<'a, str>,
    /// For so long from now, in ns; 0: without an end.
    pub left: u64,
}

/// A task of which all is recorded up to a level, with all below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskLevel<'a> {
    /// A [`TaskId`](crate::TaskId) as text.
    pub task: Cow<'a, str>,
    /// Up to this level.
    pub level: Level,
    /// For so long from now, in ns; 0: without an end.
    pub left: u64,
}

numbered! {
    /// Why there is no session.
    #[non_exhaustive]
    RefusedReason {
        /// A later daemon said something that we do not know.
        #[default]
        Unspecified = 0 "unspecified",
        /// The daemon does not speak the client's version.
        Version = 1 "version",
        /// The epoch is not higher than the last one.
        Epoch = 2 "epoch",
        /// Another attempt of the same producer has taken over.
        Superseded = 3 "superseded",
        /// The session is not, or no longer, one of this connection.
        UnknownSession = 4 "unknown_session",
        /// What came cannot be read.
        Malformed = 5 "malformed",
        /// The batch says that it is of another producer or of other offsets.
        Forged = 6 "forged",
        /// The daemon has as many sessions as it can.
        Busy = 7 "busy",
        /// The client may not, or no longer, send.
        Unauthorized = 8 "unauthorized",
    }
}

impl RefusedReason {
    const DEFAULT: RefusedReason = RefusedReason::Unspecified;
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Refused<'_> {
    /// A refusal with its explanation.
    pub fn new(reason: RefusedReason, detail: impl Into<String>) -> Refused<'static> {
        Refused {
            reason,
            detail: Cow::Owned(detail.into()),
            epoch: 0,
        }
    }

    /// The same, owned.
    pub fn into_owned(self) -> Refused<'static> {
        Refused {
            reason: self.reason,
            detail: Cow::Owned(self.detail.into_owned()),
            epoch: self.epoch,
        }
    }
}

impl Levels<'_> {
    /// The same, owned.
    pub fn into_owned(self) -> Levels<'static> {
        let sets = self.sets.into_iter().map(|set| LevelSet {
            directives: Cow::Owned(set.directives.into_owned()),
            left: set.left,
        });
        let tasks = self.tasks.into_iter().map(|one| TaskLevel {
            task: Cow::Owned(one.task.into_owned()),
            level: one.level,
            left: one.left,
        });
        Levels {
            session: self.session,
            version: self.version,
            sets: sets.collect(),
            tasks: tasks.collect(),
        }
    }
}
