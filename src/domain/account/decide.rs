//! The rules of an account, in the order in which they refuse.

use super::{
    Account, AccountCommand, AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, Change,
    ChangeType, CreateAccount, HoldReleased, LimitsChanged, Opened, Posting, ReleaseReason, StatusChanged, Text,
};
use crate::domain::ids::{Timestamp, Version};
use crate::domain::money::{Amount, Currency, RequestedAmount};
use crate::domain::{Aggregate, Cause, Command, Decision, Recorded, Rejection, Rules, Unfit, answered_before};

impl Aggregate for Account {
    type Command = AccountCommand;
    type Event = AccountEvent;

    fn blank(rules: &Rules) -> Self {
        Account::unopened(rules)
    }

    fn version(&self) -> Version {
        self.version
    }

    fn last_at(&self) -> Timestamp {
        self.last_at
    }

    fn decide(&self, command: &Command<AccountCommand>, rules: &Rules, now: Timestamp) -> Decision<AccountEvent> {
        if let Some(answer) = answered_before(command, &self.remembered, self.version) {
            return answer;
        }
        let at = now.max(self.last_at);
        match self.judge(&command.body, rules, at) {
            Ok(event) => Decision::Accepted(self.after_expiries(at, [event])),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) -> Result<(), Unfit> {
        self.take(event)
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        self.opened.as_ref().and_then(|account| account.holds.next_expiry())
    }

    fn expire(&self, now: Timestamp) -> Vec<AccountEvent> {
        let past = self.opened.iter().flat_map(|account| account.holds.past(now.max(self.last_at)));
        past.map(|hold| AccountEvent::HoldReleased(hold.released(ReleaseReason::Expired))).collect()
    }

    fn expiry_cause(&self, event: &AccountEvent) -> Option<Cause> {
        match event {
            AccountEvent::HoldReleased(HoldReleased { hold_id, reason: ReleaseReason::Expired, .. }) => {
                self.opened.as_ref().and_then(|account| account.holds.find(hold_id)).map(|hold| hold.cause.clone())
            }
            AccountEvent::HoldReleased(_)
            | AccountEvent::Created(_)
            | AccountEvent::BalanceChanged(_)
            | AccountEvent::StatusChanged(_)
            | AccountEvent::LimitsChanged(_)
            | AccountEvent::HoldPlaced(_)
            | AccountEvent::HoldCaptured(_) => None,
        }
    }
}

impl Account {
    /// These events, and before them what time brought about by then: it ends first, whatever is done.
    pub(super) fn after_expiries<const N: usize>(&self, at: Timestamp, events: [AccountEvent; N]) -> Vec<AccountEvent> {
        let expired = self.expire(at);
        // Almost every account is without.
        if expired.is_empty() { events.into() } else { expired.into_iter().chain(events).collect() }
    }

    fn judge(&self, command: &AccountCommand, rules: &Rules, at: Timestamp) -> Result<AccountEvent, Rejection> {
        match (command, &self.opened) {
            (AccountCommand::Create(_), Some(_)) => Err(Rejection::AccountAlreadyExists),
            (AccountCommand::Create(create), None) => open(create, rules).map(AccountEvent::Created),
            (_, None) => Err(Rejection::AccountNotFound),
            (AccountCommand::Credit(posting), Some(account)) => {
                account.credit(posting, rules).map(AccountEvent::BalanceChanged)
            }
            (AccountCommand::Debit(posting), Some(account)) => {
                account.debit(posting, rules, at).map(AccountEvent::BalanceChanged)
            }
            (AccountCommand::ChangeStatus { status, reason }, Some(account)) => {
                account.change_status(*status, reason, at).map(AccountEvent::StatusChanged)
            }
            (AccountCommand::ChangeLimits { min_balance, max_balance }, Some(account)) => {
                account.change_limits(min_balance, max_balance).map(AccountEvent::LimitsChanged)
            }
        }
    }
}

fn open(create: &CreateAccount, rules: &Rules) -> Result<AccountCreated, Rejection> {
    let currency = rules.currencies.get(&create.currency).ok_or(Rejection::InvalidCurrency)?;
    let limit = |requested: &Option<RequestedAmount>| requested.as_ref().map(|r| r.signed(currency)).transpose();
    let (min_balance, max_balance) = (limit(&create.min_balance)?, limit(&create.max_balance)?);
    if min_balance.is_some() || max_balance.is_some() {
        limits_allowed(create.account_type)?;
    }
    limits_in_order(min_balance, max_balance)?;
    Ok(AccountCreated {
        owner_id: create.owner_id.clone(),
        owner_type: create.owner_type.clone(),
        account_type: create.account_type,
        currency: currency.clone(),
        status: AccountStatus::Active,
        balance: Amount::zero(currency),
        min_balance,
        max_balance,
        metadata: create.metadata.clone(),
    })
}

impl Opened {
    fn credit(&self, posting: &Posting, rules: &Rules) -> Result<BalanceChanged, Rejection> {
        let amount = self.requested(&posting.amount, &posting.currency, rules)?;
        self.active()?;
        let balance = self.credited(amount)?;
        Ok(self.posted(posting, ChangeType::Credit, amount, balance))
    }

    fn debit(&self, posting: &Posting, rules: &Rules, at: Timestamp) -> Result<BalanceChanged, Rejection> {
        let amount = self.requested(&posting.amount, &posting.currency, rules)?;
        self.active()?;
        let balance = self.debited(amount, at)?;
        Ok(self.posted(posting, ChangeType::Debit, amount, balance))
    }

    /// Rules 4 and 5 of a movement of money.
    pub(super) fn requested(
        &self,
        amount: &RequestedAmount,
        currency: &str,
        rules: &Rules,
    ) -> Result<Amount, Rejection> {
        self.same_currency(currency, rules)?;
        Ok(amount.positive(&self.currency)?)
    }

    /// The balance after a credit, by rules 11 and 12.
    pub(super) fn credited(&self, amount: Amount) -> Result<Amount, Rejection> {
        let balance = self.balance.checked_add(amount).ok_or(Rejection::AmountOverflow)?;
        match self.max_balance {
            Some(max) if balance > max => Err(Rejection::MaxBalanceExceeded { balance, max }),
            Some(_) | None => within_digits(balance),
        }
    }

    /// The balance after a debit, by rules 10 and 12.
    pub(super) fn debited(&self, amount: Amount, at: Timestamp) -> Result<Amount, Rejection> {
        self.spendable(amount, at)?;
        self.balance.checked_sub(amount).ok_or(Rejection::AmountOverflow).and_then(within_digits)
    }

    /// Rule 10.
    pub(super) fn spendable(&self, amount: Amount, at: Timestamp) -> Result<(), Rejection> {
        let available = self.available(at).ok_or(Rejection::AmountOverflow)?;
        let left = available.checked_sub(amount).ok_or(Rejection::AmountOverflow)?;
        match self.floor() {
            Some(floor) if left < floor => Err(Rejection::InsufficientBalance { available, requested: amount }),
            Some(_) | None => Ok(()),
        }
    }

    fn same_currency(&self, code: &str, rules: &Rules) -> Result<(), Rejection> {
        if rules.currencies.get(code).is_none() {
            Err(Rejection::InvalidCurrency)
        } else if code == self.currency.code() {
            Ok(())
        } else {
            Err(Rejection::CurrencyMismatch { account: self.currency.code().into() })
        }
    }

    pub(super) fn active(&self) -> Result<(), Rejection> {
        match self.status {
            AccountStatus::Active => Ok(()),
            status @ (AccountStatus::Suspended | AccountStatus::Closed) => Err(Rejection::AccountInactive { status }),
        }
    }

    fn posted(
        &self,
        posting: &Posting,
        change_type: ChangeType,
        change_amount: Amount,
        new_balance: Amount,
    ) -> BalanceChanged {
        BalanceChanged {
            previous_balance: self.balance,
            new_balance,
            change_amount,
            change_type,
            reason: posting.reason.clone(),
            currency: self.currency.clone(),
            leg: None,
            reference: posting.reference.clone(),
            metadata: posting.metadata.clone(),
        }
    }

    fn change_status(&self, to: AccountStatus, reason: &Text, at: Timestamp) -> Result<StatusChanged, Rejection> {
        let from = self.status;
        if from == AccountStatus::Closed || from == to {
            return Err(Rejection::InvalidStatusTransition { from, to });
        }
        if to == AccountStatus::Closed && !self.balance.is_zero() {
            return Err(Rejection::BalanceNotZero { balance: self.balance });
        }
        let held = self.holds.held(at);
        if to == AccountStatus::Closed && !held.is_zero() {
            return Err(Rejection::HoldsOpen { held });
        }
        Ok(StatusChanged { previous_status: from, new_status: to, reason: reason.clone() })
    }

    fn change_limits(
        &self,
        min_balance: &Change<RequestedAmount>,
        max_balance: &Change<RequestedAmount>,
    ) -> Result<LimitsChanged, Rejection> {
        let new_min_balance = changed(self.min_balance, min_balance, &self.currency)?;
        let new_max_balance = changed(self.max_balance, max_balance, &self.currency)?;
        limits_allowed(self.account_type)?;
        limits_in_order(new_min_balance, new_max_balance)?;
        Ok(LimitsChanged {
            previous_min_balance: self.min_balance,
            previous_max_balance: self.max_balance,
            new_min_balance,
            new_max_balance,
        })
    }
}

/// Rule 12.
fn within_digits(balance: Amount) -> Result<Amount, Rejection> {
    if balance.overflows() { Err(Rejection::AmountOverflow) } else { Ok(balance) }
}

fn changed(
    standing: Option<Amount>,
    change: &Change<RequestedAmount>,
    currency: &Currency,
) -> Result<Option<Amount>, Rejection> {
    Ok(match change {
        Change::Keep => standing,
        Change::Clear => None,
        Change::Set(requested) => Some(requested.signed(currency)?),
    })
}

fn limits_allowed(account_type: AccountType) -> Result<(), Rejection> {
    match account_type {
        AccountType::External => Err(Rejection::LimitsNotAllowed { account_type }),
        AccountType::User | AccountType::System => Ok(()),
    }
}

fn limits_in_order(min: Option<Amount>, max: Option<Amount>) -> Result<(), Rejection> {
    match (min, max) {
        (Some(min), Some(max)) if min > max => Err(Rejection::LimitsCrossed { min, max }),
        (_, _) => Ok(()),
    }
}
