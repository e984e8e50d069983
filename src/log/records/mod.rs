//! Records in bulk: many in one allocation, because a record costs less to
//! process than an allocation of its own would.

mod arena;
mod chunk;
mod drafts;
mod headers;

pub use arena::RecordWriter;
pub use chunk::Chunk;
pub use drafts::{Draft, Drafts};
pub use headers::{HeaderIter, Headers};

/// Offset of a record in its partition; as a position it is always the next one to read.
pub type Offset = i64;

/// Milliseconds since the Unix epoch, as the log stores them with a record.
pub type Millis = i64;

/// One topic of the engine, named without the configured prefix (`account.events`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Topic(pub &'static str);

impl Topic {
    /// The name on the log: prefix, a dot, the topic.
    pub fn full_name(self, prefix: &str) -> String {
        format!("{prefix}.{}", self.0)
    }
}
/// Key, value and headers of one record, borrowed from whatever holds its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it lies in its partition.
    pub offset: Offset,
    /// The timestamp it was written with.
    pub timestamp: Millis,
    /// Absent is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// Absent is not the same as empty.
    pub value: Option<&'a [u8]>,
    /// In the order in which they were written; names may repeat.
    pub headers: Headers<'a>,
}
