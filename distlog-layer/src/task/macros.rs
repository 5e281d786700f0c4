//! The macros that open tasks. All expand to `tracing::span!`, so that every other layer sees the span as usual.

/// Opens a top-level task: the beginning of a new trace.
///
/// Fields come first, in the notation of `tracing`; then the text that says what is to be achieved, with arguments as
/// for `format!`. The text before its arguments are filled in is the span's name, so write what changes as an argument.
///
/// ```
/// use distlog_layer::{task, to, val};
///
/// # #[derive(Debug, serde::Serialize)] struct Order { id: u32 }
/// # let order = Order { id: 7 };
/// let job = task!(user = "leo", order = ?val(&order), "http.method" = "GET", "handle order {}", order.id);
/// job.in_scope(|| {
///     to!("check the stock").in_scope(|| tracing::info!("three left"));
/// });
/// ```
#[macro_export]
macro_rules! task {
    ($($tokens:tt)+) => {
        $crate::__task!(@fields [parent: ::core::option::Option::None,] [] $($tokens)+)
    };
}

/// Opens a subtask of the current task; outside any, a top-level one. Otherwise like [`task!`](crate::task).
///
/// ```
/// distlog_layer::to!(shelf = 3, "fetch the tea").in_scope(|| tracing::info!("it is Assam"));
/// ```
#[macro_export]
macro_rules! to {
    ($($tokens:tt)+) => {
        $crate::__task!(@fields [] [] $($tokens)+)
    };
}

/// Opens the task that another process has asked for, in that process' tree.
///
/// The first argument is what the other process sent: a [`TaskId`](crate::TaskId), its text, or an
/// [`RemoteParent`](crate::RemoteParent) made from headers. If it cannot be read, the task begins a new trace. The rest
/// is as for [`task!`](crate::task).
///
/// ```
/// use distlog_layer::import_task;
///
/// let received = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3"; // from a queue, an environment variable, …
/// import_task!(received, queue = "orders", "work on a message").in_scope(|| tracing::info!("done"));
/// ```
#[macro_export]
macro_rules! import_task {
    ($from:expr, $($tokens:tt)+) => {
        $crate::__task!(
            @fields
            [parent: ::core::option::Option::None,]
            [distlog.import = ?$crate::RemoteParent::from($from),]
            $($tokens)+
        )
    };
}

/// Takes fields off the front until the text comes.
#[doc(hidden)]
#[macro_export]
macro_rules! __task {
    (@fields [$($parent:tt)*] [$($fields:tt)*] $name:literal = ?$value:expr, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* $name = ?$value,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] $name:literal = %$value:expr, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* $name = %$value,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] $name:literal = $value:expr, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* $name = $value,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] $text:literal $(, $($arguments:tt)*)?) => {
        $crate::Task::from($crate::__private::span!(
            $($parent)*
            $crate::__private::Level::INFO,
            $text,
            $($fields)*
            message = ::core::format_args!($text $(, $($arguments)*)?)
        ))
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] $($name:ident).+ = ?$value:expr, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* $($name).+ = ?$value,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] $($name:ident).+ = %$value:expr, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* $($name).+ = %$value,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] $($name:ident).+ = $value:expr, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* $($name).+ = $value,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] ?$($name:ident).+, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* ?$($name).+,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] %$($name:ident).+, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* %$($name).+,] $($rest)+)
    };
    (@fields [$($parent:tt)*] [$($fields:tt)*] $($name:ident).+, $($rest:tt)+) => {
        $crate::__task!(@fields [$($parent)*] [$($fields)* $($name).+,] $($rest)+)
    };
}
