//! JSON, read more strictly than its grammar asks and written in one way only.

mod number;
mod plain;
mod read;
mod strict;
mod time;
mod write;

pub use number::exact;
pub use read::{Field, Unknown, fields, members, string};
pub use strict::{MAX_DEPTH, document};
pub use time::{push_timestamp, strict_timestamp, timestamp};
pub use write::{Object, push_number, push_string};

/// Why bytes are not what they should be. Displays as a short text for people that repeats no content but,
/// shortened, the name of a field.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message on each line says what the fields are")]
pub enum Fault {
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 { at: usize },
    #[error("not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("U+0000 or half a surrogate pair at byte {at}")]
    ForbiddenCharacter { at: usize },
    #[error("{0} must be a JSON object")]
    NotAnObject(&'static str),
    #[error("{object} has more than one field {field:?}")]
    EqualKeys { object: &'static str, field: String },
    #[error("{object} has a field {field:?} that is unknown here")]
    UnknownField { object: &'static str, field: String },
    #[error("{0} is required")]
    Missing(&'static str),
    #[error("{field} must be {expected}")]
    Invalid { field: &'static str, expected: String },
    #[error("{field} {found:?} is unknown here")]
    UnknownType { field: &'static str, found: String },
}

/// The beginning of a text of others, to be shown to people.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
