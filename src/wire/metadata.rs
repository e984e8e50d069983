//! Free data of upstream: a flat object, carried by value.

use std::borrow::Cow;

use super::json::{self, Fault, Field, push_string};
use crate::domain::account::Metadata;

/// Most bytes as compact JSON.
const LONGEST: usize = 4096;

/// More members than this cannot fit; the shortest is `"":1,`.
const MOST_MEMBERS: usize = LONGEST / 5 + 1;

/// The metadata as compact JSON with the fewest escapes, keys in the order and numbers in the form they came.
///
/// # Errors
/// Anything but an object of strings, finite numbers and booleans of at most 4 KiB.
pub(super) fn metadata(field: Field<'_>) -> Result<Metadata, Fault> {
    let sent = field.required()?;
    let mut members =
        json::members(field.name(), sent, Vec::new(), |members: &mut Vec<(Cow<'_, str>, &str)>, key, value| {
            if members.len() <= MOST_MEMBERS {
                members.push((key, value));
            }
        })?;
    let too_many = members.len() > MOST_MEMBERS;
    members.truncate(MOST_MEMBERS);
    let mut compact = Vec::with_capacity(sent.len().min(LONGEST));
    compact.push(b'{');
    for (key, value) in &members {
        if compact.len() > 1 {
            compact.push(b',');
        }
        push_string(&mut compact, key);
        compact.push(b':');
        push_scalar(&mut compact, field, value)?;
    }
    compact.push(b'}');
    members.sort_unstable();
    if let Some([(key, _), _]) = members.array_windows().find(|[(one, _), (other, _)]| one == other) {
        return Err(Fault::EqualKeys { object: field.name(), field: json::shown(key) });
    }
    if too_many || compact.len() > LONGEST {
        return Err(field.must_be(format_args!("at most {LONGEST} bytes of compact JSON")));
    }
    String::from_utf8(compact).map(Metadata::from).map_err(|_| field.must_be("UTF-8"))
}

fn push_scalar(compact: &mut Vec<u8>, field: Field<'_>, sent: &str) -> Result<(), Fault> {
    let is_scalar = match sent.as_bytes().first() {
        Some(b'"') => return json::string(sent).map(|text| push_string(compact, &text)).ok_or_else(|| refused(field)),
        Some(b't' | b'f') => true,
        Some(b'-' | b'0'..=b'9') => sent.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    };
    if !is_scalar {
        return Err(refused(field));
    }
    compact.extend_from_slice(sent.as_bytes());
    Ok(())
}

fn refused(field: Field<'_>) -> Fault {
    field.must_be("an object of strings, finite numbers and booleans")
}
