//! A daemon with a processor of its own: all of `distlogd`, plus `alarm`, which prints a line for each failed task.
//!
//! Rules name it like any other processor:
//!
//! ```yaml
//! rules:
//!   - when: kind == "end" && outcome == "failed"
//!     to: [alarm]
//! ```

use std::process::ExitCode;

use distlog_proto::RecordRef;
use distlogd::processor::{Error, Processor, Token};

struct Alarm;

impl Processor for Alarm {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        for record in records {
            println!("ALARM {}: {}", record.source.service, record.message);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Token, Error> {
        Ok(Token::default())
    }
}

fn main() -> ExitCode {
    distlogd::cli::main_with(|daemon| daemon.processor("alarm", |_token| Ok(Box::new(Alarm))))
}
