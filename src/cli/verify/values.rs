//! How what events say stands in a column, as text.

use std::fmt::Display;

use crate::domain::ids::Timestamp;
use crate::wire::json::push_timestamp;

/// A value that is always there.
pub fn value(value: impl Display) -> Option<String> {
    Some(value.to_string())
}

/// A value, or null.
pub fn optional(value: Option<impl Display>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// A time.
pub fn time(at: Timestamp) -> Option<String> {
    let mut text = Vec::new();
    push_timestamp(&mut text, at);
    String::from_utf8(text).ok()
}
