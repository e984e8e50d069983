//! Money of an account that is set aside for payments that were authorized.

use super::{HoldReleased, ReleaseReason};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::money::{Amount, Currency};
use crate::domain::{Cause, Unfit};

/// Money that one payment may take until its time is over.
#[derive(Clone, PartialEq, Debug)]
pub struct Hold {
    /// The transaction it belongs to; its own name as well.
    pub id: AggregateId,
    /// How much is set aside.
    pub amount: Amount,
    /// From then on it counts no longer.
    pub expires_at: Timestamp,
    /// The authorization, to which its expiry belongs.
    pub cause: Cause,
}

impl Hold {
    /// The event that ends all that is left of it.
    pub(super) fn released(&self, reason: ReleaseReason) -> HoldReleased {
        HoldReleased { hold_id: self.id.clone(), amount: self.amount, reason }
    }
}

/// The open holds of an account, in the order in which they expire: by time, then by id.
#[derive(Clone, PartialEq, Debug)]
pub struct Holds {
    in_order: Vec<Hold>,
    total: Amount,
}

impl Holds {
    /// No holds on an account in that currency.
    pub fn none(currency: &Currency) -> Self {
        Holds { in_order: Vec::new(), total: Amount::zero(currency) }
    }

    /// Every open hold, those too whose time is past and not recorded yet.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Hold> {
        self.in_order.iter()
    }

    /// When the next of them expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.in_order.first().map(|hold| hold.expires_at)
    }

    /// Those whose time is past at `now`.
    pub fn past(&self, now: Timestamp) -> &[Hold] {
        let past = self.in_order.iter().take_while(|hold| hold.expires_at <= now).count();
        self.in_order.get(..past).unwrap_or_default()
    }

    /// How much is set aside at `now`; what is past counts no longer.
    pub fn held(&self, now: Timestamp) -> Amount {
        let past = self.past(now).iter();
        past.fold(self.total, |held, hold| held.checked_sub(hold.amount).unwrap_or(held))
    }

    /// The hold of that transaction, past or not.
    pub fn find(&self, id: &AggregateId) -> Option<&Hold> {
        self.in_order.iter().find(|hold| hold.id == *id)
    }

    /// Takes in one more.
    ///
    /// # Errors
    /// A second hold of one transaction, or more money than can be counted.
    pub fn place(&mut self, hold: Hold) -> Result<(), Unfit> {
        if self.find(&hold.id).is_some() {
            return Err(Unfit::Contradiction("a transaction holds money twice"));
        }
        let total = self.total.checked_add(hold.amount);
        self.total = total.ok_or(Unfit::Contradiction("a hold does not add up"))?;
        let place = self.in_order.partition_point(|other| (other.expires_at, &other.id) < (hold.expires_at, &hold.id));
        self.in_order.insert(place, hold);
        Ok(())
    }

    /// Lets go of `amount` of a hold, which is gone once nothing of it is left.
    ///
    /// # Errors
    /// A hold that is not there, or of less.
    pub fn let_go(&mut self, id: &AggregateId, amount: Amount) -> Result<(), Unfit> {
        let place = self.in_order.iter().position(|hold| hold.id == *id);
        let place = place.ok_or(Unfit::Contradiction("a hold that is not there changes"))?;
        let hold = self.in_order.get_mut(place).ok_or(Unfit::Contradiction("a hold that is not there changes"))?;
        let rest = hold.amount.checked_sub(amount).filter(|rest| !rest.is_negative());
        let rest = rest.ok_or(Unfit::Contradiction("more of a hold goes than there is"))?;
        let total = self.total.checked_sub(amount);
        self.total = total.ok_or(Unfit::Contradiction("a hold does not add up"))?;
        hold.amount = rest;
        if rest.is_zero() {
            self.in_order.remove(place);
        }
        Ok(())
    }
}
