//! Rows that follow from events of accounts.

use super::Changes;
use crate::domain::Recorded;
use crate::domain::account::{
    AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, Force, HoldCaptured,
    HoldPlaced, HoldReleased, LimitsChanged, Metadata, ReleaseReason, Text,
};
use crate::domain::ids::{AggregateId, CommandId, CorrelationId, Timestamp, Version};
use crate::domain::money::{Amount, Currency};

/// What happened to a row of `accounts`: what is `None` stays as it is.
#[derive(Clone, PartialEq, Debug)]
pub struct AccountChange {
    /// Set when the account was opened; balance and status are set then too.
    pub opened: Option<Opened>,
    /// Its version now.
    pub version: Version,
    /// The time of its last event.
    pub updated_at: Timestamp,
    /// Its balance now.
    pub balance: Option<Amount>,
    /// Its status now.
    pub status: Option<AccountStatus>,
    /// Its bounds now.
    pub limits: Option<Limits>,
    /// Whether its holds changed, so that what they sum up to is to be taken again.
    pub holds_changed: bool,
}

/// What never changes of an account.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Opened {
    pub owner_id: Box<str>,
    pub owner_type: Box<str>,
    pub account_type: AccountType,
    pub currency: Currency,
    pub metadata: Option<Metadata>,
    pub at: Timestamp,
}

/// The bounds of a balance; `None` where there is none.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Limits {
    pub min_balance: Option<Amount>,
    pub max_balance: Option<Amount>,
}

/// A row of `entries`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the columns, explained at the table")]
pub struct Entry {
    pub change_type: ChangeType,
    pub amount: Amount,
    pub balance_before: Amount,
    pub balance_after: Amount,
    pub currency: Currency,
    pub reason: Text,
    pub reference: Option<Text>,
    pub transaction_id: Option<AggregateId>,
    pub leg: Option<u8>,
    pub forced: bool,
    pub metadata: Option<Metadata>,
    pub at: Timestamp,
    pub correlation_id: CorrelationId,
    pub causation_id: CommandId,
}

/// What happened to a row of `holds`.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct HoldChange {
    /// Set when it was placed.
    pub placed: Option<Placed>,
    /// Set when it ended.
    pub end: Option<HoldEnd>,
}

/// What never changes of a hold.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Placed {
    pub amount: Amount,
    pub currency: Currency,
    pub expires_at: Timestamp,
    pub at: Timestamp,
}

/// How a hold ended: what is `None` stays as it is.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct HoldEnd {
    pub status: HoldStatus,
    pub captured_amount: Option<Amount>,
    pub release_reason: Option<ReleaseReason>,
    pub at: Timestamp,
}

/// Where a hold stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldStatus {
    /// The money is set aside.
    Placed,
    /// It was taken, all of it or a part.
    Captured,
    /// It is free again, all of it.
    Released,
}

impl HoldStatus {
    /// The word in the column.
    pub fn as_str(self) -> &'static str {
        match self {
            HoldStatus::Placed => "PLACED",
            HoldStatus::Captured => "CAPTURED",
            HoldStatus::Released => "RELEASED",
        }
    }
}

impl HoldChange {
    /// Where the hold stands after it.
    pub fn status(&self) -> HoldStatus {
        self.end.as_ref().map_or(HoldStatus::Placed, |end| end.status)
    }
}

impl Changes {
    /// Takes in the next event of an account.
    pub fn take_account(&mut self, id: &AggregateId, event: &Recorded<AccountEvent>) {
        let change = self.accounts.entry(id.clone()).or_insert_with(|| AccountChange {
            opened: None,
            version: event.version,
            updated_at: event.at,
            balance: None,
            status: None,
            limits: None,
            holds_changed: false,
        });
        change.version = event.version;
        change.updated_at = event.at;
        match &event.body {
            AccountEvent::Created(created) => {
                change.open(created, event.at);
                self.currencies.insert(created.currency.code().into(), created.currency.decimals());
            }
            AccountEvent::BalanceChanged(posted) => {
                change.balance = Some(posted.new_balance);
                self.entries.insert((id.clone(), event.version), Entry::of(posted, event));
            }
            AccountEvent::StatusChanged(changed) => change.status = Some(changed.new_status),
            AccountEvent::LimitsChanged(changed) => change.limits = Some(changed.into()),
            AccountEvent::HoldPlaced(placed) => {
                change.holds_changed = true;
                self.hold(id, &placed.hold_id).place(placed, event.at);
            }
            AccountEvent::HoldCaptured(captured) => {
                change.holds_changed = true;
                self.hold(id, &captured.hold_id).capture(captured, event.at);
            }
            AccountEvent::HoldReleased(released) => {
                change.holds_changed = true;
                self.hold(id, &released.hold_id).release(released, event.at);
            }
        }
    }

    fn hold(&mut self, account_id: &AggregateId, hold_id: &AggregateId) -> &mut HoldChange {
        self.holds.entry((account_id.clone(), hold_id.clone())).or_default()
    }
}

impl AccountChange {
    fn open(&mut self, created: &AccountCreated, at: Timestamp) {
        self.opened = Some(Opened {
            owner_id: created.owner_id.clone(),
            owner_type: created.owner_type.clone(),
            account_type: created.account_type,
            currency: created.currency.clone(),
            metadata: created.metadata.clone(),
            at,
        });
        self.balance = Some(created.balance);
        self.status = Some(created.status);
        self.limits = Some(Limits { min_balance: created.min_balance, max_balance: created.max_balance });
    }
}

impl From<&LimitsChanged> for Limits {
    fn from(changed: &LimitsChanged) -> Self {
        Limits { min_balance: changed.new_min_balance, max_balance: changed.new_max_balance }
    }
}

impl Entry {
    fn of(posted: &BalanceChanged, event: &Recorded<AccountEvent>) -> Entry {
        let leg = posted.leg.as_ref();
        Entry {
            change_type: posted.change_type,
            amount: posted.change_amount,
            balance_before: posted.previous_balance,
            balance_after: posted.new_balance,
            currency: posted.currency.clone(),
            reason: posted.reason.clone(),
            reference: posted.reference.clone(),
            transaction_id: leg.map(|leg| leg.transaction_id.clone()),
            leg: leg.map(|leg| leg.number),
            forced: leg.is_some_and(|leg| leg.force == Force::Forced),
            metadata: posted.metadata.clone(),
            at: event.at,
            correlation_id: event.correlation_id.clone(),
            causation_id: event.command_id.clone(),
        }
    }
}

impl HoldChange {
    fn place(&mut self, placed: &HoldPlaced, at: Timestamp) {
        let HoldPlaced { amount, currency, expires_at, .. } = placed;
        let placed = Placed { amount: *amount, currency: currency.clone(), expires_at: *expires_at, at };
        *self = HoldChange { placed: Some(placed), end: None };
    }

    fn capture(&mut self, captured: &HoldCaptured, at: Timestamp) {
        let captured_amount = Some(captured.captured_amount);
        self.end = Some(HoldEnd { status: HoldStatus::Captured, captured_amount, release_reason: None, at });
    }

    /// The rest of a capture is released right behind it; the hold stays captured.
    fn release(&mut self, released: &HoldReleased, at: Timestamp) {
        let status = match released.reason {
            ReleaseReason::PartialCapture => HoldStatus::Captured,
            ReleaseReason::Voided | ReleaseReason::Expired | ReleaseReason::Compensated => HoldStatus::Released,
        };
        let captured_amount = self.end.as_ref().and_then(|end| end.captured_amount);
        self.end = Some(HoldEnd { status, captured_amount, release_reason: Some(released.reason), at });
    }
}
