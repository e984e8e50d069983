//! Writes down what a record caused: events, replies, dead letters, messages home. Everything goes to the
//! partition number of the record, explicitly; only a command sent home goes elsewhere.

use crate::domain::Recorded;
use crate::domain::ids::Version;
use crate::log::{Drafts, HeaderIter, Lane, PerLane, Record, Topic};
use crate::wire::dead_letter::{Failed, Reason};
use crate::wire::message::{self, SentHome};
use crate::wire::{self, Headers, Outcome, Reply, Request, Source, Trace, Wire};

use super::Settings;

/// Where answers go.
pub const REPLIES: Topic = Topic("replies");
/// Where what cannot be read or decided goes.
pub const DEAD_LETTERS: Topic = Topic("dead-letters");

/// Bytes that are left of the key of a message that would not fit: with the largest command it does then.
const LONGEST_CARRIED_KEY: usize = 1024;

/// Writes drafts for one partition.
pub struct Clerk {
    partition: u32,
    events: Topic,
    inbox: Topic,
    lanes: PerLane<String>,
    event_bytes: usize,
    carried_bytes: usize,
}

/// A record, and where what it causes is written.
pub struct Entry<'a> {
    /// What waits for the commit.
    pub drafts: &'a mut Drafts,
    /// The topic it came by.
    pub lane: Lane,
    /// The record.
    pub record: Record<'a>,
}

impl Clerk {
    /// The clerk of that partition.
    pub fn new(settings: &Settings, partition: u32) -> Self {
        Clerk {
            partition,
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

    fn source(&self, entry: &Entry<'_>) -> Source<'_> {
        Source { topic: self.lanes.of(entry.lane), partition: self.partition, offset: entry.record.offset }
    }

    /// Writes one event; answers the bytes that it takes on the log.
    pub fn event<A: Wire>(
        &self,
        entry: &mut Entry<'_>,
        request: &Request<A::Command>,
        event: &Recorded<A::Event>,
    ) -> usize {
        let source = self.source(entry);
        let trace = Trace::of(entry.record.headers.iter());
        let aggregate_id = &request.aggregate_id;
        entry.drafts.push(self.events, self.partition, None, |draft| {
            draft.key(aggregate_id.as_str().as_bytes());
            draft.value_with(|bytes| wire::event::encode_value::<A>(bytes, aggregate_id, event));
            wire::event::encode_headers::<A>(event, Some(source), trace, |name, value| draft.header(name, value));
        });
        let written = entry.drafts.get(entry.drafts.len() - 1);
        wire::record_size(written.key, written.value, written.headers.iter())
    }

    /// Answers a command about an aggregate that stands at `version`, or, for a duplicate, stood there then.
    pub fn reply<C>(&self, entry: &mut Entry<'_>, request: &Request<C>, outcome: Outcome<'_>, version: Version) {
        let reply = Reply {
            command_id: &request.command.id,
            command_type: request.command_type,
            aggregate_id: &request.aggregate_id,
            correlation_id: &request.correlation_id,
            outcome,
            aggregate_version: version,
        };
        let trace = Trace::of(entry.record.headers.iter());
        entry.drafts.push(REPLIES, self.partition, None, |draft| {
            draft.key(request.aggregate_id.as_str().as_bytes());
            draft.value_with(|bytes| reply.encode_value(bytes));
            for (name, value) in std::iter::once(reply.header()).chain(trace.headers()) {
                draft.header(name, value);
            }
        });
    }

    /// Puts a record aside that cannot be read or decided, with the coordinates upstream knows.
    pub fn dead_letter(&self, entry: &mut Entry<'_>, reason: Reason, error: &str) {
        // A record of the inbox that is no message stands for itself.
        let SentHome { key, value, headers, origin, sent_at } =
            self.origin(entry).unwrap_or_else(|_| self.arrived(entry.lane, entry.record));
        let failed = Failed { key, value, headers, source: origin, timestamp: sent_at, reason, error };
        let letter = failed.letter(self.carried_bytes);
        entry.drafts.push(DEAD_LETTERS, self.partition, None, |draft| {
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
    pub fn send_home<C>(&self, entry: &mut Entry<'_>, request: &Request<C>, home: u32) -> Result<(), message::Error> {
        let key = request.aggregate_id.as_str().as_bytes();
        let message = self.origin(entry)?;
        if message.size(key) <= self.carried_bytes {
            self.post(entry, home, key, &message);
        } else {
            self.post(entry, home, key, &message.lean(LONGEST_CARRIED_KEY));
        }
        Ok(())
    }

    fn post<'a>(&self, entry: &mut Entry<'_>, home: u32, key: &[u8], message: &SentHome<'a, impl Headers<'a>>) {
        entry.drafts.push(self.inbox, home, None, |draft| {
            draft.key(key);
            if let Some(value) = message.value {
                draft.value(value);
            }
            message.encode_headers(|name, value| draft.header(name, value));
        });
    }

    /// The record as upstream wrote it, also when it came by the inbox.
    ///
    /// # Errors
    /// A record of the inbox that this engine cannot read.
    pub fn origin<'a>(&'a self, entry: &Entry<'a>) -> Result<SentHome<'a, HeaderIter<'a>>, message::Error> {
        match entry.lane {
            Lane::Commands => Ok(self.arrived(entry.lane, entry.record)),
            Lane::Inbox => SentHome::decode(entry.record.value, entry.record.headers.iter()),
        }
    }

    fn arrived<'a>(&'a self, lane: Lane, record: Record<'a>) -> SentHome<'a, HeaderIter<'a>> {
        let origin = Source { topic: self.lanes.of(lane), partition: self.partition, offset: record.offset };
        let (key, value, headers) = (record.key, record.value, record.headers.iter());
        SentHome { key, value, headers, origin, sent_at: record.timestamp }
    }
}
