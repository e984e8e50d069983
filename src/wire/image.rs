//! What the snapshots of every aggregate are made of. As with the aggregates, the order of the fields is the format.

use serde::{Deserialize, Serialize};

use super::snapshot::{Error, damaged};
use crate::domain::Cause;
use crate::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId};
use crate::domain::money::Amount;

/// An amount with all its digits: its scale is the currency's, and is kept whatever is configured.
#[derive(Serialize, Deserialize)]
pub(super) struct AmountImage {
    mantissa: i128,
    decimals: u32,
}

impl From<Amount> for AmountImage {
    fn from(amount: Amount) -> Self {
        AmountImage { mantissa: amount.mantissa(), decimals: amount.decimals() }
    }
}

impl AmountImage {
    pub(super) fn read(self) -> Result<Amount, Error> {
        Amount::of_digits(self.mantissa, self.decimals).ok_or_else(|| damaged("an amount that cannot be held"))
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CauseImage<'a> {
    command_id: &'a str,
    command_hash: [u8; 16],
    /// `None` for the story of the command alone, which has its id.
    correlation_id: Option<&'a str>,
}

impl<'a> From<&'a Cause> for CauseImage<'a> {
    fn from(cause: &'a Cause) -> Self {
        let (command_id, correlation_id) = (cause.command_id.as_str(), cause.correlation_id.as_str());
        CauseImage {
            command_id,
            command_hash: cause.command_hash.0,
            correlation_id: (correlation_id != command_id).then_some(correlation_id),
        }
    }
}

impl CauseImage<'_> {
    pub(super) fn read(&self) -> Result<Cause, Error> {
        let command_id = CommandId::parse(self.command_id).map_err(damaged)?;
        let correlation_id = match self.correlation_id {
            Some(correlation_id) => CorrelationId::parse(correlation_id).map_err(damaged)?,
            None => CorrelationId::from(&command_id),
        };
        Ok(Cause { command_id, command_hash: CommandHash(self.command_hash), correlation_id })
    }
}

pub(super) fn aggregate_id(text: &str) -> Result<AggregateId, Error> {
    AggregateId::parse(text).map_err(damaged)
}
