//! What an account does for transactions. Legs are judged by the account's rules, in their order; what undoes them
//! is not judged.

use super::message::reopened;
use super::{
    Account, AccountEvent, AccountMessage, Admitted, BalanceChanged, ChangeType, Force, HoldCaptured, HoldPlaced,
    LegPosting, LegReason, NewHold, Opened, Release, ReleaseReason, Reversal, StatusChanged, TransactionLeg,
};
use crate::domain::ids::{AggregateId, Timestamp};
use crate::domain::message::{Content, Delivery, Letter, Milestone, Participant, Receipt, Unexpected};
use crate::domain::money::{Amount, SentAmount};
use crate::domain::transaction::{LegPosted, TransactionMessage};
use crate::domain::{Rejection, Rules};

impl Participant for Account {
    type Message = AccountMessage;

    fn receive(
        &self,
        delivery: &Delivery<AccountMessage>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Receipt<AccountEvent>, Unexpected> {
        let at = now.max(self.last_at);
        let step = Step { account: self, delivery, at };
        match &delivery.body {
            AccountMessage::Post(posting) => Ok(step.judged(posting.leg, self.post(delivery, posting, rules, at))),
            AccountMessage::PlaceHold(_) if self.holds(&delivery.from) => {
                Err(Unexpected("a transaction holds money twice"))
            }
            AccountMessage::PlaceHold(hold) => Ok(step.judged(FIRST, self.place_hold(delivery, hold, rules, at))),
            AccountMessage::CaptureHold { amount } => Ok(step.judged(FIRST, self.capture_hold(delivery, amount, at)?)),
            AccountMessage::ReleaseHold(release) => Ok(step.release(release)),
            AccountMessage::Reverse(reversal) => self.standing()?.reverse(&step, reversal),
        }
    }

    fn unavailable(delivery: &Delivery<AccountMessage>) -> Option<Letter> {
        let leg = match &delivery.body {
            AccountMessage::Post(posting) => posting.leg,
            AccountMessage::PlaceHold(_) | AccountMessage::CaptureHold { .. } => FIRST,
            AccountMessage::ReleaseHold(_) | AccountMessage::Reverse(_) => return None,
        };
        Some(refused(delivery, leg, &Rejection::AccountUnavailable))
    }

    fn milestone(&self, event: &AccountEvent) -> Option<Milestone> {
        let AccountEvent::BalanceChanged(posted) = event else { return None };
        let forced = posted.leg.as_ref().filter(|leg| leg.force == Force::Forced);
        forced.map(|_| Milestone::Forced)
    }
}

/// Holds are placed and captured as the first leg.
const FIRST: u8 = 1;

/// What follows when no rule refuses: the events, and what is answered.
struct Accepted {
    events: Vec<AccountEvent>,
    answer: TransactionMessage,
}

type Judgement = Result<Accepted, Rejection>;

/// One message to an account, at the time at which it decides.
struct Step<'a> {
    account: &'a Account,
    delivery: &'a Delivery<AccountMessage>,
    at: Timestamp,
}

impl Step<'_> {
    fn judged(&self, leg: u8, judgement: Judgement) -> Receipt<AccountEvent> {
        match judgement {
            Ok(accepted) => self.accepted(accepted),
            Err(rejection) => Receipt::only(refused(self.delivery, leg, &rejection)),
        }
    }

    fn accepted(&self, Accepted { events, answer }: Accepted) -> Receipt<AccountEvent> {
        let mut all = self.account.after_expiries(self.at, []);
        all.extend(events);
        Receipt { events: all, letters: vec![self.delivery.answer(Content::Transaction(answer))] }
    }

    fn release(&self, release: &Release) -> Receipt<AccountEvent> {
        let standing = self.account.opened.as_ref().and_then(|account| account.standing_hold(self.id(), self.at));
        let released = standing.map(|hold| AccountEvent::HoldReleased(hold.released(release.reason())));
        let answer = TransactionMessage::HoldReleased(release.clone());
        self.accepted(Accepted { events: released.into_iter().collect(), answer })
    }

    fn id(&self) -> &AggregateId {
        &self.delivery.from
    }
}

fn refused(delivery: &Delivery<AccountMessage>, leg: u8, rejection: &Rejection) -> Letter {
    delivery.answer(Content::Transaction(TransactionMessage::Refused { leg, reason: rejection.into() }))
}

impl Account {
    fn holds(&self, transaction_id: &AggregateId) -> bool {
        self.opened.as_ref().is_some_and(|account| account.holds.find(transaction_id).is_some())
    }

    fn standing(&self) -> Result<&Opened, Unexpected> {
        self.opened.as_ref().ok_or(Unexpected("an account that does not exist is to undo a posting"))
    }

    fn post(
        &self,
        delivery: &Delivery<AccountMessage>,
        posting: &LegPosting,
        rules: &Rules,
        at: Timestamp,
    ) -> Judgement {
        let account = self.opened.as_ref().ok_or(Rejection::AccountNotFound)?;
        let amount = account.requested(&posting.amount.value, &posting.currency, rules)?;
        account.admitted(posting.admitted)?;
        account.active()?;
        let new_balance = match posting.change_type {
            ChangeType::Credit => account.credited(amount)?,
            ChangeType::Debit => account.debited(amount, at)?,
        };
        let leg = TransactionLeg { transaction_id: delivery.from.clone(), number: posting.leg, force: Force::Judged };
        let posted = account.leg_posted(leg, posting.change_type, amount, new_balance, posting.reason);
        let answer = answered(delivery, &posted, posting.leg, posting.next_account.clone());
        Ok(Accepted { events: vec![AccountEvent::BalanceChanged(posted)], answer })
    }

    fn place_hold(
        &self,
        delivery: &Delivery<AccountMessage>,
        hold: &NewHold,
        rules: &Rules,
        at: Timestamp,
    ) -> Judgement {
        let account = self.opened.as_ref().ok_or(Rejection::AccountNotFound)?;
        let amount = account.requested(&hold.amount.value, &hold.currency, rules)?;
        account.admitted(hold.admitted)?;
        if at >= hold.expires_at {
            return Err(Rejection::HoldExpired);
        }
        account.active()?;
        account.spendable(amount, at)?;
        let held = account.holds.held(at).checked_add(amount);
        held.filter(|held| !held.overflows()).ok_or(Rejection::HoldsOverflow)?;
        let placed = HoldPlaced {
            hold_id: delivery.from.clone(),
            amount,
            currency: account.currency.clone(),
            expires_at: hold.expires_at,
        };
        let answer = TransactionMessage::HoldPlaced { amount, expires_at: hold.expires_at };
        Ok(Accepted { events: vec![AccountEvent::HoldPlaced(placed)], answer })
    }

    /// The amount was compared with what is held when upstream asked for the capture; a transaction that asks for more
    /// breaks its own rules.
    fn capture_hold(
        &self,
        delivery: &Delivery<AccountMessage>,
        amount: &SentAmount,
        at: Timestamp,
    ) -> Result<Judgement, Unexpected> {
        let Some(account) = &self.opened else { return Ok(Err(Rejection::AccountNotFound)) };
        let Some(hold) = account.standing_hold(&delivery.from, at) else { return Ok(Err(Rejection::HoldExpired)) };
        let wanted = amount.value.positive(&account.currency);
        let wanted = wanted.map_err(|_| Unexpected("a capture is in no amount of the account's currency"))?;
        let rest = hold.amount.checked_sub(wanted).filter(|rest| !rest.is_negative());
        let rest = rest.ok_or(Unexpected("a capture takes more than is held"))?;
        if let Err(rejection) = account.active() {
            return Ok(Err(rejection));
        }
        let Some(new_balance) = account.balance.checked_sub(wanted).filter(|balance| !balance.overflows()) else {
            return Ok(Err(Rejection::AmountOverflow));
        };
        let hold_id = hold.id.clone();
        let leg = TransactionLeg { transaction_id: hold_id.clone(), number: FIRST, force: Force::Judged };
        let posted = account.leg_posted(leg, ChangeType::Debit, wanted, new_balance, LegReason::Payment);
        let answer = answered(delivery, &posted, FIRST, None);
        let captured = HoldCaptured { hold_id: hold_id.clone(), captured_amount: wanted };
        let mut events = vec![AccountEvent::HoldCaptured(captured), AccountEvent::BalanceChanged(posted)];
        if !rest.is_zero() {
            let released = super::HoldReleased { hold_id, amount: rest, reason: ReleaseReason::PartialCapture };
            events.push(AccountEvent::HoldReleased(released));
        }
        Ok(Ok(Accepted { events, answer }))
    }
}

fn answered(
    delivery: &Delivery<AccountMessage>,
    posted: &BalanceChanged,
    leg: u8,
    next_account: Option<AggregateId>,
) -> TransactionMessage {
    let posted = LegPosted {
        leg,
        account_id: delivery.to.clone(),
        change_type: posted.change_type,
        amount: posted.change_amount,
        new_balance: posted.new_balance,
    };
    TransactionMessage::Posted { posted, next_account }
}

impl Opened {
    /// The hold of that transaction, unless its time is past.
    fn standing_hold(&self, id: &AggregateId, at: Timestamp) -> Option<&super::Hold> {
        self.holds.find(id).filter(|hold| at < hold.expires_at)
    }

    /// Rule 6 of a leg.
    fn admitted(&self, admitted: Admitted) -> Result<(), Rejection> {
        let account_type = self.account_type;
        if admitted.admits(account_type) { Ok(()) } else { Err(Rejection::InvalidAccountType { account_type }) }
    }

    fn leg_posted(
        &self,
        leg: TransactionLeg,
        change_type: ChangeType,
        change_amount: Amount,
        new_balance: Amount,
        reason: LegReason,
    ) -> BalanceChanged {
        BalanceChanged {
            previous_balance: self.balance,
            new_balance,
            change_amount,
            change_type,
            reason: reason.text(),
            currency: self.currency.clone(),
            leg: Some(leg),
            reference: None,
            metadata: None,
        }
    }

    fn reverse(&self, step: &Step<'_>, reversal: &Reversal) -> Result<Receipt<AccountEvent>, Unexpected> {
        let Reversal { leg, change_type, amount, failure } = reversal;
        let new_balance = match change_type {
            ChangeType::Credit => self.balance.checked_add(*amount),
            ChangeType::Debit => self.balance.checked_sub(*amount),
        };
        let new_balance = new_balance.ok_or(Unexpected("a reversal is in another currency, or beyond all money"))?;
        let place = TransactionLeg { transaction_id: step.id().clone(), number: *leg, force: Force::Forced };
        let posted = self.leg_posted(place, *change_type, *amount, new_balance, LegReason::Compensation);
        let mut events = vec![AccountEvent::BalanceChanged(posted)];
        // What is closed stays so for ever, but for this: its owner must be able to empty it again.
        events.extend(reopened(self.status).map(|new_status| {
            let reason = LegReason::Compensation.text();
            AccountEvent::StatusChanged(StatusChanged { previous_status: self.status, new_status, reason })
        }));
        let answer = TransactionMessage::Reversed { leg: *leg, failure: failure.clone() };
        Ok(step.accepted(Accepted { events, answer }))
    }
}
