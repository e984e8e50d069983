//! Events as records, the way the engine writes them.

use billing_engine::domain::Recorded;
use billing_engine::domain::ids::AggregateId;
use billing_engine::log::{Chunk, Offset};
use billing_engine::wire::{Trace, Wire, event};
use serde_json::Value;

/// An event as its bytes say it.
#[derive(Clone, Debug)]
pub struct Written {
    pub value: Vec<u8>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Written {
    pub fn of<A: Wire>(id: &AggregateId, recorded: &Recorded<A::Event>) -> Written {
        let (mut value, mut headers) = (Vec::new(), Vec::new());
        event::encode_value::<A>(&mut value, id, recorded);
        event::encode_headers::<A>(recorded, None, Trace::default(), |name, text| {
            headers.push((name.to_vec(), text.map(<[u8]>::to_vec)));
        });
        Written { value, headers }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.value).unwrap()
    }
}

/// An event that has been to the event store and back.
pub fn stored<A: Wire>(recorded: &Recorded<A::Event>) -> Recorded<A::Event> {
    let written = Written::of::<A>(&AggregateId::parse("a").unwrap(), recorded);
    let headers = written.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
    event::decode::<A>(Some(&written.value), headers).unwrap().recorded
}

/// These events, the first at offset `from`.
pub fn chunk(from: Offset, events: &[Written]) -> Chunk {
    let mut chunk = Chunk::empty(from);
    for (offset, event) in (from..).zip(events) {
        chunk.push(offset, 1_700_000_000_000, |record| {
            record.key(b"key");
            record.value(&event.value);
            event.headers.iter().for_each(|(name, value)| record.header(name, value.as_deref()));
        });
    }
    chunk
}
