//! A log without an engine, on which the domain has accounts and transactions, and the command line looks at it.

use super::town::Town;
use super::*;

/// A log with some accounts, and whatever the test wants to happen.
pub struct Stage {
    pub desk: Desk,
    pub log: String,
    pub town: Town,
}

impl Stage {
    /// Two customers, a shop, a house and a bank.
    pub fn new() -> Self {
        let desk = Desk::new();
        let log = desk.path().join("log").to_str().unwrap().to_owned();
        let mut town = Town::new();
        town.open("ann", "USER", "100.00");
        town.open("bob", "USER", "5.00");
        town.open("shop", "USER", "0");
        town.open("house", "SYSTEM", "0");
        town.open("bank", "EXTERNAL", "0");
        Stage { desk, log, town }
    }

    pub fn call(&mut self, words: &str) -> Finished {
        self.town.write(&self.log);
        self.desk.run(&[split(words), vec!["--dir", &self.log]].concat())
    }

    /// The lines that a program gets.
    pub fn json(&mut self, words: &str) -> Vec<Value> {
        lines(&self.call(&format!("{words} --json")).expect_success())
    }

    pub fn show(&mut self, id: &str) -> Value {
        self.json(&format!("transaction show {id}")).remove(0)
    }

    /// Ids in the order in which they are listed.
    pub fn list(&mut self, filter: &str) -> Vec<String> {
        let listed = self.json(&format!("transaction list {filter}"));
        listed.iter().map(|row| row["transactionId"].as_str().unwrap().to_owned()).collect()
    }
}

pub fn transfer(amount: &str) -> Value {
    json!({ "sourceAccountId": "ann", "destinationAccountId": "bob", "amount": amount, "currency": "USD" })
}

pub fn payment(amount: &str) -> Value {
    json!({
        "customerAccountId": "ann", "merchantAccountId": "shop", "amount": amount, "currency": "USD",
        "feeAccountId": "house", "feeAmount": "1.00",
    })
}

pub fn refund(of: &str, amount: &str) -> Value {
    json!({ "originalPaymentId": of, "refundAmount": amount, "currency": "USD" })
}
