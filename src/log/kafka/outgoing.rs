//! From a draft to what the client sends.

use rdkafka::message::{Header, OwnedHeaders};

use crate::log::{Draft, Error};

/// The headers of a draft, `None` when it has none.
///
/// # Errors
/// [`Error::Refused`] on a name that is not UTF-8. Such a name cannot be read from Kafka with this client either, so
/// none arrives here by copying.
pub(super) fn headers(draft: &Draft<'_>) -> Result<Option<OwnedHeaders>, Error> {
    if draft.headers.is_empty() {
        return Ok(None);
    }
    let mut headers = OwnedHeaders::new_with_capacity(draft.headers.iter().count());
    for (name, value) in draft.headers.iter() {
        let key = str::from_utf8(name).map_err(|reason| Error::Refused {
            context: format!("a header of a record for {}:{}", draft.topic.0, draft.partition),
            reason: reason.to_string(),
        })?;
        headers = headers.insert(Header { key, value });
    }
    Ok(Some(headers))
}
