//! Every transaction of the log in short form, as far as it can still be one of those asked for.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::cli::Failure;
use crate::cli::events;
use crate::domain::account::Text;
use crate::domain::ids::{AggregateId, Timestamp, Version};
use crate::domain::transaction::{Begun, Kind, Parties, Status, Transaction, TransactionEvent};
use crate::domain::{Aggregate, Recorded};
use crate::wire::StoredEvent;

/// Which transactions are asked for; `None` admits all.
#[derive(Default)]
pub struct Filter {
    /// Those between this account and others.
    pub account: Option<AggregateId>,
    /// Those that have come so far.
    pub status: Option<Status>,
    /// Those of that kind.
    pub kind: Option<Kind>,
    /// Those that have not ended, and have waited for so long.
    pub stuck: Option<Duration>,
}

/// A transaction in short form.
pub struct Digest {
    /// What kind it is.
    pub kind: Kind,
    /// How far it has come.
    pub status: Status,
    /// How many events it has.
    pub version: Version,
    /// Code of its currency.
    pub currency: Box<str>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it went on last.
    pub updated_at: Timestamp,
    /// The end of its hold while it is authorized.
    pub expires_at: Option<Timestamp>,
    /// Why it failed or was undone.
    pub error_code: Option<Text>,
    /// The payment that a refund is of.
    refund_of: Option<AggregateId>,
}

impl Digest {
    fn of(transaction: &Transaction, begun: &Begun, requested_at: Timestamp) -> Self {
        let hold = begun.hold.as_ref().filter(|_| begun.status == Status::Authorized);
        let refund_of = match &begun.parties {
            Parties::Refund { original_payment } => Some(original_payment.clone()),
            Parties::Movement { .. } | Parties::Payment { .. } => None,
        };
        Digest {
            kind: begun.kind(),
            status: begun.status,
            version: transaction.version(),
            currency: begun.currency.clone(),
            requested_at,
            updated_at: transaction.last_at(),
            expires_at: hold.map(|hold| hold.expires_at),
            error_code: begun.error_code.clone(),
            refund_of,
        }
    }

    /// Since when it waits: an authorization waits for upstream until its time is over, and only then for the engine.
    fn waits_since(&self) -> Timestamp {
        self.expires_at.map_or(self.updated_at, |expires_at| self.updated_at.max(expires_at))
    }
}

/// How a transaction is kept.
enum Kept {
    /// It may go on in any way.
    Open { transaction: Box<Transaction>, requested_at: Timestamp },
    /// Nothing happens to it any more but refunds.
    Ended(Digest),
}

/// The transactions that are kept.
pub struct Digests {
    filter: Filter,
    kept: HashMap<AggregateId, Kept>,
    /// Payments that the account asked for has a part in.
    payments: BTreeSet<AggregateId>,
}

impl Digests {
    /// None yet.
    pub fn new(filter: Filter) -> Self {
        Digests { filter, kept: HashMap::new(), payments: BTreeSet::new() }
    }

    /// Takes in the next event.
    ///
    /// # Errors
    /// An event that does not follow from those before it.
    pub fn take(&mut self, event: StoredEvent<'_, TransactionEvent>) -> Result<(), Failure> {
        let StoredEvent { aggregate_id: id, recorded, .. } = event;
        let unfit = |unfit| events::contradicted(&id, recorded.version, &unfit);
        if recorded.version == Version::NONE.next() {
            let mut transaction = Box::new(Transaction::default());
            transaction.apply(&recorded).map_err(unfit)?;
            let begun = transaction.begun().filter(|begun| self.is_possible(&id, begun));
            if begun.is_some() {
                self.kept.insert(id, Kept::Open { transaction, requested_at: recorded.at });
            }
            return Ok(());
        }
        // Whoever is not kept is not asked for.
        let Some(kept) = self.kept.get_mut(&id) else { return Ok(()) };
        match kept {
            Kept::Open { transaction, requested_at } => {
                transaction.apply(&recorded).map_err(unfit)?;
                let ended = transaction.begun().filter(|begun| begun.status.has_ended());
                if let Some(begun) = ended {
                    let digest = Digest::of(transaction, begun, *requested_at);
                    *kept = Kept::Ended(digest);
                }
            }
            Kept::Ended(digest) => digest.go_on(&recorded),
        }
        let is_over = matches!(kept, Kept::Ended(digest) if !self.filter.admits_ended(digest));
        if is_over {
            self.kept.remove(&id);
        }
        Ok(())
    }

    /// Whether a transaction that has just begun may come to be one of those asked for.
    fn is_possible(&mut self, id: &AggregateId, begun: &Begun) -> bool {
        let concerned = match (&self.filter.account, &begun.parties) {
            (None, _) => true,
            (Some(account), Parties::Movement { debited, credited, .. }) => [debited, credited].contains(&account),
            (Some(account), Parties::Payment { customer, merchant, fee }) => {
                let refundable = [customer, merchant].contains(&account);
                if refundable {
                    self.payments.insert(id.clone());
                }
                refundable || fee.as_ref().is_some_and(|fee| fee.account == *account)
            }
            // Between whom it is, its payment knows, which may come later.
            (Some(_), Parties::Refund { .. }) => true,
        };
        concerned && self.filter.kind.is_none_or(|kind| kind == begun.kind())
    }

    /// Those asked for as they are at `now`, oldest first.
    pub fn found(self, now: Timestamp) -> Vec<(AggregateId, Digest)> {
        let Digests { filter, kept, payments } = self;
        let digests = kept.into_iter().filter_map(|(id, kept)| match kept {
            Kept::Ended(digest) => Some((id, digest)),
            Kept::Open { transaction, requested_at } => {
                let digest = Digest::of(&transaction, transaction.begun()?, requested_at);
                Some((id, digest))
            }
        });
        let is_of_account = |digest: &Digest| {
            filter.account.is_none() || digest.refund_of.as_ref().is_none_or(|payment| payments.contains(payment))
        };
        let mut found: Vec<_> =
            digests.filter(|(_, digest)| filter.admits(digest, now) && is_of_account(digest)).collect();
        found.sort_unstable_by(|(id, digest), (other_id, other)| {
            (digest.requested_at, id).cmp(&(other.requested_at, other_id))
        });
        found
    }
}

impl Digest {
    /// Refunds of it are the only thing that happens to it.
    fn go_on(&mut self, event: &Recorded<TransactionEvent>) {
        self.version = event.version;
        self.updated_at = self.updated_at.max(event.at);
    }
}

impl Filter {
    fn admits_ended(&self, digest: &Digest) -> bool {
        self.stuck.is_none() && self.status.is_none_or(|status| status == digest.status)
    }

    fn admits(&self, digest: &Digest, now: Timestamp) -> bool {
        let has_waited = |least: Duration| {
            let waited = now.0.saturating_sub(digest.waits_since().0);
            !digest.status.has_ended() && u128::try_from(waited).is_ok_and(|waited| waited >= least.as_millis())
        };
        self.status.is_none_or(|status| status == digest.status) && self.stuck.is_none_or(has_waited)
    }
}
