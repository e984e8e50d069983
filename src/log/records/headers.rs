//! The headers of one record, as they lie in memory.

/// Headers of one record. Names are bytes: nothing in the protocol makes them UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    pub(super) encoded: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The last header of that name, as Kafka's own clients answer it; `None` when absent or null.
    pub fn last(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(n, _)| *n == name.as_bytes()).last().and_then(|(_, value)| value)
    }

    /// All headers in order.
    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter { rest: self.encoded }
    }

    /// True when the record has none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The headers as they lie in memory, for whoever stores them as they are.
    pub(in crate::log) fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// Headers from bytes that [`Headers::encoded`] once answered; any others make walking them panic.
    pub(in crate::log) fn from_encoded(encoded: &'a [u8]) -> Self {
        Headers { encoded }
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum()
    }
}

/// Walks the headers of one record.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, rest) = self.rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at(u32::from_le_bytes(*name_len) as usize);
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let value_len = u32::from_le_bytes(*value_len);
        if value_len == NULL {
            self.rest = rest;
            return Some((name, None));
        }
        let (value, rest) = rest.split_at(value_len as usize);
        self.rest = rest;
        Some((name, Some(value)))
    }
}

/// Length of a part that is null.
pub(super) const NULL: u32 = u32::MAX;
