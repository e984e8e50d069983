//! Values as PostgreSQL takes them.

use rust_decimal::Decimal;
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

/// An amount as a `numeric` of as many decimals.
pub(super) fn decimal(amount: Amount) -> Decimal {
    Decimal::from_i128_with_scale(amount.mantissa(), amount.decimals())
}
