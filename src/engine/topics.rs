//! The topics and the group of each aggregate type.

use crate::log::{Spec, Topic};

/// Accounts: their topics and their group.
pub const ACCOUNTS: Spec = Spec {
    group: "accounts",
    commands: Topic("account.commands"),
    inbox: Topic("account.inbox"),
    events: Topic("account.events"),
    snapshots: Topic("account.snapshots"),
};

/// Transactions: their topics and their group.
pub const TRANSACTIONS: Spec = Spec {
    group: "sagas",
    commands: Topic("transaction.commands"),
    inbox: Topic("transaction.inbox"),
    events: Topic("transaction.events"),
    snapshots: Topic("transaction.snapshots"),
};
