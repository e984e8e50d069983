//! Rows that follow from events of transactions.

use std::collections::BTreeMap;

use super::Changes;
use crate::domain::Recorded;
use crate::domain::account::{ChangeType, Text};
use crate::domain::ids::{AggregateId, Timestamp, Version};
use crate::domain::message::Reason;
use crate::domain::money::{Amount, SentAmount};
use crate::domain::transaction::{
    Kind, LegPosted, Payment, Reserved, Status, Transaction, TransactionCommand, TransactionEvent,
};
use crate::wire::Wire;
use crate::wire::json::Object;

/// What happened to a row of `transactions`: what is `None` stays as it is.
#[derive(Clone, PartialEq, Debug)]
pub struct TransactionChange {
    /// Set when it began; `turn` is set then too.
    pub begun: Option<Begun>,
    /// Its version now.
    pub version: Version,
    /// The time of its last event.
    pub updated_at: Timestamp,
    /// Its status now, and what goes with that.
    pub turn: Option<Turn>,
    /// Set when its hold was placed.
    pub authorized: Option<Authorized>,
    /// The legs that were posted.
    pub legs: BTreeMap<u8, Leg>,
    /// All that the customer of a payment paid.
    pub captured_amount: Option<Amount>,
    /// Whether its refunds changed, so that what they sum up to is to be taken again.
    pub refunds_changed: bool,
}

/// What never changes of a transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct Begun {
    /// What kind it is.
    pub kind: Kind,
    /// How much was asked for, with the decimals it was sent with; `None`: all that is left.
    pub asked: Option<Amount>,
    /// Code of the currency.
    pub currency: Box<str>,
    /// The data of the event, as it stands there.
    pub request: String,
    /// Of a refund: the payment.
    pub parent: Option<AggregateId>,
    /// When.
    pub at: Timestamp,
}

/// A status that was reached, and everything that is true or void with it.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the columns, explained at the table")]
pub struct Turn {
    pub status: Status,
    pub error_code: Option<Text>,
    pub reason: Option<Text>,
    pub ended_at: Option<Timestamp>,
}

/// The hold of a payment.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Authorized {
    pub amount: Amount,
    pub expires_at: Timestamp,
}

/// A posted leg.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the words of the wire")]
pub struct Leg {
    pub account_id: AggregateId,
    pub change_type: ChangeType,
    pub amount: Amount,
    pub balance_before: Option<Amount>,
    pub balance_after: Amount,
    pub at: Timestamp,
}

/// A row of `refunds`.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the columns, explained at the table")]
pub struct RefundRow {
    pub amount: Amount,
    pub status: RefundStatus,
}

/// Where a refund stands at its payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefundStatus {
    /// The amount is promised to it.
    Reserved,
    /// It has moved the amount.
    Settled,
    /// It came to nothing.
    Released,
}

impl RefundStatus {
    /// The word in the column.
    pub fn as_str(self) -> &'static str {
        match self {
            RefundStatus::Reserved => "RESERVED",
            RefundStatus::Settled => "SETTLED",
            RefundStatus::Released => "RELEASED",
        }
    }
}

impl Changes {
    /// Takes in the next event of a transaction.
    pub fn take_transaction(&mut self, id: &AggregateId, event: &Recorded<TransactionEvent>) {
        let change = self.transactions.entry(id.clone()).or_insert_with(|| TransactionChange {
            begun: None,
            version: event.version,
            updated_at: event.at,
            turn: None,
            authorized: None,
            legs: BTreeMap::new(),
            captured_amount: None,
            refunds_changed: false,
        });
        change.version = event.version;
        change.updated_at = event.at;
        change.take(event);
        match &event.body {
            TransactionEvent::Requested(requested) => {
                let named = named(&requested.command).into_iter().flatten();
                self.participants.extend(named.map(|account| (id.clone(), account.clone())));
            }
            TransactionEvent::LegPosted(posted) => {
                self.participants.insert((id.clone(), posted.account_id.clone()));
            }
            TransactionEvent::RefundReserved(reserved) => self.refund(id, reserved, RefundStatus::Reserved),
            TransactionEvent::RefundSettled(reserved) => self.refund(id, reserved, RefundStatus::Settled),
            TransactionEvent::RefundReservationReleased(reserved) => self.refund(id, reserved, RefundStatus::Released),
            TransactionEvent::TopupCompleted(_)
            | TransactionEvent::WithdrawalCompleted(_)
            | TransactionEvent::TransferCompleted(_)
            | TransactionEvent::PaymentCompleted(_)
            | TransactionEvent::RefundCompleted(_)
            | TransactionEvent::PaymentAuthorized(_)
            | TransactionEvent::PaymentVoided(_)
            | TransactionEvent::PaymentExpired { .. }
            | TransactionEvent::Failed(_)
            | TransactionEvent::Compensated(_) => {}
        }
    }

    fn refund(&mut self, payment: &AggregateId, reserved: &Reserved, status: RefundStatus) {
        let row = RefundRow { amount: reserved.amount, status };
        self.refunds.insert((payment.clone(), reserved.refund_id.clone()), row);
    }
}

impl TransactionChange {
    fn take(&mut self, event: &Recorded<TransactionEvent>) {
        match &event.body {
            TransactionEvent::Requested(requested) => self.request(&requested.command, event),
            TransactionEvent::LegPosted(posted) => {
                self.legs.insert(posted.leg, Leg::of(posted, event.at));
            }
            TransactionEvent::TopupCompleted(_)
            | TransactionEvent::WithdrawalCompleted(_)
            | TransactionEvent::TransferCompleted(_)
            | TransactionEvent::RefundCompleted(_) => self.end(Status::Completed, event.at),
            TransactionEvent::PaymentCompleted(done) => {
                self.captured_amount = Some(done.captured_amount);
                self.end(Status::Completed, event.at);
            }
            TransactionEvent::PaymentAuthorized(hold) => {
                self.authorized = Some(Authorized { amount: hold.amount, expires_at: hold.expires_at });
                self.go_on(Status::Authorized);
            }
            TransactionEvent::PaymentVoided(voided) => {
                self.end(Status::Voided, event.at);
                self.explain(None, voided.reason.as_ref());
            }
            TransactionEvent::PaymentExpired { .. } => self.end(Status::Expired, event.at),
            TransactionEvent::RefundReserved(_)
            | TransactionEvent::RefundSettled(_)
            | TransactionEvent::RefundReservationReleased(_) => self.refunds_changed = true,
            TransactionEvent::Failed(failed) => self.fail(Status::Failed, &failed.reason, event.at),
            TransactionEvent::Compensated(undone) => self.fail(Status::Compensated, &undone.reason, event.at),
        }
    }

    fn request(&mut self, command: &TransactionCommand, event: &Recorded<TransactionEvent>) {
        let (asked, currency, parent) = match command {
            TransactionCommand::Topup(movement)
            | TransactionCommand::Withdrawal(movement)
            | TransactionCommand::Transfer(movement) => (Some(&movement.amount), &movement.currency, None),
            TransactionCommand::Payment(payment) => (Some(&payment.amount), &payment.currency, None),
            TransactionCommand::Authorize(authorization) => {
                (Some(&authorization.payment.amount), &authorization.payment.currency, None)
            }
            TransactionCommand::Refund(refund) => {
                (refund.amount.as_ref(), &refund.currency, Some(refund.original_payment.clone()))
            }
            TransactionCommand::Capture(_) => return self.go_on(Status::Capturing),
            TransactionCommand::Void(_) => return self.go_on(Status::Voiding),
        };
        self.begun = Some(Begun {
            kind: command.operation().kind(),
            asked: asked.and_then(as_amount),
            currency: currency.clone(),
            request: data_of(&event.body),
            parent,
            at: event.at,
        });
        self.go_on(Status::Requested);
    }

    fn go_on(&mut self, status: Status) {
        self.turn = Some(Turn { status, error_code: None, reason: None, ended_at: None });
    }

    fn end(&mut self, status: Status, at: Timestamp) {
        self.turn = Some(Turn { status, error_code: None, reason: None, ended_at: Some(at) });
    }

    fn fail(&mut self, status: Status, reason: &Reason, at: Timestamp) {
        self.end(status, at);
        self.explain(Some(&reason.code), Some(&reason.message));
    }

    fn explain(&mut self, error_code: Option<&Text>, reason: Option<&Text>) {
        if let Some(turn) = &mut self.turn {
            turn.error_code = error_code.cloned();
            turn.reason = reason.cloned();
        }
    }

    /// The amount of the first leg, if it was posted: all that moves, with the decimals of its currency.
    pub fn first_leg(&self) -> Option<Amount> {
        self.legs.get(&1).map(|leg| leg.amount)
    }

    /// The posted legs as an object by their number.
    pub fn legs_json(&self) -> String {
        let mut out = vec![b'{'];
        for (number, leg) in &self.legs {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(format!("\"{number}\":").as_bytes());
            let mut object = Object::open(&mut out);
            object.word("accountId", leg.account_id.as_str());
            object.word("changeType", leg.change_type.as_str());
            object.amount("amount", leg.amount);
            object.optional_amount("balanceBefore", leg.balance_before);
            object.amount("balanceAfter", leg.balance_after);
            object.timestamp("postedAt", leg.at);
            object.close();
        }
        out.push(b'}');
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Its amount, as exactly as is known; of one that began here.
    pub fn amount(&self) -> Option<Amount> {
        let said = self.authorized.map(|authorized| authorized.amount).or_else(|| self.first_leg());
        said.or_else(|| self.begun.as_ref()?.asked)
    }
}

impl Leg {
    fn of(posted: &LegPosted, at: Timestamp) -> Leg {
        let balance_before = match posted.change_type {
            ChangeType::Credit => posted.new_balance.checked_sub(posted.amount),
            ChangeType::Debit => posted.new_balance.checked_add(posted.amount),
        };
        Leg {
            account_id: posted.account_id.clone(),
            change_type: posted.change_type,
            amount: posted.amount,
            balance_before,
            balance_after: posted.new_balance,
            at,
        }
    }
}

/// An amount that was accepted; it fits.
fn as_amount(sent: &SentAmount) -> Option<Amount> {
    Amount::parse(&sent.text).ok()
}

/// The data of an event, to the letter.
fn data_of(event: &TransactionEvent) -> String {
    let mut bytes = Vec::new();
    let mut data = Object::open(&mut bytes);
    Transaction::write_event(event, &mut data);
    data.close();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The accounts that a command names.
fn named(command: &TransactionCommand) -> [Option<&AggregateId>; 3] {
    match command {
        TransactionCommand::Topup(movement)
        | TransactionCommand::Withdrawal(movement)
        | TransactionCommand::Transfer(movement) => [Some(&movement.debited), Some(&movement.credited), None],
        TransactionCommand::Payment(payment) => named_by(payment),
        TransactionCommand::Authorize(authorization) => named_by(&authorization.payment),
        TransactionCommand::Refund(_) | TransactionCommand::Capture(_) | TransactionCommand::Void(_) => [None; 3],
    }
}

fn named_by(payment: &Payment) -> [Option<&AggregateId>; 3] {
    [Some(&payment.customer), Some(&payment.merchant), payment.fee.as_ref().map(|fee| &fee.account)]
}
