//! The rows of an account: itself, its postings, its holds.

use std::collections::BTreeMap;

use super::books::Books;
use super::fold::{Life, Place};
use super::values::{optional, time, value};
use crate::domain::account::{Account, AccountEvent, BalanceChanged, Force, HoldPlaced, Metadata, ReleaseReason};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::money::Amount;
use crate::domain::{Aggregate, Recorded, Rules, Unfit};
use crate::projection::audit::Table;

/// An account and what the domain does not keep of it.
pub struct AccountLife {
    state: Account,
    metadata: Option<Metadata>,
    created_at: Timestamp,
    /// Those that have not ended.
    holds: BTreeMap<AggregateId, Hold>,
}

struct Hold {
    placed: HoldPlaced,
    placed_at: Timestamp,
    captured: Option<Amount>,
    released: Option<ReleaseReason>,
    ended_at: Option<Timestamp>,
}

impl Life for AccountLife {
    type Aggregate = Account;

    fn before(rules: &Rules) -> Self {
        AccountLife {
            state: Account::blank(rules),
            metadata: None,
            created_at: Timestamp::default(),
            holds: BTreeMap::new(),
        }
    }

    fn take(&mut self, at: &Place<'_>, event: &Recorded<AccountEvent>, books: &mut Books<'_>) -> Result<(), Unfit> {
        self.state.apply(event)?;
        match &event.body {
            AccountEvent::Created(created) => {
                self.metadata = created.metadata.clone();
                self.created_at = event.at;
                books.currencies.insert(created.currency.code().into(), created.currency.decimals());
            }
            AccountEvent::BalanceChanged(posted) => {
                books.money.post(posted);
                books.write(Table::Entries, entry(at, event, posted));
            }
            AccountEvent::StatusChanged(_) | AccountEvent::LimitsChanged(_) => {}
            AccountEvent::HoldPlaced(placed) => {
                let hold = Hold {
                    placed: placed.clone(),
                    placed_at: event.at,
                    captured: None,
                    released: None,
                    ended_at: None,
                };
                self.holds.insert(placed.hold_id.clone(), hold);
            }
            AccountEvent::HoldCaptured(captured) => {
                if let Some(hold) = self.holds.get_mut(&captured.hold_id) {
                    hold.captured = Some(captured.captured_amount);
                    hold.ended_at = Some(event.at);
                }
                self.let_go(&captured.hold_id, at, books);
            }
            AccountEvent::HoldReleased(released) => {
                if let Some(hold) = self.holds.get_mut(&released.hold_id) {
                    hold.released = Some(released.reason);
                    hold.ended_at = Some(event.at);
                }
                self.let_go(&released.hold_id, at, books);
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        false
    }

    fn close(self, id: &AggregateId, partition: u32, books: &mut Books<'_>) {
        let Some(account) = self.state.opened() else { return };
        let held = self.holds.values().filter(|hold| hold.ended_at.is_none()).map(|hold| hold.placed.amount);
        let held = held.into_iter().try_fold(Amount::zero(&account.currency), Amount::checked_add);
        let row = vec![
            value(id),
            value(self.state.version()),
            value(&account.owner_id),
            value(&account.owner_type),
            value(account.account_type),
            value(account.currency.code()),
            value(account.status),
            value(account.balance),
            optional(held),
            optional(account.min_balance),
            optional(account.max_balance),
            optional(self.metadata.as_ref()),
            value(partition),
            time(self.created_at),
            time(self.state.last_at()),
        ];
        books.write(Table::Accounts, row);
        for (hold_id, hold) in &self.holds {
            books.write(Table::Holds, hold.row(id, hold_id, partition));
        }
        self.abandon(books);
    }

    fn abandon(self, books: &mut Books<'_>) {
        if let Some(account) = self.state.opened() {
            books.money.hold(&account.currency, account.balance);
        }
    }
}

impl AccountLife {
    /// A hold of which nothing is left is what it will be.
    fn let_go(&mut self, hold_id: &AggregateId, at: &Place<'_>, books: &mut Books<'_>) {
        let is_open = self.state.opened().is_some_and(|account| account.holds.find(hold_id).is_some());
        if !is_open && let Some(hold) = self.holds.remove(hold_id) {
            books.write(Table::Holds, hold.row(at.id, hold_id, at.partition));
        }
    }
}

impl Hold {
    fn row(&self, account_id: &AggregateId, hold_id: &AggregateId, partition: u32) -> Vec<Option<String>> {
        let status = match (self.captured, self.released) {
            (Some(_), _) => "CAPTURED",
            (None, Some(_)) => "RELEASED",
            (None, None) => "PLACED",
        };
        vec![
            value(account_id),
            value(hold_id),
            value(partition),
            value(self.placed.amount),
            value(self.placed.currency.code()),
            time(self.placed.expires_at),
            // A hold is named after its transaction.
            value(hold_id),
            value(status),
            optional(self.captured),
            optional(self.released),
            time(self.placed_at),
            self.ended_at.and_then(time),
        ]
    }
}

fn entry(at: &Place<'_>, event: &Recorded<AccountEvent>, posted: &BalanceChanged) -> Vec<Option<String>> {
    let leg = posted.leg.as_ref();
    vec![
        value(at.id),
        value(event.version),
        value(at.partition),
        value(posted.change_type),
        value(posted.change_amount),
        value(posted.previous_balance),
        value(posted.new_balance),
        value(posted.currency.code()),
        value(&posted.reason),
        optional(posted.reference.as_ref()),
        optional(leg.map(|leg| &leg.transaction_id)),
        optional(leg.map(|leg| leg.number)),
        value(leg.is_some_and(|leg| leg.force == Force::Forced)),
        optional(posted.metadata.as_ref()),
        time(event.at),
        value(&event.correlation_id),
        value(&event.command_id),
    ]
}
