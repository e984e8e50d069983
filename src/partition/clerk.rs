//! Writes down what a record caused: events, replies, dead letters, messages. Everything goes to the partition number
//! of the record, explicitly; only what is for another aggregate goes to that one's home.

use crate::domain::Recorded;
use crate::domain::ids::AggregateId;
use crate::domain::message::{Content, Letter};
use crate::log::{Drafts, HeaderIter, Lane, Offset, PerLane, Record, Topic};
use crate::wire::dead_letter::{Failed, Reason};
use crate::wire::message::{self, SentHome};
use crate::wire::{self, Headers, Reply, Request, Source, Trace, Wire};

use super::Settings;
use super::placement::partition_of;

/// Where answers go.
pub const REPLIES: Topic = Topic("replies");
/// Where what cannot be read or decided goes.
pub const DEAD_LETTERS: Topic = Topic("dead-letters");
/// Where accounts hear from others.
pub const ACCOUNT_INBOX: Topic = Topic("account.inbox");
/// Where transactions hear from others.
pub const TRANSACTION_INBOX: Topic = Topic("transaction.inbox");

/// Bytes that are left of the key of a message that would not fit: with the largest command it does then.
const LONGEST_CARRIED_KEY: usize = 1024;

/// Writes drafts for one partition.
pub struct Clerk {
    partition: u32,
    partitions: u32,
    events: Topic,
    inbox: Topic,
    lanes: PerLane<String>,
    event_bytes: usize,
    carried_bytes: usize,
}

/// A record, and the topic it came by.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// The topic.
    pub lane: Lane,
    /// The record.
    pub record: Record<'a>,
}

/// What made an aggregate do something, as the records tell that it caused.
#[derive(Clone, Copy, Default)]
pub struct Trigger<'a> {
    /// The record; none when it was time alone.
    pub source: Option<(Lane, Offset)>,
    /// The trace of upstream.
    pub trace: Trace<'a>,
}

impl<'a> Trigger<'a> {
    /// This record did it.
    pub fn of(Arrival { lane, record }: Arrival<'a>) -> Self {
        Trigger { source: Some((lane, record.offset)), trace: Trace::of(record.headers.iter()) }
    }
}

impl Clerk {
    /// The clerk of that partition.
    pub fn new(settings: &Settings, partition: u32) -> Self {
        Clerk {
            partition,
            partitions: settings.partitions,
            events: settings.spec.events,
            inbox: settings.spec.inbox,
            lanes: PerLane::from_fn(|lane| settings.topic_name(lane).to_owned()),
            event_bytes: settings.event_bytes,
            carried_bytes: settings.carried_bytes,
        }
    }

    /// Most bytes of key, value and headers of an event.
    pub fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// Where a record of this partition lies.
    pub fn source(&self, (lane, offset): (Lane, Offset)) -> Source<'_> {
        Source { topic: self.lanes.of(lane), partition: self.partition, offset }
    }

    /// Writes one event; answers the bytes that it takes on the log.
    pub fn event<A: Wire>(
        &self,
        drafts: &mut Drafts,
        Trigger { source, trace }: Trigger<'_>,
        aggregate_id: &AggregateId,
        event: &Recorded<A::Event>,
    ) -> usize {
        let source = source.map(|place| self.source(place));
        drafts.push(self.events, self.partition, None, |draft| {
            draft.key(aggregate_id.as_str().as_bytes());
            draft.value_with(|bytes| wire::event::encode_value::<A>(bytes, aggregate_id, event));
            wire::event::encode_headers::<A>(event, source, trace, |name, value| draft.header(name, value));
        });
        let written = drafts.get(drafts.len() - 1);
        wire::record_size(written.key, written.value, written.headers.iter())
    }

    /// Answers a command.
    pub fn reply(&self, drafts: &mut Drafts, trace: Trace<'_>, reply: &Reply<'_>) {
        drafts.push(REPLIES, self.partition, None, |draft| {
            draft.key(reply.aggregate_id.as_str().as_bytes());
            draft.value_with(|bytes| reply.encode_value(bytes));
            for (name, value) in std::iter::once(reply.header()).chain(trace.headers()) {
                draft.header(name, value);
            }
        });
    }

    /// Sends a message to the aggregate it is for.
    pub fn letter(&self, drafts: &mut Drafts, trace: Trace<'_>, letter: &Letter) {
        let inbox = match letter.body {
            Content::Account(_) => ACCOUNT_INBOX,
            Content::Transaction(_) => TRANSACTION_INBOX,
        };
        let key = letter.to.as_str();
        drafts.push(inbox, partition_of(key, self.partitions), None, |draft| {
            draft.key(key.as_bytes());
            draft.value_with(|bytes| message::encode_value(bytes, letter));
            message::encode_headers(letter, trace, |name, value| draft.header(name, value));
        });
    }

    /// Puts a record of upstream aside that cannot be read or decided, with the coordinates upstream knows.
    pub fn dead_letter<'a>(
        &self,
        drafts: &mut Drafts,
        written: SentHome<'a, HeaderIter<'a>>,
        reason: Reason,
        error: &str,
    ) {
        let SentHome { key, value, headers, origin, sent_at } = written;
        let failed = Failed { key, value, headers, source: origin, timestamp: sent_at, reason, error };
        let letter = failed.letter(self.carried_bytes);
        drafts.push(DEAD_LETTERS, self.partition, None, |draft| {
            if let Some(key) = letter.key {
                draft.key(key);
            }
            if let Some(value) = letter.value {
                draft.value(value);
            }
            for (name, value) in &letter.headers {
                draft.header(name, value.as_deref());
            }
        });
    }

    /// Sends a command to the partition its aggregate lives in, with everything upstream sent.
    pub fn send_home<'a, C>(
        &self,
        drafts: &mut Drafts,
        written: SentHome<'a, HeaderIter<'a>>,
        request: &Request<C>,
        home: u32,
    ) {
        let key = request.aggregate_id.as_str().as_bytes();
        if written.size(key) <= self.carried_bytes {
            self.forward(drafts, home, key, &written);
        } else {
            self.forward(drafts, home, key, &written.lean(LONGEST_CARRIED_KEY));
        }
    }

    fn forward<'a>(&self, drafts: &mut Drafts, home: u32, key: &[u8], message: &SentHome<'a, impl Headers<'a>>) {
        drafts.push(self.inbox, home, None, |draft| {
            draft.key(key);
            if let Some(value) = message.value {
                draft.value(value);
            }
            message.encode_headers(|name, value| draft.header(name, value));
        });
    }

    /// The command as upstream wrote it, also when it came by the inbox.
    ///
    /// # Errors
    /// A record of the inbox that is no command, or one that this engine cannot read.
    pub fn written<'a>(
        &'a self,
        Arrival { lane, record }: Arrival<'a>,
    ) -> Result<SentHome<'a, HeaderIter<'a>>, message::Error> {
        let (key, value, headers) = (record.key, record.value, record.headers.iter());
        match lane {
            Lane::Commands => {
                let origin = self.source((lane, record.offset));
                Ok(SentHome { key, value, headers, origin, sent_at: record.timestamp })
            }
            Lane::Inbox => SentHome::decode(value, headers),
        }
    }
}
