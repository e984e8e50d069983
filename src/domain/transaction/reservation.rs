//! What of a payment is promised to refunds, and what they have moved already.

use super::{Begun, Kind, Parties, Reserved, Status, TransactionEvent, TransactionMessage};
use crate::domain::ids::AggregateId;
use crate::domain::message::{Content, Delivery, Reason, Receipt, Unexpected};
use crate::domain::money::{Amount, SentAmount};
use crate::domain::{Rejection, Unfit};

/// The refunds of one payment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reservations {
    open: Vec<Reserved>,
    /// `None` before the first refund has settled.
    settled: Option<Amount>,
}

impl Reservations {
    /// These refunds under way, and what others have moved: what a snapshot says.
    ///
    /// # Errors
    /// A refund that reserves twice.
    pub fn restored(open: Vec<Reserved>, settled: Option<Amount>) -> Result<Self, Unfit> {
        let mut reservations = Reservations { open: Vec::with_capacity(open.len()), settled };
        open.iter().try_for_each(|reserved| reservations.reserve(reserved))?;
        Ok(reservations)
    }

    /// The refunds under way.
    pub fn open(&self) -> &[Reserved] {
        &self.open
    }

    /// What refunds have moved; `None` when none has.
    pub fn settled(&self) -> Option<Amount> {
        self.settled
    }

    /// What is left of `captured`: neither promised nor moved.
    pub fn left(&self, captured: Amount) -> Option<Amount> {
        let gone = self.open.iter().map(|reserved| reserved.amount).chain(self.settled);
        gone.into_iter().try_fold(captured, Amount::checked_sub)
    }

    fn find(&self, refund_id: &AggregateId) -> Option<&Reserved> {
        self.open.iter().find(|reserved| reserved.refund_id == *refund_id)
    }

    pub(super) fn reserve(&mut self, reserved: &Reserved) -> Result<(), Unfit> {
        if self.find(&reserved.refund_id).is_some() {
            return Err(Unfit::Contradiction("a refund reserves twice"));
        }
        self.open.push(reserved.clone());
        Ok(())
    }

    pub(super) fn settle(&mut self, reserved: &Reserved) -> Result<(), Unfit> {
        let settled = match self.settled {
            Some(settled) => settled.checked_add(reserved.amount),
            None => Some(reserved.amount),
        };
        let settled = settled.ok_or(Unfit::Contradiction("refunds do not add up"))?;
        self.release(reserved)?;
        self.settled = Some(settled);
        Ok(())
    }

    pub(super) fn release(&mut self, reserved: &Reserved) -> Result<(), Unfit> {
        let place = self.open.iter().position(|open| open == reserved);
        let place = place.ok_or(Unfit::Contradiction("a refund ends that reserved nothing"))?;
        self.open.remove(place);
        Ok(())
    }
}

type Message = Delivery<TransactionMessage>;

/// What a payment does about a refund that wants to reserve; `None` where there is no transaction at all.
pub(super) fn reserve(
    payment: Option<&Begun>,
    delivery: &Message,
    amount: Option<&SentAmount>,
    currency: &str,
) -> Result<Receipt<TransactionEvent>, Unexpected> {
    match judged(payment, amount, currency) {
        Err(rejection) => {
            let refused = TransactionMessage::ReservationRefused(Reason::from(&rejection));
            Ok(Receipt::only(delivery.answer(Content::Transaction(refused))))
        }
        Ok((payment, _, _)) if payment.refunds.find(&delivery.from).is_some() => {
            Err(Unexpected("a refund reserves twice"))
        }
        Ok((_, (merchant, customer), amount)) => {
            let answer = TransactionMessage::ReservationMade { amount, merchant, customer };
            let reserved = Reserved { refund_id: delivery.from.clone(), amount };
            let letters = vec![delivery.answer(Content::Transaction(answer))];
            Ok(Receipt { events: vec![TransactionEvent::RefundReserved(reserved)], letters })
        }
    }
}

/// Merchant and customer of a payment.
type GivesAndGets = (AggregateId, AggregateId);

fn judged<'a>(
    payment: Option<&'a Begun>,
    amount: Option<&SentAmount>,
    currency: &str,
) -> Result<(&'a Begun, GivesAndGets, Amount), Rejection> {
    let payment = payment.ok_or(Rejection::TransactionNotFound)?;
    let Some(captured) = payment.captured().filter(|_| payment.status == Status::Completed) else {
        return Err(Rejection::PaymentNotCompleted);
    };
    let Parties::Payment { customer, merchant, .. } = &payment.parties else {
        return Err(Rejection::PaymentNotCompleted);
    };
    if currency != &*payment.currency {
        return Err(Rejection::OtherThanPayment { payment: payment.currency.clone() });
    }
    let left = payment.refunds.left(captured).ok_or(Rejection::AmountOverflow)?;
    let amount = match amount {
        Some(amount) => amount.value.positive(&payment.currency_of(captured)?)?,
        None => left,
    };
    if left.is_zero() || amount > left {
        return Err(Rejection::RefundExceedsPayment { left });
    }
    Ok((payment, (merchant.clone(), customer.clone()), amount))
}

/// What a payment does when a refund has moved its money.
pub(super) fn settle(payment: Option<&Begun>, delivery: &Message) -> Result<Receipt<TransactionEvent>, Unexpected> {
    let reserved = promised(payment, &delivery.from)?;
    let letters = vec![delivery.answer(Content::Transaction(TransactionMessage::Settled))];
    Ok(Receipt { events: vec![TransactionEvent::RefundSettled(reserved)], letters })
}

/// What a payment does when a refund has moved nothing.
pub(super) fn release(
    payment: Option<&Begun>,
    delivery: &Message,
    answer: TransactionMessage,
) -> Result<Receipt<TransactionEvent>, Unexpected> {
    let reserved = promised(payment, &delivery.from)?;
    let letters = vec![delivery.answer(Content::Transaction(answer))];
    Ok(Receipt { events: vec![TransactionEvent::RefundReservationReleased(reserved)], letters })
}

fn promised(payment: Option<&Begun>, refund_id: &AggregateId) -> Result<Reserved, Unexpected> {
    let payment = payment.filter(|payment| payment.kind() == Kind::Payment);
    let reserved = payment.and_then(|payment| payment.refunds.find(refund_id));
    reserved.cloned().ok_or(Unexpected("a refund ends that reserved nothing"))
}
