//! A command that arrived on the wrong partition and is sent home.
//!
//! Value and headers of the command stay as they were, unless they would not fit the inbox. Before them stand the
//! engine's own headers, in a fixed order. The key of the record is the aggregate id, its timestamp is that of the
//! message; what the command had stands in headers.

use super::{Error, FORMAT, FORMAT_KNOWN, TYPE, TYPE_COMMAND, message_type, newer_type, next, text};
use crate::wire::headers::{Headers, Source, Trace, header_size, record_size};

const ORIGIN: &str = "billing.message.origin";
const TIMESTAMP: &str = "billing.message.timestamp";
const KEY: &str = "billing.message.key";

/// A command as upstream wrote it, and where.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the parts of a record")]
pub struct SentHome<'a, H> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: H,
    /// Where upstream wrote it.
    pub origin: Source<'a>,
    /// When, in milliseconds since the epoch.
    pub sent_at: i64,
}

impl<'a, H: Headers<'a>> SentHome<'a, H> {
    /// Hands the headers of the message to `write`, in their order.
    pub fn encode_headers(&self, mut write: impl FnMut(&[u8], Option<&[u8]>)) {
        write(FORMAT.as_bytes(), Some(FORMAT_KNOWN.to_string().as_bytes()));
        write(TYPE.as_bytes(), Some(TYPE_COMMAND.as_bytes()));
        write(ORIGIN.as_bytes(), Some(self.origin.to_string().as_bytes()));
        write(TIMESTAMP.as_bytes(), Some(self.sent_at.to_string().as_bytes()));
        write(KEY.as_bytes(), self.key);
        for (name, value) in self.headers.clone() {
            write(name, value);
        }
    }

    /// Bytes of the message under this key, as [`record_size`] counts them.
    pub fn size(&self, key: &[u8]) -> usize {
        let mut size = record_size(Some(key), self.value, std::iter::empty());
        self.encode_headers(|name, value| size += header_size(name, value));
        size
    }

    /// What is left of a message that would not fit its topic: the headers that no decision needs are left out, and
    /// of the key what is beyond `longest_key`. Only a dead letter would show them again.
    pub fn lean(self, longest_key: usize) -> SentHome<'a, impl Headers<'a>> {
        let SentHome { key, value, headers, origin, sent_at } = self;
        let key = key.map(|key| &key[..key.len().min(longest_key)]);
        SentHome { key, value, headers: Trace::of(headers).headers(), origin, sent_at }
    }

    /// The command in a message of these headers.
    ///
    /// # Errors
    /// A format or type that is not known here, and what no engine wrote.
    pub fn decode(value: Option<&'a [u8]>, mut headers: H) -> Result<Self, Error> {
        let message_type = message_type(&mut headers)?;
        if message_type != TYPE_COMMAND {
            return Err(newer_type(message_type));
        }
        let origin = next(&mut headers, ORIGIN)?.and_then(Source::parse).ok_or(Error::Damaged(ORIGIN))?;
        let sent_at = text(next(&mut headers, TIMESTAMP)?).and_then(|text| text.parse().ok());
        let sent_at = sent_at.ok_or(Error::Damaged(TIMESTAMP))?;
        let key = next(&mut headers, KEY)?;
        Ok(SentHome { key, value, headers, origin, sent_at })
    }
}
