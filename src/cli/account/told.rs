//! What happened to an account, in a line for people.

use crate::cli::output::time;
use crate::domain::account::{AccountEvent, BalanceChanged, ChangeType, Force};
use crate::domain::money::Amount;

/// What an event says, but for its name and its time. Metadata is for programs.
pub fn told(event: &AccountEvent) -> String {
    match event {
        AccountEvent::Created(created) => {
            let limits = limits(created.min_balance, created.max_balance);
            let (kind, currency) = (created.account_type, created.currency.code());
            format!("{kind} account in {currency} of {} ({}), {limits}", created.owner_id, created.owner_type)
        }
        AccountEvent::BalanceChanged(posted) => posting(posted),
        AccountEvent::StatusChanged(changed) => {
            format!("{} to {}: {}", changed.previous_status, changed.new_status, changed.reason)
        }
        AccountEvent::LimitsChanged(changed) => {
            let before = limits(changed.previous_min_balance, changed.previous_max_balance);
            format!("{}, was {before}", limits(changed.new_min_balance, changed.new_max_balance))
        }
        AccountEvent::HoldPlaced(placed) => {
            let (amount, currency, until) = (placed.amount, placed.currency.code(), time(placed.expires_at));
            format!("{amount} {currency} set aside for {} until {until}", placed.hold_id)
        }
        AccountEvent::HoldCaptured(captured) => {
            format!("{} of the hold of {} is taken", captured.captured_amount, captured.hold_id)
        }
        AccountEvent::HoldReleased(released) => {
            format!("{} of the hold of {} is free again: {}", released.amount, released.hold_id, released.reason)
        }
    }
}

fn posting(posted: &BalanceChanged) -> String {
    let sign = match posted.change_type {
        ChangeType::Credit => '+',
        ChangeType::Debit => '-',
    };
    let BalanceChanged { change_amount, new_balance, reason, .. } = posted;
    let mut text = format!("{sign}{change_amount} {}, balance {new_balance}: {reason}", posted.currency.code());
    if let Some(leg) = &posted.leg {
        let (number, transaction) = (leg.number, &leg.transaction_id);
        match leg.force {
            Force::Judged => text += &format!(", leg {number} of {transaction}"),
            Force::Forced => text += &format!(", undoes leg {number} of {transaction}"),
        }
    }
    if let Some(reference) = &posted.reference {
        text += &format!(", reference {reference}");
    }
    text
}

fn limits(min: Option<Amount>, max: Option<Amount>) -> String {
    let shown = |limit: Option<Amount>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    format!("minimum {}, maximum {}", shown(min), shown(max))
}
