//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, with where it stands and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fault {
    /// The key, its section before it (`topics.partitions`); of a file that cannot be read, its path.
    pub key: String,
    /// What was found, unless it is a secret or there is nothing to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Which layer said so: a file, a variable of the environment, the defaults.
    pub origin: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { key, origin, problem, remedy, .. } = self;
        match &self.value {
            Some(value) => write!(f, "{key} = {value:?} ({origin}): {problem}; {remedy}"),
            None => write!(f, "{key} ({origin}): {problem}; {remedy}"),
        }
    }
}

/// What a parser of one value has to say: the fault without the place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Wrong { problem: problem.into(), remedy: remedy.into() }
    }
}
