//! Names and numbers that cannot be invalid once they exist.

use std::fmt;
use std::sync::Arc;

/// Longest id, in characters; all of them are ASCII.
pub const MAX_ID_LEN: usize = 128;

/// A text that is no id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")]
pub struct InvalidId;

/// Comparing is done for many bytes at once, looking each up in a table is not.
fn is_allowed(byte: u8) -> bool {
    // Between 0 and colon lie the digits, and only they; dash and dot are neighbours.
    byte.is_ascii_alphabetic() | (b'0'..=b':').contains(&byte) | (b'-'..=b'.').contains(&byte) | (byte == b'_')
}

fn check(text: &str) -> Result<(), InvalidId> {
    let all_allowed = text.bytes().fold(true, |so_far, byte| so_far & is_allowed(byte));
    if (1..=MAX_ID_LEN).contains(&text.len()) && all_allowed { Ok(()) } else { Err(InvalidId) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as an id.
            ///
            /// # Errors
            /// [`InvalidId`] for anything but 1 to 128 characters of `A-Z a-z 0-9 . _ : -`.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text).map(|()| $name(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Names an account or a transaction, and decides its partition.
    AggregateId
);
id!(
    /// Names one attempt of upstream to make something happen, within one aggregate.
    CommandId
);
id!(
    /// Ties together what belongs to one story of upstream.
    CorrelationId
);

impl From<&CommandId> for CorrelationId {
    fn from(id: &CommandId) -> Self {
        CorrelationId(id.0.clone())
    }
}

/// Number of events of an aggregate so far; the number of its latest event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u64);

impl Version {
    /// Of what does not exist yet.
    pub const NONE: Version = Version(0);

    /// The version of the next event.
    pub fn next(self) -> Version {
        Version(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub i64);

/// Fingerprint of a command's type and data: equal exactly when they are equal as JSON values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CommandHash(pub [u8; 16]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_allowed_or_not() {
        for byte in 0..=u8::MAX {
            let wanted = byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
            assert_eq!(is_allowed(byte), wanted, "{byte}");
        }
    }

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["a", "acc-550e8400-e29b-41d4-a716-446655440000", "A.b_c:d-9", &"x".repeat(128)] {
            assert_eq!(AggregateId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a/b", "ä", "a\0", "a\n", &"x".repeat(129)] {
            assert_eq!(AggregateId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }
}
