//! Values as PostgreSQL takes them.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

use crate::domain::ids::Timestamp;
use crate::domain::money::Amount;

/// Of `timestamptz`, as in every PostgreSQL.
const TIMESTAMPTZ: Oid = Oid(1184);
/// Of its arrays.
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);
/// Of `numeric`.
const NUMERIC: Oid = Oid(1700);
/// Of its arrays.
const NUMERIC_ARRAY: Oid = Oid(1231);

/// From the Unix epoch to that of PostgreSQL, the first moment of the year 2000.
const EPOCH_MILLIS: i64 = 946_684_800_000;

/// Milliseconds since the Unix epoch as a `timestamptz`, exactly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant(pub(super) Timestamp);

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Instant {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = self.0.0.saturating_sub(EPOCH_MILLIS).saturating_mul(1000);
        Encode::<Postgres>::encode(micros, buffer)
    }
}

impl Decode<'_, Postgres> for Instant {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        if value.format() != PgValueFormat::Binary {
            return Err("a timestamp in its binary form was expected".into());
        }
        let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Instant(Timestamp(micros.div_euclid(1000).saturating_add(EPOCH_MILLIS))))
    }
}

/// An amount as a `numeric` with exactly its decimals, a zero too: `0.00` is not `0`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numeric(pub(super) Amount);

impl Type<Postgres> for Numeric {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(NUMERIC)
    }
}

impl PgHasArrayType for Numeric {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(NUMERIC_ARRAY)
    }
}

impl Encode<'_, Postgres> for Numeric {
    /// How many digits, the weight of the first, sign, decimals; then the digits, of base 10,000, the point between two.
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        const BASE: u128 = 10_000;
        const NEGATIVE: u16 = 0x4000;
        let (mantissa, decimals) = (self.0.mantissa(), self.0.decimals());
        let behind_point = decimals.div_ceil(4);
        let mut rest = mantissa.unsigned_abs() * 10u128.pow(behind_point * 4 - decimals);
        let mut digits = Vec::with_capacity(8);
        while rest > 0 {
            digits.push(u16::try_from(rest % BASE)?);
            rest /= BASE;
        }
        let weight = i16::try_from(digits.len())? - i16::try_from(behind_point)? - 1;
        buffer.extend(i16::try_from(digits.len())?.to_be_bytes());
        buffer.extend(weight.to_be_bytes());
        buffer.extend(if mantissa < 0 { NEGATIVE } else { 0 }.to_be_bytes());
        buffer.extend(i16::try_from(decimals)?.to_be_bytes());
        digits.iter().rev().for_each(|digit| buffer.extend(digit.to_be_bytes()));
        Ok(IsNull::No)
    }
}
