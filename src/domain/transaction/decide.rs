//! What a transaction refuses at once, in the order in which it refuses.

use super::{
    Authorization, Begun, Capture, Fee, Movement, Parties, Payment, Progress, Requested, Status, Transaction,
    TransactionCommand, TransactionEvent,
};
use crate::domain::ids::{AggregateId, Timestamp, Version};
use crate::domain::money::{Amount, Currency, SentAmount};
use crate::domain::{
    Aggregate, Cause, Command, Decision, Recorded, Rejection, Rules, Unfit, answered_again, expected_elsewhere,
};

impl Aggregate for Transaction {
    type Command = TransactionCommand;
    type Event = TransactionEvent;

    fn blank(_rules: &Rules) -> Self {
        Transaction::default()
    }

    fn version(&self) -> Version {
        self.version
    }

    fn last_at(&self) -> Timestamp {
        self.last_at
    }

    fn decide(
        &self,
        command: &Command<TransactionCommand>,
        rules: &Rules,
        now: Timestamp,
    ) -> Decision<TransactionEvent> {
        if let Some(known) = self.begun.as_ref().and_then(|begun| begun.command(&command.id)) {
            return answered_again(command, known.cause.command_hash, known.version);
        }
        if let Some(conflict) = expected_elsewhere(command, self.version) {
            return conflict;
        }
        if let Err(rejection) = self.judge(&command.body, rules, now.max(self.last_at)) {
            return Decision::Rejected(rejection);
        }
        let requested = Requested { command: command.body.clone(), idempotency_key: command.id.clone() };
        Decision::Accepted(vec![TransactionEvent::Requested(Box::new(requested))])
    }

    fn apply(&mut self, event: &Recorded<TransactionEvent>) -> Result<(), Unfit> {
        self.take(event)
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        let authorized = self.begun.as_ref().filter(|begun| begun.status == Status::Authorized);
        authorized.and_then(|begun| begun.hold.as_ref()).map(|hold| hold.expires_at)
    }

    fn expire(&self, now: Timestamp) -> Vec<TransactionEvent> {
        let authorized = self.begun.as_ref().filter(|begun| begun.status == Status::Authorized);
        let hold = authorized.and_then(|begun| begun.hold.as_ref());
        let past = hold.filter(|hold| hold.expires_at <= now.max(self.last_at));
        let expired = |hold: &super::AuthorizedHold| TransactionEvent::PaymentExpired {
            hold_id: hold.hold_id.clone(),
            amount: hold.amount,
        };
        past.map(expired).into_iter().collect()
    }

    fn expiry_cause(&self, event: &TransactionEvent) -> Option<Cause> {
        let authorization = self.begun.as_ref().and_then(|begun| begun.commands.first());
        authorization
            .filter(|_| matches!(event, TransactionEvent::PaymentExpired { .. }))
            .map(|authorization| authorization.cause.clone())
    }
}

impl Transaction {
    pub(super) fn progress(&self) -> Option<Progress> {
        self.begun.as_ref().map(|begun| Progress { status: begun.status, error_code: begun.error_code.clone() })
    }

    fn judge(&self, command: &TransactionCommand, rules: &Rules, at: Timestamp) -> Result<(), Rejection> {
        match (command, &self.begun) {
            (TransactionCommand::Capture(_) | TransactionCommand::Void(_), None) => Err(Rejection::TransactionNotFound),
            (TransactionCommand::Capture(capture), Some(begun)) => begun.judge_capture(capture, at),
            (TransactionCommand::Void(_), Some(begun)) => begun.judge_void(at),
            (
                TransactionCommand::Topup(_)
                | TransactionCommand::Withdrawal(_)
                | TransactionCommand::Transfer(_)
                | TransactionCommand::Payment(_)
                | TransactionCommand::Refund(_)
                | TransactionCommand::Authorize(_),
                Some(begun),
            ) => Err(Rejection::InvalidOperation { status: begun.status }),
            (
                TransactionCommand::Topup(movement)
                | TransactionCommand::Withdrawal(movement)
                | TransactionCommand::Transfer(movement),
                None,
            ) => judge_movement(movement, rules),
            (TransactionCommand::Payment(payment), None) => judge_payment(payment, rules),
            (TransactionCommand::Authorize(authorization), None) => judge_authorization(authorization, rules, at),
            (TransactionCommand::Refund(refund), None) => {
                let currency = configured(&refund.currency, rules)?;
                refund.amount.as_ref().map_or(Ok(()), |amount| moved(amount, currency).map(drop))
            }
        }
    }
}

fn judge_movement(movement: &Movement, rules: &Rules) -> Result<(), Rejection> {
    moved(&movement.amount, configured(&movement.currency, rules)?)?;
    all_different(&[&movement.debited, &movement.credited])
}

fn judge_payment(payment: &Payment, rules: &Rules) -> Result<(), Rejection> {
    let currency = configured(&payment.currency, rules)?;
    let amount = moved(&payment.amount, currency)?;
    fee_below(payment.fee.as_ref(), amount, currency)?;
    let fee_account = payment.fee.iter().map(|fee| &fee.account);
    let accounts: Vec<_> = [&payment.customer, &payment.merchant].into_iter().chain(fee_account).collect();
    all_different(&accounts)
}

fn judge_authorization(authorization: &Authorization, rules: &Rules, at: Timestamp) -> Result<(), Rejection> {
    judge_payment(&authorization.payment, rules)?;
    match &authorization.expires_at {
        Some(expires_at) if at >= expires_at.value => Err(Rejection::HoldExpired),
        Some(_) | None => Ok(()),
    }
}

impl Begun {
    fn judge_capture(&self, capture: &Capture, at: Timestamp) -> Result<(), Rejection> {
        let refused = Rejection::InvalidOperation { status: self.status };
        let (Status::Authorized | Status::Expired, Some(hold)) = (self.status, &self.hold) else {
            return Err(refused);
        };
        let Parties::Payment { fee, .. } = &self.parties else { return Err(refused) };
        let currency = self.currency_of(hold.amount)?;
        let wanted = capture.amount.as_ref().map(|amount| moved(amount, &currency)).transpose()?;
        let amount = wanted.unwrap_or(hold.amount);
        fee_below(fee.as_ref(), amount, &currency)?;
        if self.status == Status::Expired || at >= hold.expires_at {
            return Err(Rejection::HoldExpired);
        }
        if amount > hold.amount {
            return Err(Rejection::CaptureExceedsAuthorization { authorized: hold.amount, requested: amount });
        }
        Ok(())
    }

    fn judge_void(&self, at: Timestamp) -> Result<(), Rejection> {
        match (self.status, &self.hold) {
            (Status::Authorized, Some(hold)) if at < hold.expires_at => Ok(()),
            (status, _) => Err(Rejection::InvalidOperation { status }),
        }
    }
}

/// Rule 4.
fn configured<'a>(code: &str, rules: &'a Rules) -> Result<&'a Currency, Rejection> {
    rules.currencies.get(code).ok_or(Rejection::InvalidCurrency)
}

/// Rule 5 of an amount.
fn moved(amount: &SentAmount, currency: &Currency) -> Result<Amount, Rejection> {
    Ok(amount.value.positive(currency)?)
}

/// Rule 5 of a fee, which is taken whole.
fn fee_below(fee: Option<&Fee>, amount: Amount, currency: &Currency) -> Result<(), Rejection> {
    let Some(fee) = fee.map(|fee| moved(&fee.amount, currency)).transpose()? else { return Ok(()) };
    if fee >= amount { Err(Rejection::FeeNotBelowAmount { fee, amount }) } else { Ok(()) }
}

/// Rule 6.
fn all_different(accounts: &[&AggregateId]) -> Result<(), Rejection> {
    let mut rest = accounts;
    while let [account, others @ ..] = rest {
        if others.contains(account) {
            return Err(Rejection::SameAccountTransfer { account_id: (*account).clone() });
        }
        rest = others;
    }
    Ok(())
}
