//! What follows from an event alone: what a command sets in motion, and the last answer to it.

use super::legs::{admitted, reason_of};
use super::{
    Authorization, Begun, Kind, Movement, Parties, Payment, Requested, Transaction, TransactionCommand,
    TransactionEvent, TransactionMessage,
};
use crate::domain::account::{AccountMessage, Admitted, ChangeType, LegPosting, NewHold, Release};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::message::{Content, Delivery, Effect, Ending, FinalReply};
use crate::domain::money::SentAmount;
use crate::domain::{Recorded, Rules};

impl Transaction {
    pub(super) fn follow(&self, id: &AggregateId, event: &Recorded<TransactionEvent>, rules: &Rules) -> Vec<Effect> {
        let Some(begun) = &self.begun else { return Vec::new() };
        let effect = match &event.body {
            TransactionEvent::Requested(requested) => begun
                .first_message(requested, event.at, rules)
                .map(|(to, body)| Effect::Message(Delivery { to, from: id.clone(), cause: event.cause(), body })),
            TransactionEvent::TopupCompleted(_)
            | TransactionEvent::WithdrawalCompleted(_)
            | TransactionEvent::TransferCompleted(_)
            | TransactionEvent::PaymentCompleted(_)
            | TransactionEvent::RefundCompleted(_)
            | TransactionEvent::PaymentAuthorized(_)
            | TransactionEvent::PaymentVoided(_) => begun.last_reply(event, Ending::Completed),
            TransactionEvent::Failed(failed) => begun.last_reply(event, Ending::Failed(failed.reason.clone())),
            TransactionEvent::Compensated(compensated) => {
                begun.last_reply(event, Ending::Compensated(compensated.reason.clone()))
            }
            TransactionEvent::LegPosted(_)
            | TransactionEvent::PaymentExpired { .. }
            | TransactionEvent::RefundReserved(_)
            | TransactionEvent::RefundSettled(_)
            | TransactionEvent::RefundReservationReleased(_) => None,
        };
        effect.into_iter().collect()
    }
}

impl Begun {
    fn last_reply(&self, event: &Recorded<TransactionEvent>, ending: Ending) -> Option<Effect> {
        self.commands.last().map(|command| {
            let (operation, cause) = (command.operation, command.cause.clone());
            Effect::Reply(FinalReply { operation, cause, version: event.version, ending })
        })
    }

    /// What a command sets in motion, and with whom.
    fn first_message(&self, requested: &Requested, at: Timestamp, rules: &Rules) -> Option<(AggregateId, Content)> {
        Some(match &requested.command {
            TransactionCommand::Topup(movement) => first_leg(Kind::Topup, movement),
            TransactionCommand::Withdrawal(movement) => first_leg(Kind::Withdrawal, movement),
            TransactionCommand::Transfer(movement) => first_leg(Kind::Transfer, movement),
            TransactionCommand::Payment(payment) => {
                debit(Kind::Payment, &payment.customer, &payment.amount, &payment.currency)
            }
            TransactionCommand::Refund(refund) => {
                let (amount, currency) = (refund.amount.clone(), refund.currency.clone());
                let reserve = TransactionMessage::Reserve { amount, currency };
                (refund.original_payment.clone(), Content::Transaction(reserve))
            }
            TransactionCommand::Authorize(authorization) => hold(authorization, at, rules),
            TransactionCommand::Capture(_) => {
                let amount = SentAmount::from(self.capture?);
                (self.customer()?, Content::Account(AccountMessage::CaptureHold { amount }))
            }
            TransactionCommand::Void(_) => {
                (self.customer()?, Content::Account(AccountMessage::ReleaseHold(Release::Voided)))
            }
        })
    }

    fn customer(&self) -> Option<AggregateId> {
        match &self.parties {
            Parties::Payment { customer, .. } => Some(customer.clone()),
            Parties::Movement { .. } | Parties::Refund { .. } => None,
        }
    }
}

fn first_leg(kind: Kind, movement: &Movement) -> (AggregateId, Content) {
    debit(kind, &movement.debited, &movement.amount, &movement.currency)
}

fn debit(kind: Kind, account: &AggregateId, amount: &SentAmount, currency: &str) -> (AggregateId, Content) {
    let posting = LegPosting {
        leg: 1,
        change_type: ChangeType::Debit,
        amount: amount.clone(),
        currency: currency.into(),
        reason: reason_of(kind),
        admitted: admitted(kind, ChangeType::Debit),
        next_account: None,
    };
    (account.clone(), Content::Account(AccountMessage::Post(posting)))
}

fn hold(authorization: &Authorization, at: Timestamp, rules: &Rules) -> (AggregateId, Content) {
    let Payment { customer, amount, currency, .. } = &authorization.payment;
    let lasts = i64::try_from(rules.default_hold.as_millis()).unwrap_or(i64::MAX);
    let default = Timestamp(at.0.saturating_add(lasts));
    let hold = NewHold {
        amount: amount.clone(),
        currency: currency.clone(),
        expires_at: authorization.expires_at.as_ref().map_or(default, |expires_at| expires_at.value),
        admitted: Admitted::User,
    };
    (customer.clone(), Content::Account(AccountMessage::PlaceHold(hold)))
}
