//! [`TaskOutcome`]: what the result of a piece of work says about its task.

use std::fmt::Display;

/// The result of a closure or future that ran as a task. `Err` is a failure, `Ok` none, whatever was logged on the
/// way; other values say nothing, so that what was logged decides.
///
/// Implement it for your own types, if they are the result of a task:
///
/// ```
/// struct Reply { status: u16 }
///
/// impl distlog_layer::TaskOutcome for Reply {
///     fn failure(&self) -> Option<String> {
///         (self.status >= 500).then(|| format!("status {}", self.status))
///     }
/// }
/// ```
pub trait TaskOutcome {
    /// Why the task failed; `None` if it did not.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Whether it says that the work went well, whatever errors were logged on the way. `Ok` does; a value that cannot
    /// tell, such as `()`, does not.
    fn is_success(&self) -> bool {
        false
    }
}

impl<T, E: Display> TaskOutcome for Result<T, E> {
    /// The error's text, in the alternate form, with which `anyhow` and others show the causes, too.
    fn failure(&self) -> Option<String> {
        self.as_ref().err().map(|error| format!("{error:#}"))
    }

    fn is_success(&self) -> bool {
        self.is_ok()
    }
}

impl<T> TaskOutcome for Option<T> {}
impl<T> TaskOutcome for Vec<T> {}
impl<T: ?Sized> TaskOutcome for &T {}
impl<T: ?Sized> TaskOutcome for Box<T> {}

macro_rules! no_failure {
    ($($type:ty),* $(,)?) => {
        $(impl TaskOutcome for $type {})*
    };
}

no_failure!(
    (),
    bool,
    char,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    f32,
    f64,
    String
);

impl<A, B> TaskOutcome for (A, B) {}
impl<A, B, C> TaskOutcome for (A, B, C) {}
