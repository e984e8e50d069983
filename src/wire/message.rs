//! Messages of the engine to itself, in inboxes: for now a command that arrived on the wrong partition and is
//! sent home.
//!
//! Value and headers of the command stay as they were, unless they would not fit the inbox. Before them stand the
//! engine's own headers, in a fixed order, so that nothing that upstream wrote can be taken for one of them. The key
//! of the record is the aggregate id, its timestamp is that of the message; what the command had stands in headers.

use super::ENGINE_VERSION;
use super::headers::{Headers, Source, Trace, header_size, record_size};
use super::json::shown;

const FORMAT: &str = "billing.message.format";
const TYPE: &str = "billing.message.type";
const ORIGIN: &str = "billing.message.origin";
const TIMESTAMP: &str = "billing.message.timestamp";
const KEY: &str = "billing.message.key";

const FORMAT_KNOWN: u32 = 1;
const TYPE_COMMAND: &str = "command";

/// A command as upstream wrote it, and where.
#[derive(Clone, Copy, Debug)]
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

/// A message that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A newer engine wrote it: its partition halts.
    #[error("message needs an engine that reads format {needed}, this is {ENGINE_VERSION} and reads {FORMAT_KNOWN}")]
    NewerFormat {
        /// Its format.
        needed: u32,
    },
    /// Likewise, of the format that is known.
    #[error("message needs an engine newer than {ENGINE_VERSION}, which knows no type {message_type:?}")]
    NewerType {
        /// Its type.
        message_type: String,
    },
    /// No engine wrote it.
    #[error("header {0} is missing or damaged")]
    Damaged(&'static str),
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
        let mut next = |name: &'static str| {
            let header = headers.next().filter(|(found, _)| *found == name.as_bytes());
            header.map(|(_, value)| value).ok_or(Error::Damaged(name))
        };
        let text = |value: Option<&'a [u8]>| value.and_then(|value| str::from_utf8(value).ok());
        let format = text(next(FORMAT)?).and_then(|text| text.parse().ok()).ok_or(Error::Damaged(FORMAT))?;
        if format > FORMAT_KNOWN {
            return Err(Error::NewerFormat { needed: format });
        }
        let message_type = text(next(TYPE)?).ok_or(Error::Damaged(TYPE))?;
        if message_type != TYPE_COMMAND {
            return Err(Error::NewerType { message_type: shown(message_type) });
        }
        let origin = next(ORIGIN)?.and_then(Source::parse).ok_or(Error::Damaged(ORIGIN))?;
        let sent_at = text(next(TIMESTAMP)?).and_then(|text| text.parse().ok()).ok_or(Error::Damaged(TIMESTAMP))?;
        let key = next(KEY)?;
        Ok(SentHome { key, value, headers, origin, sent_at })
    }
}
