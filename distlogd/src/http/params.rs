//! The parameters of a request. Each is declared once, with its shape; that declaration reads it and describes it.

use std::collections::BTreeMap;

use distlog_rules::nearest;
use serde_json::Value;

use super::problem::{Problem, quoted};
use super::shapes::Shape;
use crate::intake;

/// A parameter.
pub(super) struct Param<T> {
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    pub examples: &'static [&'static str],
    pub shape: T,
}

/// A parameter of any shape, as descriptions have it.
pub(super) trait Described: Sync {
    fn name(&self) -> &'static str;
    fn about(&self) -> &'static str;
    fn is_required(&self) -> bool;
    /// Its JSON Schema, with examples.
    fn schema(&self) -> Value;
    /// Reads it, for the fuzz target.
    #[cfg(feature = "fuzzing")]
    fn read(&self, params: &Params) -> Result<(), Problem>;
}

impl<T: Shape> Described for Param<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn is_required(&self) -> bool {
        T::REQUIRED
    }

    fn schema(&self) -> Value {
        let mut schema = self.shape.schema();
        if !self.examples.is_empty() {
            schema["examples"] = self.examples.into();
        }
        schema
    }

    #[cfg(feature = "fuzzing")]
    fn read(&self, params: &Params) -> Result<(), Problem> {
        params.get(self).map(drop)
    }
}

/// What parameters a request can have.
pub(super) type Known = &'static [&'static dyn Described];

/// The parameters that a request has.
pub(super) struct Params {
    given: BTreeMap<String, String>,
    now: u64,
}

impl Params {
    /// # Errors
    /// If one stands there twice.
    pub(super) fn new(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Params, Problem> {
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            if given.insert(name.clone(), value).is_some() {
                let why = format_args!("{} is given twice: give it once", quoted(&name));
                return Err(Problem::bad_request(why).about(&name, None, None));
            }
        }
        let now = intake::now();
        Ok(Params { given, now })
    }

    /// The same, where there are no other ones than these.
    ///
    /// # Errors
    /// If one is not known.
    pub(super) fn only(self, known: &[&'static str]) -> Result<Params, Problem> {
        let mut names = self.given.keys();
        match names.find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(unknown(name, known)),
            None => Ok(self),
        }
    }

    /// The present time, in ns since the epoch.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Reads a parameter.
    ///
    /// # Errors
    /// If it is wrong, or missing where it is required.
    pub(super) fn get<T: Shape>(&self, param: &Param<T>) -> Result<T::Value, Problem> {
        let given = self.text(param.name);
        param.shape.read(param.name, given, self.now)
    }

    /// A text as it was given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }
}

/// Names that other tools, and the command line, have for some.
const ALIASES: [(&str, &str); 6] = [
    ("since", "from"),
    ("start", "from"),
    ("until", "to"),
    ("end", "to"),
    ("query", "q"),
    ("n", "limit"),
];

fn unknown(name: &str, known: &[&'static str]) -> Problem {
    let alias = ALIASES
        .iter()
        .find(|(alias, meant)| *alias == name && known.contains(meant));
    let meant = alias
        .map(|(_, meant)| *meant)
        .or_else(|| nearest(name, known.iter().copied()));
    let all = known.join(", ");
    let quote = quoted(name);
    let problem = match (meant, known) {
        (_, []) => Problem::bad_request(format_args!(
            "the parameter {quote} is not known: there are none here"
        )),
        (Some(meant), _) => Problem::bad_request(format_args!(
            "the parameter {quote} is not known: did you mean `{meant}`? There are {all}"
        )),
        (None, _) => Problem::bad_request(format_args!(
            "the parameter {quote} is not known: expected {all}"
        )),
    };
    problem.about(name, None, Some(all))
}
