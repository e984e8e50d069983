//! The rows of a transaction: itself, who takes part in it, what refunds take of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::books::Books;
use super::fold::{Life, Place};
use super::values::{optional, time, value};
use crate::domain::account::{ChangeType, Text};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::money::{Amount, SentAmount};
use crate::domain::transaction::{
    Begun, Kind, LegPosted, Parties, Requested, Reserved, Status, Transaction, TransactionCommand, TransactionEvent,
};
use crate::domain::{Aggregate, Recorded, Rules, Unfit};
use crate::projection::audit::Table;

/// A transaction and what the domain does not keep of it.
pub struct TransactionLife {
    state: Transaction,
    facts: Facts,
}

#[derive(Default)]
struct Facts {
    requested_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Data of the first event.
    request: String,
    /// As exactly as is known.
    amount: Option<Amount>,
    hold_expires_at: Option<Timestamp>,
    captured: Option<Amount>,
    error_code: Option<Text>,
    reason: Option<Text>,
    legs: BTreeMap<u8, Leg>,
    participants: BTreeSet<AggregateId>,
    refunds: BTreeMap<AggregateId, (Amount, &'static str)>,
}

/// In the order of their names.
type Leg = BTreeMap<&'static str, Option<String>>;

impl Life for TransactionLife {
    type Aggregate = Transaction;

    fn before(rules: &Rules) -> Self {
        TransactionLife { state: Transaction::blank(rules), facts: Facts::default() }
    }

    fn take(&mut self, at: &Place<'_>, event: &Recorded<TransactionEvent>, books: &mut Books<'_>) -> Result<(), Unfit> {
        let had_ended = self.has_ended();
        let is_first = self.state.begun().is_none();
        self.state.apply(event)?;
        if is_first {
            self.facts.requested_at = event.at;
            self.facts.request = at.data().to_owned();
            self.facts.participants.extend(self.parties());
        }
        self.facts.take(event);
        if self.has_ended() && !had_ended {
            self.facts.ended_at = Some(event.at);
            if at.is_before_cut {
                books.money.end(at.id);
            }
        }
        Ok(())
    }

    /// Refunds of a payment may come for ever.
    fn is_over(&self) -> bool {
        let is_paid = |begun: &Begun| begun.kind() == Kind::Payment && begun.status == Status::Completed;
        self.has_ended() && !self.state.begun().is_some_and(is_paid)
    }

    fn close(self, id: &AggregateId, partition: u32, books: &mut Books<'_>) {
        let Some(begun) = self.state.begun() else { return };
        if !begun.status.has_ended() && begun.status != Status::Authorized {
            books.under_way.insert(id.clone(), begun.status);
        }
        let parent = match &begun.parties {
            Parties::Refund { original_payment } => Some(original_payment),
            Parties::Movement { .. } | Parties::Payment { .. } => None,
        };
        let facts = &self.facts;
        let legs: BTreeMap<String, &Leg> = facts.legs.iter().map(|(leg, facts)| (leg.to_string(), facts)).collect();
        let row = vec![
            value(id),
            value(self.state.version()),
            value(begun.kind()),
            value(begun.status),
            optional(facts.amount),
            value(&begun.currency),
            value(&facts.request),
            optional(parent),
            value(json!(legs)),
            optional(facts.captured),
            optional(facts.refunded()),
            facts.hold_expires_at.and_then(time),
            optional(facts.error_code.as_ref()),
            optional(facts.reason.as_ref()),
            value(partition),
            time(facts.requested_at),
            time(self.state.last_at()),
            facts.ended_at.and_then(time),
        ];
        books.write(Table::Transactions, row);
        for account in &facts.participants {
            let row = vec![value(id), value(account), value(partition), time(facts.requested_at)];
            books.write(Table::Participants, row);
        }
        for (refund_id, (amount, status)) in &facts.refunds {
            let row = vec![value(id), value(refund_id), value(partition), value(amount), value(status)];
            books.write(Table::Refunds, row);
        }
    }

    /// Transactions hold no money.
    fn abandon(self, _books: &mut Books<'_>) {}
}

impl TransactionLife {
    fn has_ended(&self) -> bool {
        self.state.begun().is_some_and(|begun| begun.status.has_ended())
    }

    /// The accounts that its first event names.
    fn parties(&self) -> Vec<AggregateId> {
        match self.state.begun().map(|begun| &begun.parties) {
            Some(Parties::Movement { debited, credited, .. }) => vec![debited.clone(), credited.clone()],
            Some(Parties::Payment { customer, merchant, fee }) => {
                let fee = fee.iter().map(|fee| &fee.account);
                [customer, merchant].into_iter().chain(fee).cloned().collect()
            }
            Some(Parties::Refund { .. }) | None => Vec::new(),
        }
    }
}

impl Facts {
    fn take(&mut self, event: &Recorded<TransactionEvent>) {
        match &event.body {
            TransactionEvent::Requested(requested) => self.request(requested),
            TransactionEvent::LegPosted(posted) => self.post(posted, event.at),
            TransactionEvent::PaymentAuthorized(hold) => {
                self.amount = Some(hold.amount);
                self.hold_expires_at = Some(hold.expires_at);
            }
            TransactionEvent::PaymentCompleted(done) => self.captured = Some(done.captured_amount),
            TransactionEvent::PaymentVoided(voided) => self.reason = voided.reason.clone(),
            TransactionEvent::RefundReserved(reserved) => self.refund(reserved, "RESERVED"),
            TransactionEvent::RefundSettled(reserved) => self.refund(reserved, "SETTLED"),
            TransactionEvent::RefundReservationReleased(reserved) => self.refund(reserved, "RELEASED"),
            TransactionEvent::Failed(failed) => {
                self.error_code = Some(failed.reason.code.clone());
                self.reason = Some(failed.reason.message.clone());
            }
            TransactionEvent::Compensated(undone) => {
                self.error_code = Some(undone.reason.code.clone());
                self.reason = Some(undone.reason.message.clone());
            }
            TransactionEvent::TopupCompleted(_)
            | TransactionEvent::WithdrawalCompleted(_)
            | TransactionEvent::TransferCompleted(_)
            | TransactionEvent::RefundCompleted(_)
            | TransactionEvent::PaymentExpired { .. } => {}
        }
    }

    fn request(&mut self, requested: &Requested) {
        let asked = match &requested.command {
            TransactionCommand::Topup(movement)
            | TransactionCommand::Withdrawal(movement)
            | TransactionCommand::Transfer(movement) => Some(&movement.amount),
            TransactionCommand::Payment(payment) => Some(&payment.amount),
            TransactionCommand::Authorize(authorization) => Some(&authorization.payment.amount),
            TransactionCommand::Refund(refund) => refund.amount.as_ref(),
            TransactionCommand::Capture(_) | TransactionCommand::Void(_) => return,
        };
        self.amount = asked.and_then(|SentAmount { text, .. }| Amount::parse(text).ok());
    }

    /// The first leg moves all there is, unless more was authorized.
    fn post(&mut self, posted: &LegPosted, at: Timestamp) {
        let LegPosted { leg, account_id, change_type, amount, new_balance } = posted;
        if *leg == 1 && self.hold_expires_at.is_none() {
            self.amount = Some(*amount);
        }
        let before = match change_type {
            ChangeType::Credit => new_balance.checked_sub(*amount),
            ChangeType::Debit => new_balance.checked_add(*amount),
        };
        let facts = [
            ("accountId", value(account_id)),
            ("amount", value(amount)),
            ("balanceAfter", value(new_balance)),
            ("balanceBefore", optional(before)),
            ("changeType", value(change_type)),
            ("postedAt", time(at)),
        ];
        self.legs.insert(*leg, facts.into_iter().filter(|(_, fact)| fact.is_some()).collect());
        self.participants.insert(account_id.clone());
    }

    fn refund(&mut self, reserved: &Reserved, status: &'static str) {
        self.refunds.insert(reserved.refund_id.clone(), (reserved.amount, status));
    }

    /// What refunds have moved; nothing when there was none.
    fn refunded(&self) -> Option<Amount> {
        let decimals = self.refunds.values().map(|(amount, _)| amount.decimals()).max()?;
        let settled = self.refunds.values().filter(|(_, status)| *status == "SETTLED");
        settled.fold(Amount::of_digits(0, decimals), |sum, (amount, _)| sum?.checked_add(*amount))
    }
}
