//! Parameters of texts for people.

use super::params::{Param, Params};
use super::problem::Problem;
use super::shapes::Flag;
use crate::tree::paint::{Colour, Look};

pub(super) const COLOR: Param<Flag> = Param {
    name: "color",
    about: "Colours in texts for people.",
    examples: &[],
    shape: Flag { default: false },
};

pub(super) const FULL: Param<Flag> = Param {
    name: "full",
    about: "Cut no long values in texts for people.",
    examples: &[],
    shape: Flag { default: false },
};

/// How texts look.
///
/// # Errors
/// If one of its parameters is wrong.
pub(super) fn look(params: &Params) -> Result<Look, Problem> {
    let colour = if params.get(&COLOR)? {
        Colour::On
    } else {
        Colour::Off
    };
    Ok(Look::new(colour, params.get(&FULL)?))
}
