//! The closed sets that labels take their values from. An id is never one of them.

/// A label whose values are all known beforehand.
pub trait Label: Copy + 'static {
    /// Every value, in the order of declaration.
    const ALL: &'static [Self];

    /// The value in the exposition.
    fn text(self) -> &'static str;

    /// Place in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! closed_set {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl Label for $name {
            const ALL: &'static [Self] = &[$($name::$variant),+];

            fn text(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

closed_set! {
    /// What became of a command, where it was decided.
    Outcome {
        /// It took effect.
        Accepted = "accepted",
        /// A rule refused it.
        Rejected = "rejected",
        /// It had taken effect before.
        Duplicate = "duplicate",
        /// It could not be read, or not be decided.
        DeadLettered = "dead_lettered",
    }
}

closed_set! {
    /// Why a record became a dead letter.
    DeadLetterReason {
        /// No command.
        Malformed = "malformed",
        /// A command of another topic, or of none.
        UnknownType = "unknown_type",
        /// Over the limit.
        TooLarge = "too_large",
        /// Deciding about it panicked.
        Panic = "panic",
    }
}

closed_set! {
    /// What kind of transaction it is.
    TransactionType {
        /// From the outside to a customer.
        Topup = "topup",
        /// From a customer to the outside.
        Withdrawal = "withdrawal",
        /// Between two customers.
        Transfer = "transfer",
        /// From a customer to a merchant.
        Payment = "payment",
        /// Back to the customer of a payment.
        Refund = "refund",
    }
}

closed_set! {
    /// How a transaction has ended.
    TransactionOutcome {
        /// All its money has moved.
        Completed = "completed",
        /// Released because upstream asked.
        Voided = "voided",
        /// Released because time was over.
        Expired = "expired",
        /// Refused before anything moved.
        Failed = "failed",
        /// Refused after something had moved, which has moved back.
        Compensated = "compensated",
    }
}

closed_set! {
    /// Where a partition stands between assignment and revocation.
    PartitionState {
        /// Fencing earlier owners and replaying its events.
        Recovering = "recovering",
        /// Taking commands.
        Running = "running",
        /// Finishing what is under way, taking nothing new.
        Draining = "draining",
        /// Waiting for a person; nothing is tried again by itself.
        Halted = "halted",
        /// Ended by an error, to be built again.
        Failed = "failed",
    }
}

closed_set! {
    /// Why snapshots were not used.
    DiscardReason {
        /// Not what was written.
        Damaged = "damaged",
        /// Written by an engine that is too old.
        OlderFormat = "older_format",
        /// Of another cluster or topic.
        OtherLog = "other_log",
        /// Taken when there were more or fewer partitions.
        OtherPartitions = "other_partitions",
        /// Taken when aggregates remembered more or fewer commands.
        OtherWindow = "other_window",
        /// They reach beyond the log, or end before it begins.
        OutsideTheLog = "outside_the_log",
        /// The log holds another event than the one remembered.
        OtherEvent = "other_event",
        /// The events behind them do not follow.
        Contradicted = "contradicted",
        /// Some are missing.
        Incomplete = "incomplete",
        /// The database that held them failed.
        Store = "store",
    }
}

closed_set! {
    /// Why an actor was built afresh.
    RestartReason {
        /// Killed on request.
        Killed = "killed",
        /// Its code panicked.
        Panicked = "panicked",
    }
}

closed_set! {
    /// A bounded queue on which somebody can wait.
    Queue {
        /// Commands read ahead; the reader waits.
        Commands = "commands",
        /// Messages read ahead; the reader waits.
        Inbox = "inbox",
        /// The commit in flight; the batch decided ahead waits.
        Commit = "commit",
        /// Transactions that are open; commands wait.
        OpenTransactions = "open_transactions",
    }
}
