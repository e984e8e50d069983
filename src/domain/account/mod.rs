//! An account: a balance in one currency, an owner, a status, limits.

mod command;
mod decide;
mod event;
mod state;

#[cfg(test)]
mod rules;

pub use command::{AccountCommand, Change, CreateAccount, Metadata, Posting, Text};
pub use event::{AccountCreated, AccountEvent, BalanceChanged, ChangeType, LimitsChanged, StatusChanged};
pub use state::{Account, Opened};

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The value of that word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
use words;

words!(
    /// Whose account it is.
    AccountType {
        /// A customer's.
        User = "USER",
        /// The outside world: a bank, a card network. Its balance has no bound.
        External = "EXTERNAL",
        /// The house's own.
        System = "SYSTEM",
    }
);

words!(
    /// Whether money moves.
    AccountStatus {
        /// It does.
        Active = "ACTIVE",
        /// Not for now.
        Suspended = "SUSPENDED",
        /// Never again.
        Closed = "CLOSED",
    }
);
