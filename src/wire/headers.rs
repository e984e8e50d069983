//! Headers: what stands beside a record's value.

use std::fmt;

use super::json::push_number;

/// Name and value; names are bytes, values may be null, and both may repeat.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// The headers of a record that was read, in order.
pub trait Headers<'a>: Iterator<Item = Header<'a>> + Clone {}

impl<'a, H: Iterator<Item = Header<'a>> + Clone> Headers<'a> for H {}

/// Where a record lies on the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
}

impl<'a> Source<'a> {
    /// Reads `topic:partition:offset`.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut parts = str::from_utf8(text).ok()?.rsplitn(3, ':');
        let offset = parts.next()?.parse().ok()?;
        let partition = parts.next()?.parse().ok()?;
        Some(Source { topic: parts.next()?, partition, offset })
    }

    /// The text that [`Source::parse`] reads.
    pub fn text(&self) -> Vec<u8> {
        /// Two colons, and both numbers at their longest.
        const REST: usize = 2 + 10 + 20;
        let mut text = Vec::with_capacity(self.topic.len() + REST);
        text.extend_from_slice(self.topic.as_bytes());
        for number in [i64::from(self.partition), self.offset] {
            text.push(b':');
            push_number(&mut text, number.into(), 0);
        }
        text
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.topic, self.partition, self.offset)
    }
}

/// The trace of upstream that a record belongs to, carried byte by byte and never read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trace<'a> {
    parent: Option<&'a [u8]>,
    state: Option<&'a [u8]>,
}

impl<'a> Trace<'a> {
    const PARENT: &'static [u8] = b"traceparent";
    const LONGEST_PARENT: usize = 64;
    const STATE: &'static [u8] = b"tracestate";
    const LONGEST_STATE: usize = 512;

    /// The trace among these headers; of two headers of one name the last counts, too long ones do not.
    pub fn of(headers: impl Iterator<Item = Header<'a>>) -> Self {
        let mut trace = Trace::default();
        for (name, value) in headers {
            match name {
                Self::PARENT => trace.parent = value,
                Self::STATE => trace.state = value,
                _ => {}
            }
        }
        trace.parent = trace.parent.filter(|parent| parent.len() <= Self::LONGEST_PARENT);
        trace.state = trace.state.filter(|state| state.len() <= Self::LONGEST_STATE);
        trace
    }

    /// Its headers.
    pub fn headers(self) -> impl Headers<'a> {
        [(Self::PARENT, self.parent), (Self::STATE, self.state)].into_iter().filter(|(_, value)| value.is_some())
    }
}

/// The most bytes that a record can take on the log when it is alone in its batch, uncompressed.
pub fn record_size<'a>(key: Option<&[u8]>, value: Option<&[u8]>, headers: impl Iterator<Item = Header<'a>>) -> usize {
    /// The batch's own header, then attributes and every number of the record at its longest.
    const BATCH_AND_RECORD: usize = 61 + 1 + 10 + 6 * 5;
    let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let headers: usize = headers.map(|(name, value)| header_size(name, value)).sum();
    BATCH_AND_RECORD + len(key) + len(value) + headers
}

/// The most bytes that a header adds to its record.
pub fn header_size(name: &[u8], value: Option<&[u8]>) -> usize {
    const LENGTHS: usize = 2 * 5;
    LENGTHS + name.len() + value.map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_reads_as_it_is_written() {
        let source = Source { topic: "billing-engine.account.commands", partition: 2, offset: 41 };
        assert_eq!(source.to_string(), "billing-engine.account.commands:2:41");
        assert_eq!(source.text(), source.to_string().as_bytes());
        assert_eq!(Source::parse(source.to_string().as_bytes()), Some(source));
        for bad in [&b""[..], b"t", b"t:1", b"t:x:1", b"t:1:", b"t:-1:1", b"\xff:1:1"] {
            assert_eq!(Source::parse(bad), None);
        }
    }

    #[test]
    fn traces_are_carried_unless_they_are_too_long() {
        let (just, over) = ([b'p'; 64], [b's'; 513]);
        let headers = [(&b"traceparent"[..], Some(&b"old"[..])), (b"x", None), (b"traceparent", Some(&just))];
        let trace = Trace::of(headers.into_iter().chain([(&b"tracestate"[..], Some(&over[..]))]));
        assert_eq!(trace.headers().collect::<Vec<_>>(), [(&b"traceparent"[..], Some(&just[..]))]);
        let trace = Trace::of([(&b"tracestate"[..], Some(&over[..512])), (b"traceparent", Some(&[0; 65]))].into_iter());
        assert_eq!(trace.headers().collect::<Vec<_>>(), [(&b"tracestate"[..], Some(&over[..512]))]);
    }
}
