//! The attributes that distlog writes by itself, by their current names in the
//! [semantic conventions](https://opentelemetry.io/docs/specs/semconv/) of OpenTelemetry.
//!
//! | attribute | of | from | stability |
//! |---|---|---|---|
//! | `service.name` | resource | the service, else `unknown_service:` and the process name | stable |
//! | `service.instance.id` | resource | the producer | stable |
//! | `host.name` | resource | the host | development |
//! | `process.pid`, `process.executable.name` | resource | the process | development |
//! | `deployment.environment.name` | resource | the system: `test`, `staging` or `production` | stable |
//! | `telemetry.sdk.name`, `telemetry.sdk.language` | resource | `distlog` and `rust`, where the source says nothing else | stable |
//! | `code.file.path`, `code.line.number`, `code.function.name` | span, log | the callsite | stable |
//! | `code.stacktrace` | log | the stack of the logging call | stable |
//! | `code.module.name` | span, log | the module, where it is neither target nor part of the function's name | as `tracing-opentelemetry` has it |
//! | `thread.id`, `thread.name` | span, log | the thread | development |
//! | `exception.type`, `exception.message`, `exception.stacktrace` | log, span event | the error with its causes | stable |
//! | `error.type` | span | type of the error that the task failed with | stable |
//! | `level`, `target` | span event | severity and target of the event | as `tracing-opentelemetry` has it |
//! | `distlog.task` | span, log | the task's id | distlog's own |
//! | `distlog.key` | log | the record's label `{n}@{task id}` | distlog's own |
//! | `distlog.message` | span | what the task wants to achieve, where that is not the span's name | distlog's own |
//! | `distlog.outcome` | span | `ok`, `success`, `failed`, `cancelled` or `lost` | distlog's own |
//!
//! The fields of a record keep their own names, and win over these.

#![allow(missing_docs)] // The table above says what each is.

pub const SERVICE_NAME: &str = "service.name";
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
pub const HOST_NAME: &str = "host.name";
pub const PROCESS_PID: &str = "process.pid";
pub const PROCESS_EXECUTABLE_NAME: &str = "process.executable.name";
pub const DEPLOYMENT_ENVIRONMENT_NAME: &str = "deployment.environment.name";
pub const TELEMETRY_SDK_NAME: &str = "telemetry.sdk.name";
pub const TELEMETRY_SDK_LANGUAGE: &str = "telemetry.sdk.language";

pub const CODE_FILE_PATH: &str = "code.file.path";
pub const CODE_LINE_NUMBER: &str = "code.line.number";
pub const CODE_FUNCTION_NAME: &str = "code.function.name";
pub const CODE_MODULE_NAME: &str = "code.module.name";
pub const CODE_STACKTRACE: &str = "code.stacktrace";
pub const THREAD_ID: &str = "thread.id";
pub const THREAD_NAME: &str = "thread.name";
pub const EXCEPTION_TYPE: &str = "exception.type";
pub const EXCEPTION_MESSAGE: &str = "exception.message";
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
pub const ERROR_TYPE: &str = "error.type";
pub const LEVEL: &str = "level";
pub const TARGET: &str = "target";

pub const DISTLOG_TASK: &str = "distlog.task";
pub const DISTLOG_KEY: &str = "distlog.key";
pub const DISTLOG_MESSAGE: &str = "distlog.message";
pub const DISTLOG_OUTCOME: &str = "distlog.outcome";

/// Name of the span event that tells what error a task failed with.
pub const EXCEPTION_EVENT: &str = "exception";
