//! The topics and the group of each aggregate type.

use crate::log::{Spec, Topic};
use crate::partition::{ACCOUNT_INBOX, TRANSACTION_INBOX};

/// Accounts: their topics and their group.
pub const ACCOUNTS: Spec = Spec {
    group: "accounts",
    commands: Topic("account.commands"),
    inbox: ACCOUNT_INBOX,
    events: Topic("account.events"),
    snapshots: Topic("account.snapshots"),
};

/// Transactions: their topics and their group.
pub const TRANSACTIONS: Spec = Spec {
    group: "sagas",
    commands: Topic("transaction.commands"),
    inbox: TRANSACTION_INBOX,
    events: Topic("transaction.events"),
    snapshots: Topic("transaction.snapshots"),
};
