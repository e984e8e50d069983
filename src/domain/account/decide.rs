//! The rules of an account, in the order in which they refuse.

use super::{
    Account, AccountCommand, AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, Change,
    ChangeType, CreateAccount, LimitsChanged, Opened, Posting, StatusChanged,
};
use crate::domain::ids::{Timestamp, Version};
use crate::domain::money::{Amount, Currency, RequestedAmount};
use crate::domain::{Aggregate, Command, Decision, Recorded, Rejection, Rules, Unfit, answered_before};

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

    fn decide(&self, command: &Command<AccountCommand>, rules: &Rules, _now: Timestamp) -> Decision<AccountEvent> {
        if let Some(answer) = answered_before(command, &self.remembered, self.version) {
            return answer;
        }
        match self.judge(&command.body, rules) {
            Ok(event) => Decision::Accepted(vec![event]),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) -> Result<(), Unfit> {
        self.take(event)
    }
}

impl Account {
    fn judge(&self, command: &AccountCommand, rules: &Rules) -> Result<AccountEvent, Rejection> {
        match (command, &self.opened) {
            (AccountCommand::Create(_), Some(_)) => Err(Rejection::AccountAlreadyExists),
            (AccountCommand::Create(create), None) => open(create, rules).map(AccountEvent::Created),
            (_, None) => Err(Rejection::AccountNotFound),
            (AccountCommand::Credit(posting), Some(account)) => {
                account.credit(posting, rules).map(AccountEvent::BalanceChanged)
            }
            (AccountCommand::Debit(posting), Some(account)) => {
                account.debit(posting, rules).map(AccountEvent::BalanceChanged)
            }
            (AccountCommand::ChangeStatus { status, reason }, Some(account)) => {
                account.change_status(*status, reason).map(AccountEvent::StatusChanged)
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
        let amount = self.requested(posting, rules)?;
        self.active()?;
        let balance = self.balance.checked_add(amount).ok_or(Rejection::AmountOverflow)?;
        if let Some(max) = self.max_balance
            && balance > max
        {
            return Err(Rejection::MaxBalanceExceeded { balance, max });
        }
        self.posted(posting, ChangeType::Credit, amount, balance)
    }

    fn debit(&self, posting: &Posting, rules: &Rules) -> Result<BalanceChanged, Rejection> {
        let amount = self.requested(posting, rules)?;
        self.active()?;
        let balance = self.balance.checked_sub(amount).ok_or(Rejection::AmountOverflow)?;
        if let Some(floor) = self.floor()
            && balance < floor
        {
            return Err(Rejection::InsufficientBalance { available: self.balance, requested: amount });
        }
        self.posted(posting, ChangeType::Debit, amount, balance)
    }

    /// Rules 4 and 5 of a posting.
    fn requested(&self, posting: &Posting, rules: &Rules) -> Result<Amount, Rejection> {
        self.same_currency(&posting.currency, rules)?;
        Ok(posting.amount.positive(&self.currency)?)
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

    fn active(&self) -> Result<(), Rejection> {
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
    ) -> Result<BalanceChanged, Rejection> {
        if new_balance.overflows() {
            return Err(Rejection::AmountOverflow);
        }
        Ok(BalanceChanged {
            previous_balance: self.balance,
            new_balance,
            change_amount,
            change_type,
            reason: posting.reason.clone(),
            currency: self.currency.clone(),
            reference: posting.reference.clone(),
            metadata: posting.metadata.clone(),
        })
    }

    fn change_status(&self, to: AccountStatus, reason: &str) -> Result<StatusChanged, Rejection> {
        let from = self.status;
        if from == AccountStatus::Closed || from == to {
            return Err(Rejection::InvalidStatusTransition { from, to });
        }
        if to == AccountStatus::Closed && !self.balance.is_zero() {
            return Err(Rejection::BalanceNotZero { balance: self.balance });
        }
        Ok(StatusChanged { previous_status: from, new_status: to, reason: reason.into() })
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
