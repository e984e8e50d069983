//! What an aggregate is, in a few words, for people who compare two of them.

use crate::domain::account::Account;
use crate::domain::transaction::Transaction;
use crate::wire::message::Mail;

/// An aggregate that can be told in short.
pub trait Brief: Mail {
    /// What it is, but for its version.
    fn in_short(&self) -> String;
}

impl Brief for Account {
    fn in_short(&self) -> String {
        let balance =
            self.opened().map(|opened| format!("{} {}, {}", opened.balance, opened.currency.code(), opened.status));
        let balance = balance.unwrap_or_else(|| "not opened".to_owned());
        format!("{balance}, {} commands remembered", self.remembered().iter().count())
    }
}

impl Brief for Transaction {
    fn in_short(&self) -> String {
        let begun = self.begun().map(|begun| {
            let (kind, status) = (begun.kind(), begun.status);
            format!("{kind} {status}, {} legs, {} commands remembered", begun.legs.len(), begun.commands.len())
        });
        begun.unwrap_or_else(|| "not begun".to_owned())
    }
}
