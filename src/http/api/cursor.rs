//! Cursors: where a page ended, opaque to whoever carries it to the next.
//!
//! A cursor holds the key of the last row and a checksum over that key and the list it was given out for. It keeps no
//! secret and needs none, for whoever made one up would get what every reader of the list may get; but one that was
//! cut, changed or taken to another list is refused instead of leading somewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::ids::AggregateId;
use crate::http::{Code, Problem};
use crate::queries::{Moment, TransactionKey};

/// How much of the checksum is carried.
const CHECK_BYTES: usize = 8;

/// What a list is ordered by.
pub(super) trait Key: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

impl Key for String {
    fn write(&self) -> String {
        self.clone()
    }

    fn read(text: &str) -> Option<Self> {
        AggregateId::parse(text).ok().map(|_| text.to_owned())
    }
}

impl Key for i64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Key for TransactionKey {
    fn write(&self) -> String {
        format!("{} {}", self.at.0, self.id)
    }

    fn read(text: &str) -> Option<Self> {
        let (at, id) = text.split_once(' ')?;
        let key = TransactionKey { at: Moment(at.parse().ok()?), id: id.to_owned() };
        AggregateId::parse(id).ok().map(|_| key)
    }
}

/// A list: its name, and what it was asked for.
pub(super) struct List<'a>(pub(super) &'a [&'a str]);

impl List<'_> {
    /// The cursor behind the row with that key.
    pub(super) fn cursor<K: Key>(&self, key: &K) -> String {
        let key = key.write();
        let mut bytes = self.checksum(key.as_bytes()).to_vec();
        bytes.extend_from_slice(key.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key that a cursor of this list was made with.
    pub(super) fn key<K: Key>(&self, cursor: &str) -> Result<K, Problem> {
        self.opened(cursor)
            .ok_or_else(|| Problem::new(Code::InvalidCursor, "the cursor is none that was given out for this list"))
    }

    fn opened<K: Key>(&self, cursor: &str) -> Option<K> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (check, key) = bytes.split_first_chunk::<CHECK_BYTES>()?;
        let intact = *check == self.checksum(key);
        if intact { K::read(str::from_utf8(key).ok()?) } else { None }
    }

    fn checksum(&self, key: &[u8]) -> [u8; CHECK_BYTES] {
        let mut hash = Sha256::new();
        for part in self.0.iter().map(|part| part.as_bytes()).chain([key]) {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|at| digest[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: List<'_> = List(&["transactions", "acc-1", ""]);

    fn key() -> TransactionKey {
        TransactionKey { at: Moment(-5), id: "tx:1".into() }
    }

    #[test]
    fn a_cursor_leads_back_to_its_key() {
        assert_eq!(LIST.key::<TransactionKey>(&LIST.cursor(&key())).unwrap(), key());
        assert_eq!(LIST.key::<i64>(&LIST.cursor(&7_i64)).unwrap(), 7);
        assert_eq!(LIST.key::<String>(&LIST.cursor(&"a.b".to_owned())).unwrap(), "a.b");
    }

    #[test]
    fn a_cursor_of_another_list_is_none() {
        let cursor = LIST.cursor(&key());
        for other in [List(&["transactions", "acc-2", ""]), List(&["transactions", "acc-1"]), List(&[])] {
            assert!(other.key::<TransactionKey>(&cursor).is_err());
        }
        // The same letters, cut elsewhere.
        assert!(List(&["transactionsacc-1", "", ""]).key::<TransactionKey>(&cursor).is_err());
    }

    #[test]
    fn a_cursor_with_one_letter_changed_lost_or_added_is_none() {
        let cursor = LIST.cursor(&key());
        for at in 0..cursor.len() {
            let changed = if cursor.as_bytes()[at] == b'A' { "B" } else { "A" };
            for altered in [
                format!("{}{changed}{}", &cursor[..at], &cursor[at + 1..]),
                format!("{}{}", &cursor[..at], &cursor[at + 1..]),
                format!("{}A{}", &cursor[..at], &cursor[at..]),
            ] {
                assert!(altered == cursor || LIST.key::<TransactionKey>(&altered).is_err(), "{altered}");
            }
        }
    }
}
