//! What a transaction does about what it hears: the next leg, the next reversal, or its end.
//!
//! Nothing is waited for twice and nothing comes twice, so each message has one place where it can come. Elsewhere it
//! is no message of this history.

use super::legs::{Next, admitted};
use super::{
    AuthorizedHold, Begun, Kind, LegPosted, Operation, Parties, Progress, Status, Transaction, TransactionEvent,
    TransactionMessage, Voided, ending, reservation,
};
use crate::domain::account::{AccountMessage, ChangeType, LegFailure, LegPosting, LegReason, Release};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::message::{Content, Delivery, Effect, Letter, Milestone, Participant, Reason, Receipt, Unexpected};
use crate::domain::money::{Amount, SentAmount};
use crate::domain::{Recorded, Rules};

type Outcome = Result<Receipt<TransactionEvent>, Unexpected>;

impl Participant for Transaction {
    type Message = TransactionMessage;

    fn receive(&self, delivery: &Delivery<TransactionMessage>, _rules: &Rules, now: Timestamp) -> Outcome {
        let begun = self.begun.as_ref();
        match &delivery.body {
            TransactionMessage::Reserve { amount, currency } => {
                reservation::reserve(begun, delivery, amount.as_ref(), currency)
            }
            TransactionMessage::Settle => reservation::settle(begun, delivery),
            TransactionMessage::ReleaseReservation { failure } => {
                let answer = TransactionMessage::ReservationReleased { failure: failure.clone() };
                reservation::release(begun, delivery, answer)
            }
            TransactionMessage::Posted { .. }
            | TransactionMessage::HoldPlaced { .. }
            | TransactionMessage::HoldReleased(_)
            | TransactionMessage::Reversed { .. }
            | TransactionMessage::Refused { .. }
            | TransactionMessage::ReservationMade { .. }
            | TransactionMessage::ReservationRefused(_)
            | TransactionMessage::Settled
            | TransactionMessage::ReservationReleased { .. } => {
                let begun = begun.ok_or(Unexpected("an outcome of a transaction that nobody asked for"))?;
                Step { begun, delivery, at: now.max(self.last_at) }.go_on()
            }
        }
    }

    fn react(&self, id: &AggregateId, event: &Recorded<TransactionEvent>, rules: &Rules) -> Vec<Effect> {
        self.follow(id, event, rules)
    }

    fn progress(&self) -> Option<Progress> {
        Transaction::progress(self)
    }

    fn is_open(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.status.is_open())
    }

    fn milestone(&self, event: &TransactionEvent) -> Option<Milestone> {
        let begun = self.begun.as_ref().filter(|_| event.ends())?;
        Some(Milestone::Ended(begun.kind(), begun.status))
    }
}

/// One outcome on its way into a transaction, at the time at which it is heard.
struct Step<'a> {
    begun: &'a Begun,
    delivery: &'a Delivery<TransactionMessage>,
    at: Timestamp,
}

impl Step<'_> {
    fn go_on(&self) -> Outcome {
        let Step { begun, .. } = self;
        match &self.delivery.body {
            TransactionMessage::Posted { posted, next_account } => self.posted(posted, next_account.as_ref()),
            TransactionMessage::HoldPlaced { amount, expires_at } => self.hold_placed(*amount, *expires_at),
            TransactionMessage::HoldReleased(Release::Voided) => self.voided(),
            TransactionMessage::HoldReleased(Release::Compensated(failure)) => {
                expected(begun.status == Status::Capturing && begun.legs.is_empty())?;
                Ok(happened(ending::failed(failure.clone(), self.at)))
            }
            TransactionMessage::Refused { leg, reason } => self.refused(*leg, reason),
            TransactionMessage::Reversed { leg, failure } => self.reversed(*leg, failure),
            TransactionMessage::ReservationMade { amount, merchant, customer } => {
                self.reserved(*amount, merchant, customer)
            }
            TransactionMessage::ReservationRefused(reason) => {
                self.expect_from_payment(begun.legs.is_empty())?;
                Ok(happened(ending::not_reserved(reason, self.at)))
            }
            TransactionMessage::Settled => {
                self.expect_from_payment(begun.awaited_leg().is_none())?;
                ending::completed(&begun.parties, &begun.legs, &self.delivery.to, self.at).map(happened)
            }
            TransactionMessage::ReservationReleased { failure } => {
                self.expect_from_payment(true)?;
                Ok(happened(self.undone(failure.clone())))
            }
            TransactionMessage::Reserve { .. }
            | TransactionMessage::Settle
            | TransactionMessage::ReleaseReservation { .. } => Err(OUT_OF_PLACE),
        }
    }

    fn posted(&self, posted: &LegPosted, next_account: Option<&AggregateId>) -> Outcome {
        let Step { begun, delivery, .. } = self;
        expected(begun.awaited_leg() == Some(posted.leg) && delivery.from == posted.account_id)?;
        let event = TransactionEvent::LegPosted(posted.clone());
        let mut after = (*begun).clone();
        after.legs.push(posted.clone());
        match begun.after(posted, next_account)? {
            Next::Leg(account, posting) => {
                Ok(Receipt { events: vec![event], letters: vec![self.tell(&account, AccountMessage::Post(posting))] })
            }
            Next::Refused(failure) => {
                let (account, reversal) = after.reversal(posted.leg, &failure)?;
                Ok(Receipt { events: vec![event], letters: vec![self.tell(&account, reversal)] })
            }
            Next::Done => match &begun.parties {
                Parties::Refund { original_payment } => {
                    let settle = Content::Transaction(TransactionMessage::Settle);
                    Ok(Receipt { events: vec![event], letters: vec![delivery.pass_on(original_payment, settle)] })
                }
                Parties::Movement { .. } | Parties::Payment { .. } => {
                    let end = ending::completed(&begun.parties, &after.legs, &delivery.to, self.at)?;
                    Ok(Receipt { events: vec![event, end], letters: Vec::new() })
                }
            },
        }
    }

    fn hold_placed(&self, amount: Amount, expires_at: Timestamp) -> Outcome {
        expected(self.begun.is_authorizing())?;
        let hold_id = self.delivery.to.clone();
        Ok(happened(TransactionEvent::PaymentAuthorized(AuthorizedHold { hold_id, amount, expires_at })))
    }

    fn voided(&self) -> Outcome {
        let hold = self.begun.hold.as_ref().filter(|_| self.begun.status == Status::Voiding);
        let hold = hold.ok_or(OUT_OF_PLACE)?;
        let reason = self.begun.void_reason.clone();
        Ok(happened(TransactionEvent::PaymentVoided(Voided {
            hold_id: hold.hold_id.clone(),
            amount: hold.amount,
            reason,
        })))
    }

    fn refused(&self, leg: u8, reason: &Reason) -> Outcome {
        let Step { begun, delivery, .. } = self;
        expected(begun.awaited_leg() == Some(leg) || begun.is_authorizing())?;
        let failure = LegFailure { leg, account_id: delivery.from.clone(), reason: reason.clone() };
        if let Some(last) = begun.legs.last() {
            return self.reverse(last.leg, &failure);
        }
        if begun.last_operation() == Some(Operation::Capture) {
            let release = AccountMessage::ReleaseHold(Release::Compensated(failure));
            return Ok(Receipt::only(delivery.answer(Content::Account(release))));
        }
        Ok(self.nothing_stands(failure))
    }

    fn reversed(&self, leg: u8, failure: &LegFailure) -> Outcome {
        let stands = self.begun.posted(leg).is_some_and(|posted| posted.account_id == self.delivery.from);
        expected(self.begun.is_moving() && stands)?;
        match leg.checked_sub(1) {
            Some(before) if before > 0 => self.reverse(before, failure),
            Some(_) | None => Ok(self.nothing_stands(failure.clone())),
        }
    }

    fn reverse(&self, leg: u8, failure: &LegFailure) -> Outcome {
        let (account, reversal) = self.begun.reversal(leg, failure)?;
        Ok(Receipt::only(self.tell(&account, reversal)))
    }

    /// No money of it is anywhere but where it was: it ends, a refund once its payment knows.
    fn nothing_stands(&self, failure: LegFailure) -> Receipt<TransactionEvent> {
        match &self.begun.parties {
            Parties::Refund { original_payment } => {
                let release = Content::Transaction(TransactionMessage::ReleaseReservation { failure });
                Receipt::only(self.delivery.pass_on(original_payment, release))
            }
            Parties::Movement { .. } | Parties::Payment { .. } => happened(self.undone(failure)),
        }
    }

    fn undone(&self, failure: LegFailure) -> TransactionEvent {
        if self.begun.legs.is_empty() {
            ending::failed(failure, self.at)
        } else {
            self.begun.compensated(&self.delivery.to, failure, self.at)
        }
    }

    fn reserved(&self, amount: Amount, merchant: &AggregateId, customer: &AggregateId) -> Outcome {
        self.expect_from_payment(self.begun.legs.is_empty())?;
        let posting = LegPosting {
            leg: 1,
            change_type: ChangeType::Debit,
            amount: SentAmount::from(amount),
            currency: self.begun.currency.clone(),
            reason: LegReason::Refund,
            admitted: admitted(Kind::Refund, ChangeType::Debit),
            next_account: Some(customer.clone()),
        };
        Ok(Receipt::only(self.tell(merchant, AccountMessage::Post(posting))))
    }

    fn expect_from_payment(&self, follows: bool) -> Result<(), Unexpected> {
        let Parties::Refund { original_payment } = &self.begun.parties else { return Err(OUT_OF_PLACE) };
        expected(follows && self.begun.is_moving() && self.delivery.from == *original_payment)
    }

    fn tell(&self, account: &AggregateId, message: AccountMessage) -> Letter {
        self.delivery.pass_on(account, Content::Account(message))
    }
}

const OUT_OF_PLACE: Unexpected = Unexpected("a message does not follow from how far the transaction has come");

fn expected(follows: bool) -> Result<(), Unexpected> {
    if follows { Ok(()) } else { Err(OUT_OF_PLACE) }
}

fn happened(event: TransactionEvent) -> Receipt<TransactionEvent> {
    Receipt { events: vec![event], letters: Vec::new() }
}
