//! All money there is, kept from the events alone, in the order in which they became visible.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::sagas::is_end;

/// Whole numbers of the smallest unit that any currency of the simulation has.
type Cents = i64;

/// The books of all accounts and transactions.
#[derive(Default)]
pub struct Ledger {
    balances: BTreeMap<String, (String, Cents)>,
    /// Direct credits less direct debits, by currency.
    direct: BTreeMap<String, Cents>,
    /// What the postings of each transaction add up to, by currency.
    moved: BTreeMap<String, BTreeMap<String, Cents>>,
    ended: BTreeSet<String>,
    /// Open holds, by account and transaction.
    held: BTreeMap<(String, String), Cents>,
    captured: BTreeMap<String, Cents>,
    /// What each payment has promised, and moved, by refund.
    reserved: BTreeMap<String, BTreeMap<String, Cents>>,
    settled: BTreeSet<String>,
    /// The leg of each transaction that was undone last.
    undone: BTreeMap<String, u64>,
    faults: Vec<String>,
}

fn cents(amount: &Value) -> Cents {
    let text = amount.as_str().unwrap_or_default();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

impl Ledger {
    /// An event of an account.
    pub fn account(&mut self, event: &Value) {
        let (id, data) = (text(event, "aggregateId"), &event["data"]);
        match event["eventType"].as_str().unwrap_or_default() {
            "BalanceChanged" => self.posted(&id, event),
            "HoldPlaced" => {
                let before = self.held.insert((id.clone(), text(data, "transactionId")), cents(&data["amount"]));
                self.check(before.is_none(), || format!("a second hold: {event}"));
            }
            "HoldCaptured" => self.let_go(&id, data, &data["capturedAmount"]),
            "HoldReleased" => self.let_go(&id, data, &data["amount"]),
            _ => {}
        }
    }

    fn let_go(&mut self, id: &str, data: &Value, amount: &Value) {
        let key = (id.to_owned(), text(data, "transactionId"));
        let left = self.held.remove(&key).map(|held| held - cents(amount));
        self.check(left.is_some_and(|left| left >= 0), || format!("{id} has no such hold: {data}"));
        if let Some(left) = left.filter(|left| *left > 0) {
            self.held.insert(key, left);
        }
    }

    fn posted(&mut self, id: &str, event: &Value) {
        let data = &event["data"];
        let (currency, amount) = (text(data, "currency"), cents(&data["changeAmount"]));
        let change = if data["changeType"] == "CREDIT" { amount } else { -amount };
        let after = cents(&data["newBalance"]);
        let (_, before) = self.balances.insert(id.to_owned(), (currency.clone(), after)).unwrap_or_default();
        let adds_up = before == cents(&data["previousBalance"]) && before + change == after && amount > 0;
        self.check(adds_up, || format!("a posting does not add up on {before}: {event}"));
        if data["transactionId"].is_null() {
            *self.direct.entry(currency).or_default() += change;
            return;
        }
        let transaction = text(data, "transactionId");
        self.check(!self.ended.contains(&transaction), || format!("{transaction} has ended and moves money: {event}"));
        if data["forced"] == true {
            let leg = data["leg"].as_u64().unwrap_or_default();
            let before = self.undone.insert(transaction.clone(), leg);
            self.check(before.is_none_or(|before| leg < before), || format!("undone in another order: {event}"));
        }
        *self.moved.entry(transaction).or_default().entry(currency).or_default() += change;
    }

    /// An event of a transaction.
    pub fn transaction(&mut self, event: &Value) {
        let (id, data) = (text(event, "aggregateId"), &event["data"]);
        let event_type = text(event, "eventType");
        if is_end(&event_type) {
            self.ended.insert(id.clone());
        }
        match &*event_type {
            "LegPosted" if data["leg"] == 1 && data["changeType"] == "DEBIT" => {
                self.captured.insert(id, cents(&data["amount"]));
            }
            "RefundReserved" => {
                let refunds = self.reserved.entry(id.clone()).or_default();
                refunds.insert(text(data, "refundId"), cents(&data["amount"]));
                let (promised, captured) = (refunds.values().sum::<Cents>(), self.captured.get(&id).copied());
                self.check(captured.is_some_and(|captured| promised <= captured), || {
                    format!("{id} has brought {captured:?}, refunds of it are {promised}")
                });
            }
            "RefundSettled" => self.settle(data),
            "RefundReservationReleased" => {
                let gone = self.reserved.get_mut(&id).and_then(|refunds| refunds.remove(&text(data, "refundId")));
                self.check(gone.is_some(), || format!("nothing was reserved: {event}"));
            }
            "RefundCompleted" => {
                let is_settled = self.settled.contains(&id);
                self.check(is_settled, || format!("{id} has ended before its payment confirmed it"));
            }
            "TransactionFailed" | "TransactionCompensated" => {
                let is_reserved = self.reserved.values().any(|refunds| refunds.contains_key(&id));
                self.check(!is_reserved, || format!("{id} has failed before its payment was free again"));
            }
            _ => {}
        }
    }

    fn settle(&mut self, data: &Value) {
        let is_new = self.settled.insert(text(data, "refundId"));
        self.check(is_new, || format!("settled twice: {data}"));
    }

    /// What must hold whenever a commit has become visible: what is there is what came from outside, and what is under
    /// way.
    pub fn balance(&mut self) {
        let mut expected = self.direct.clone();
        for (_, moved) in self.moved.iter().filter(|(id, _)| !self.ended.contains(*id)) {
            for (currency, change) in moved {
                *expected.entry(currency.clone()).or_default() += change;
            }
        }
        let mut found = BTreeMap::<String, Cents>::new();
        for (currency, balance) in self.balances.values() {
            *found.entry(currency.clone()).or_default() += balance;
        }
        expected.retain(|_, sum| *sum != 0);
        found.retain(|_, sum| *sum != 0);
        self.check(expected == found, || format!("balances are {found:?}, expected {expected:?}"));
    }

    /// Everything is at rest: what was found, and what should not be left.
    pub fn close(mut self) -> Vec<String> {
        let held = std::mem::take(&mut self.held);
        self.check(held.is_empty(), || format!("holds are left over: {held:?}"));
        let moving: Vec<_> = self.moved.keys().filter(|id| !self.ended.contains(*id)).cloned().collect();
        self.check(moving.is_empty(), || format!("have moved money and not ended: {moving:?}"));
        // One fault is enough to look at, and each commit behind it would tell of it again.
        self.faults.truncate(3);
        self.faults
    }

    fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds && self.faults.len() < 3 {
            self.faults.push(fault());
        }
    }
}
