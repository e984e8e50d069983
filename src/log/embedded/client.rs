//! The log from outside.

use std::ops::Range;
use std::sync::Arc;

use super::Core;
use super::writer::Request;
use crate::log::{Answer, Chunks, Client, Drafts, Offset, Topic};

pub(super) struct EmbeddedClient {
    core: Arc<Core>,
}

impl EmbeddedClient {
    pub(super) fn new(core: Arc<Core>) -> EmbeddedClient {
        EmbeddedClient { core }
    }
}

impl Client for EmbeddedClient {
    fn append(&self, records: Drafts) -> Answer<()> {
        self.core.tell(Request::Append(records))
    }

    fn bounds(&self, topic: Topic, partition: u32) -> Answer<Range<Offset>> {
        self.core.look_up(move |store| Ok(0..store.end(topic, partition)?))
    }

    /// What is written is committed.
    fn written_end(&self, topic: Topic, partition: u32) -> Answer<Offset> {
        self.core.look_up(move |store| store.end(topic, partition))
    }

    fn read(&self, topic: Topic, partition: u32, range: Range<Offset>) -> Chunks {
        let (chunks, reading) = self.core.chunks(topic, partition, range);
        self.core.readers.tasks().spawn(reading);
        chunks
    }

    fn follow(&self, topic: Topic, partition: u32, from: Offset) -> Chunks {
        self.read(topic, partition, from..Offset::MAX)
    }
}
