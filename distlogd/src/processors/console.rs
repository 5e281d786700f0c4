//! Processor `console`: a live view on standard output, indented by task, coloured on a terminal.

use std::io::{self, IsTerminal, Write};

use distlog_proto::RecordRef;
use schemars::JsonSchema;
use serde::Deserialize;

use super::start::Start;
use crate::processor::{Error, Processor, Token};
use crate::tree::paint::{Colour, Look};
use crate::tree::put_line;

/// `console: {}`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "console")]
pub struct Config {}

/// Opens the view.
///
/// # Errors
/// None at present.
pub fn open(_config: &Config, _start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    let plain =
        !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    Ok(Box::new(Console {
        colour: if plain { Colour::Off } else { Colour::On },
        text: String::new(),
    }))
}

struct Console {
    colour: Colour,
    text: String,
}

impl Processor for Console {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        self.text.clear();
        let look = Look::new(self.colour, false);
        for record in records {
            put_line(&mut self.text, look, record);
        }
        let mut out = io::stdout().lock();
        out.write_all(self.text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(Error::retry)
    }

    fn flush(&mut self) -> Result<Token, Error> {
        Ok(Token::default())
    }
}
