//! Dead letters: what upstream wrote and cannot be done, unchanged, with why.

use std::borrow::Cow;

use super::ENGINE_VERSION;
use super::headers::{Headers, Source, record_size};

/// Why a record is a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It cannot be read as a command.
    Malformed,
    /// It can, but its topic knows no such command.
    UnknownType,
    /// It is larger than a record may be.
    TooLarge,
    /// Deciding about it panics.
    Panic,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Malformed => "MALFORMED",
            Reason::UnknownType => "UNKNOWN_TYPE",
            Reason::TooLarge => "TOO_LARGE",
            Reason::Panic => "PANIC",
        }
    }
}

/// A record that becomes a dead letter, as upstream wrote it.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the parts of a record")]
pub struct Failed<'a, H> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: H,
    /// Where upstream wrote it.
    pub source: Source<'a>,
    /// When, in milliseconds since the epoch.
    pub timestamp: i64,
    pub reason: Reason,
    /// For people.
    pub error: &'a str,
}

/// Name and value of a header, borrowed from the original or made here.
pub type OwnedHeader<'a> = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);

/// A dead letter, ready to be written.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the parts of a record")]
pub struct DeadLetter<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<OwnedHeader<'a>>,
}

/// All headers that say why begin so; those of an earlier death are replaced.
const PREFIX: &str = "billing.dlq.";

/// Bytes that are left of a key that is too long.
const CUT_KEY: usize = 1024;

/// Characters of an error, which may be what a panic said.
const LONGEST_ERROR: usize = 1024;

impl<'a, H: Headers<'a>> Failed<'a, H> {
    /// The dead letter of at most `max_bytes`. When the whole does not fit, the value is left out, then the
    /// headers, then the end of the key; each is said in a header, with the bytes there were.
    pub fn letter(self, max_bytes: usize) -> DeadLetter<'a> {
        let of_an_earlier_death = |name: &[u8]| name.starts_with(PREFIX.as_bytes());
        let original = self.headers.clone().filter(|(name, _)| !of_an_earlier_death(name));
        let original = original.map(|(name, value)| (Cow::Borrowed(name), value.map(Cow::Borrowed)));
        let mut letter = DeadLetter { key: self.key, value: self.value, headers: original.collect() };
        letter.say("reason", self.reason.as_str());
        letter.say("error", self.error.chars().take(LONGEST_ERROR).collect::<String>());
        letter.say("topic", self.source.topic);
        letter.say("partition", self.source.partition);
        letter.say("offset", self.source.offset);
        letter.say("timestamp", self.timestamp);
        letter.say("engine-version", ENGINE_VERSION);
        for shorten in [DeadLetter::omit_value, DeadLetter::omit_headers, DeadLetter::cut_key] {
            if letter.size() > max_bytes {
                shorten(&mut letter);
            }
        }
        letter
    }
}

impl DeadLetter<'_> {
    fn say(&mut self, name: &str, value: impl ToString) {
        let name = format!("{PREFIX}{name}").into_bytes();
        self.headers.push((Cow::Owned(name), Some(Cow::Owned(value.to_string().into_bytes()))));
    }

    fn size(&self) -> usize {
        record_size(self.key, self.value, self.headers.iter().map(|(name, value)| (&**name, value.as_deref())))
    }

    fn omit_value(&mut self) {
        if let Some(value) = self.value.take() {
            self.say("value-omitted", value.len());
        }
    }

    fn omit_headers(&mut self) {
        let mut omitted = 0;
        self.headers.retain(|(name, value)| {
            let ours = name.starts_with(PREFIX.as_bytes());
            omitted += if ours { 0 } else { name.len() + value.as_ref().map_or(0, |value| value.len()) };
            ours
        });
        if omitted > 0 {
            self.say("headers-omitted", omitted);
        }
    }

    fn cut_key(&mut self) {
        if let Some(key) = self.key
            && let Some((kept, _)) = key.split_at_checked(CUT_KEY)
            && kept.len() < key.len()
        {
            self.key = Some(kept);
            self.say("key-cut", key.len());
        }
    }
}
