//! Fields as the engine writes them itself, in events and in messages.

use super::json::{self, Fault, Field, Unknown};
use crate::domain::ids::Timestamp;
use crate::domain::money::Amount;

/// The fields of these names and no other: another one is something that a newer engine wrote.
pub(super) fn members<'a, const N: usize>(data: &'a str, names: [&'static str; N]) -> Result<[Field<'a>; N], Fault> {
    json::fields("data", data, names, Unknown::Refused)
}

/// An amount at the scale of its currency.
pub(super) fn amount(field: Field<'_>) -> Result<Amount, Fault> {
    Amount::parse(&field.string()?).map_err(|_| field.must_be("an amount"))
}

/// A time.
pub(super) fn time(field: Field<'_>) -> Result<Timestamp, Fault> {
    json::timestamp(&field.string()?).ok_or_else(|| field.must_be("an RFC 3339 time"))
}

/// The number of a leg.
pub(super) fn leg_number(field: Field<'_>) -> Result<u8, Fault> {
    u8::try_from(field.whole_number()?).map_err(|_| field.must_be("the number of a leg"))
}
