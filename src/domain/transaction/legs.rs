//! The legs of a transaction: which comes next, and which is undone next.

use super::{Begun, Kind, LegPosted, Operation, Parties, Status};
use crate::domain::Rejection;
use crate::domain::account::{AccountMessage, Admitted, ChangeType, LegFailure, LegPosting, LegReason, Reversal};
use crate::domain::ids::AggregateId;
use crate::domain::message::{Reason, Unexpected};
use crate::domain::money::{Amount, SentAmount};

/// What comes after a leg that stands.
pub(super) enum Next {
    /// Another leg, on that account.
    Leg(AggregateId, LegPosting),
    /// Another leg that cannot even be asked for.
    Refused(LegFailure),
    /// All legs stand.
    Done,
}

impl Begun {
    /// Whether its legs are under way, or being undone.
    pub(super) fn is_moving(&self) -> bool {
        match self.status {
            Status::Requested => self.last_operation() != Some(Operation::Authorize),
            Status::Capturing => true,
            Status::Authorized
            | Status::Voiding
            | Status::Compensating
            | Status::Completed
            | Status::Voided
            | Status::Expired
            | Status::Failed
            | Status::Compensated => false,
        }
    }

    /// Whether its hold is asked for.
    pub(super) fn is_authorizing(&self) -> bool {
        self.status == Status::Requested && self.last_operation() == Some(Operation::Authorize)
    }

    /// The number of the leg whose outcome is due; `None` when all stand, or none is under way.
    pub(super) fn awaited_leg(&self) -> Option<u8> {
        let all = match &self.parties {
            Parties::Payment { fee: Some(_), .. } => 3,
            Parties::Movement { .. } | Parties::Payment { fee: None, .. } | Parties::Refund { .. } => 2,
        };
        let number = u8::try_from(self.legs.len().saturating_add(1)).unwrap_or(u8::MAX);
        (self.is_moving() && number <= all).then_some(number)
    }

    /// What comes once `posted` stands too. `next_account` is what the account gave back with it.
    pub(super) fn after(&self, posted: &LegPosted, next_account: Option<&AggregateId>) -> Result<Next, Unexpected> {
        let amount = SentAmount::from(posted.amount);
        let (account, amount, reason, admitted) = match (&self.parties, posted.leg) {
            (Parties::Movement { kind, credited, .. }, 1) => {
                (credited, amount, reason_of(*kind), admitted(*kind, ChangeType::Credit))
            }
            (Parties::Payment { merchant, fee: None, .. }, 1) => {
                (merchant, amount, LegReason::Payment, Admitted::UserOrSystem)
            }
            (Parties::Payment { merchant, fee: Some(fee), .. }, 1) => match self.less(posted.amount, &fee.amount) {
                Ok(rest) => (merchant, SentAmount::from(rest), LegReason::Payment, Admitted::UserOrSystem),
                Err(rejection) => return Ok(Next::Refused(failure(2, merchant, &rejection))),
            },
            (Parties::Payment { fee: Some(fee), .. }, 2) => {
                (&fee.account, fee.amount.clone(), LegReason::Fee, Admitted::System)
            }
            (Parties::Refund { .. }, 1) => {
                let customer = next_account.ok_or(Unexpected("nobody said who gets the refund"))?;
                (customer, amount, LegReason::Refund, Admitted::User)
            }
            (Parties::Movement { .. } | Parties::Payment { .. } | Parties::Refund { .. }, _) => return Ok(Next::Done),
        };
        let posting = LegPosting {
            leg: posted.leg.saturating_add(1),
            change_type: ChangeType::Credit,
            amount,
            currency: self.currency.clone(),
            reason,
            admitted,
            next_account: None,
        };
        Ok(Next::Leg(account.clone(), posting))
    }

    /// What is left of an amount without the fee. The account may count in other decimals than were configured when
    /// the payment was asked for: then nothing is rounded, the leg is refused.
    fn less(&self, amount: Amount, fee: &SentAmount) -> Result<Amount, Rejection> {
        let fee = fee.value.positive(&self.currency_of(amount)?)?;
        let rest = amount.checked_sub(fee).filter(|rest| !rest.is_negative() && !rest.is_zero());
        rest.ok_or(Rejection::FeeNotBelowAmount { fee, amount })
    }

    /// The message that undoes the leg of that number, and the account it is for.
    pub(super) fn reversal(&self, leg: u8, failure: &LegFailure) -> Result<(AggregateId, AccountMessage), Unexpected> {
        let posted = self.posted(leg).ok_or(Unexpected("a leg is undone that does not stand"))?;
        let reversal = Reversal {
            leg,
            change_type: posted.change_type.opposite(),
            amount: posted.amount,
            failure: failure.clone(),
        };
        Ok((posted.account_id.clone(), AccountMessage::Reverse(reversal)))
    }

    /// The leg of that number, when it stands.
    pub(super) fn posted(&self, leg: u8) -> Option<&LegPosted> {
        self.legs.iter().find(|posted| posted.leg == leg)
    }
}

/// A leg that was refused.
pub(super) fn failure(leg: u8, account_id: &AggregateId, rejection: &Rejection) -> LegFailure {
    LegFailure { leg, account_id: account_id.clone(), reason: Reason::from(rejection) }
}

/// What the postings of such a transaction are, fees apart.
pub(super) fn reason_of(kind: Kind) -> LegReason {
    match kind {
        Kind::Topup => LegReason::Topup,
        Kind::Withdrawal => LegReason::Withdrawal,
        Kind::Transfer => LegReason::Transfer,
        Kind::Payment => LegReason::Payment,
        Kind::Refund => LegReason::Refund,
    }
}

/// Whose account may be debited or credited by such a transaction, fees apart.
pub(super) fn admitted(kind: Kind, change_type: ChangeType) -> Admitted {
    match (kind, change_type) {
        (Kind::Topup, ChangeType::Debit) | (Kind::Withdrawal, ChangeType::Credit) => Admitted::External,
        (Kind::Payment, ChangeType::Credit) | (Kind::Refund, ChangeType::Debit) => Admitted::UserOrSystem,
        (Kind::Topup | Kind::Refund, ChangeType::Credit)
        | (Kind::Withdrawal | Kind::Payment, ChangeType::Debit)
        | (Kind::Transfer, ChangeType::Debit | ChangeType::Credit) => Admitted::User,
    }
}
