//! What an account is: the fold of its events.

use super::{AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, Hold, Holds};
use crate::domain::idempotency::Window;
use crate::domain::ids::{Timestamp, Version};
use crate::domain::money::{Amount, Currency};
use crate::domain::{Recorded, Rules, Unfit};

/// An account, opened or not.
#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    pub(super) version: Version,
    pub(super) last_at: Timestamp,
    pub(super) remembered: Window,
    pub(super) opened: Option<Opened>,
}

/// What an account has once it is opened.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire, explained at the command")]
pub struct Opened {
    pub owner_id: Box<str>,
    pub owner_type: Box<str>,
    pub account_type: AccountType,
    /// With the decimals it had when the account was opened, whatever is configured now.
    pub currency: Currency,
    pub status: AccountStatus,
    pub balance: Amount,
    pub min_balance: Option<Amount>,
    pub max_balance: Option<Amount>,
    /// What is set aside for payments.
    pub holds: Holds,
}

impl Account {
    pub(super) fn unopened(rules: &Rules) -> Self {
        Account {
            version: Version::NONE,
            last_at: Timestamp::default(),
            remembered: Window::new(rules.idempotency_window),
            opened: None,
        }
    }

    /// The account that stands at `version` with what it remembers and has: what a snapshot says.
    ///
    /// # Errors
    /// What no sequence of events leads to, as far as it can be told without them.
    pub fn restored(
        version: Version,
        last_at: Timestamp,
        remembered: Window,
        opened: Option<Opened>,
    ) -> Result<Self, Unfit> {
        let newest = remembered.iter().last().map(|(_, _, at)| at);
        if (version == Version::NONE) != opened.is_none() {
            return Err(Unfit::Contradiction("an account has events exactly when it is opened"));
        }
        // What transactions did since is remembered by nobody here.
        if newest.is_some_and(|newest| newest > version) {
            return Err(Unfit::Contradiction("an account stands before the command remembered last"));
        }
        if opened.as_ref().is_some_and(|opened| opened.balance.decimals() != u32::from(opened.currency.decimals())) {
            return Err(Unfit::Contradiction("the balance has other decimals than the currency"));
        }
        Ok(Account { version, last_at, remembered, opened })
    }

    /// The commands it remembers.
    pub fn remembered(&self) -> &Window {
        &self.remembered
    }

    /// What it has, once it is opened.
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    pub(super) fn take(&mut self, event: &Recorded<AccountEvent>) -> Result<(), Unfit> {
        if event.version != self.version.next() {
            return Err(Unfit::VersionGap { standing: self.version, found: event.version });
        }
        match (&event.body, &mut self.opened) {
            (AccountEvent::Created(created), None) => self.opened = Some(Opened::from(created)),
            (AccountEvent::Created(_), Some(_)) => return Err(Unfit::Contradiction("an account is opened twice")),
            (_, None) => return Err(Unfit::Contradiction("the first event of an account does not open it")),
            (AccountEvent::BalanceChanged(posted), Some(account)) => account.post(posted)?,
            (AccountEvent::StatusChanged(changed), Some(account)) => account.status = changed.new_status,
            (AccountEvent::LimitsChanged(changed), Some(account)) => {
                account.min_balance = changed.new_min_balance;
                account.max_balance = changed.new_max_balance;
            }
            (AccountEvent::HoldPlaced(placed), Some(account)) => account.holds.place(Hold {
                id: placed.hold_id.clone(),
                amount: placed.amount,
                expires_at: placed.expires_at,
                cause: event.cause(),
            })?,
            (AccountEvent::HoldCaptured(captured), Some(account)) => {
                account.holds.let_go(&captured.hold_id, captured.captured_amount)?;
            }
            (AccountEvent::HoldReleased(released), Some(account)) => {
                account.holds.let_go(&released.hold_id, released.amount)?;
            }
        }
        self.version = event.version;
        self.last_at = self.last_at.max(event.at);
        if is_of_own_command(&event.body) {
            self.remembered.remember(&event.command_id, event.command_hash, event.version);
        }
        Ok(())
    }
}

/// Whether a command to the account itself brought this about. What transactions do is known by their own ids.
fn is_of_own_command(event: &AccountEvent) -> bool {
    match event {
        AccountEvent::Created(_) | AccountEvent::LimitsChanged(_) => true,
        AccountEvent::BalanceChanged(posted) => posted.leg.is_none(),
        // No command opens what is closed, a reversal does.
        AccountEvent::StatusChanged(changed) => changed.previous_status != AccountStatus::Closed,
        AccountEvent::HoldPlaced(_) | AccountEvent::HoldCaptured(_) | AccountEvent::HoldReleased(_) => false,
    }
}

impl Opened {
    fn post(&mut self, posted: &BalanceChanged) -> Result<(), Unfit> {
        if posted.previous_balance != self.balance || posted.currency != self.currency {
            return Err(Unfit::Contradiction("a posting does not start from the balance before it"));
        }
        let after = match posted.change_type {
            ChangeType::Credit => self.balance.checked_add(posted.change_amount),
            ChangeType::Debit => self.balance.checked_sub(posted.change_amount),
        };
        if after != Some(posted.new_balance) {
            return Err(Unfit::Contradiction("a posting does not add up"));
        }
        self.balance = posted.new_balance;
        Ok(())
    }

    /// What can be spent at `now`, were there no lower bound: the balance without what is set aside.
    pub fn available(&self, now: Timestamp) -> Option<Amount> {
        self.balance.checked_sub(self.holds.held(now))
    }

    /// The lowest balance that a posting may leave; `None` when there is no bound.
    pub fn floor(&self) -> Option<Amount> {
        match self.account_type {
            AccountType::External => None,
            AccountType::User | AccountType::System => {
                Some(self.min_balance.unwrap_or_else(|| Amount::zero(&self.currency)))
            }
        }
    }
}

impl From<&AccountCreated> for Opened {
    fn from(created: &AccountCreated) -> Self {
        Opened {
            owner_id: created.owner_id.clone(),
            owner_type: created.owner_type.clone(),
            account_type: created.account_type,
            currency: created.currency.clone(),
            status: created.status,
            balance: created.balance,
            min_balance: created.min_balance,
            max_balance: created.max_balance,
            holds: Holds::none(&created.currency),
        }
    }
}
