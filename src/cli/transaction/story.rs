//! `transaction show`: everything that one transaction has done, wherever it did it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::moment::{self, Moment};
use super::shown::{Leg, Shown};
use super::told::told;
use crate::cli::account;
use crate::cli::events::{self, Event, Reader};
use crate::cli::output::{Failure, Output, Row, time};
use crate::domain::account::{Account, AccountEvent, AccountStatus, BalanceChanged, Force};
use crate::domain::ids::{AggregateId, Timestamp, Version};
use crate::domain::transaction::{Begun, Parties, Transaction, TransactionEvent};
use crate::domain::{Aggregate, Recorded};
use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::wire::Wire;

/// Prints the story of `id`.
///
/// # Errors
/// No such transaction, a log that does not answer or is damaged.
pub async fn show(reader: Reader<'_>, id: &AggregateId, output: Output) -> Result<(), Failure> {
    let mut story = Story { id, chapters: Vec::new(), legs: Vec::new() };
    let transaction = story.hear_transaction(reader).await?;
    let begun = transaction.begun().ok_or_else(|| Failure::not_found(format!("transaction {id} does not exist")))?;
    let accounts = story.concerned(reader, begun).await?;
    story.hear_accounts(reader, &accounts).await?;
    let Story { chapters, mut legs, .. } = story;
    legs.sort_by_key(|leg| leg.leg);
    let (rows, events) = in_order(chapters).into_iter().map(|chapter| (chapter.row, chapter.written)).unzip();
    let shown = Shown {
        transaction_id: id.to_string(),
        kind: begun.kind().as_str(),
        status: begun.status.as_str(),
        version: transaction.version().0,
        events,
        legs,
    };
    output.object(&shown, || shown.text(rows))
}

/// What is known of a transaction so far.
struct Story<'a> {
    id: &'a AggregateId,
    chapters: Vec<Chapter>,
    legs: Vec<Leg>,
}

/// One event of it.
struct Chapter {
    moment: Moment,
    at: Timestamp,
    written: Box<RawValue>,
    row: Row,
}

impl Chapter {
    fn new<A: Wire>(moment: Moment, event: Event<A>, told: String) -> Self {
        let Event { aggregate_id, recorded: Recorded { at, version, body, .. }, written } = event;
        let row = vec![time(at), aggregate_id.to_string(), version.to_string(), A::event_type(&body).to_owned(), told];
        Chapter { moment, at, written, row }
    }
}

impl Story<'_> {
    /// Its own events, and what they make of it.
    async fn hear_transaction(&mut self, reader: Reader<'_>) -> Result<Transaction, Failure> {
        let (id, mut transaction) = (self.id, Transaction::default());
        let take = |event: Event<Transaction>| {
            let Recorded { version, body, .. } = &event.recorded;
            transaction.apply(&event.recorded).map_err(|unfit| events::contradicted(id, *version, &unfit))?;
            let (moment, told) = (moment::of_own(body), told(body));
            self.chapters.push(Chapter::new(moment, event, told));
            Ok(())
        };
        reader.histories(TRANSACTIONS.events, &BTreeSet::from([id.clone()]), take).await?;
        Ok(transaction)
    }

    /// The accounts that it is between. A refund is between those of its payment, which is heard as well.
    async fn concerned(&mut self, reader: Reader<'_>, begun: &Begun) -> Result<BTreeSet<AggregateId>, Failure> {
        let Parties::Refund { original_payment } = &begun.parties else { return Ok(accounts(&begun.parties)) };
        let mut concerned = BTreeSet::new();
        let take = |event: Event<Transaction>| {
            let body = &event.recorded.body;
            if let TransactionEvent::Requested(requested) = body
                && let Some(parties) = Parties::of(&requested.command)
            {
                concerned.append(&mut accounts(&parties));
            }
            if let Some(moment) = moment::of_payment(body, self.id) {
                let told = told(body);
                self.chapters.push(Chapter::new(moment, event, told));
            }
            Ok(())
        };
        reader.histories(TRANSACTIONS.events, &BTreeSet::from([original_payment.clone()]), take).await?;
        Ok(concerned)
    }

    /// What it did to these accounts.
    async fn hear_accounts(&mut self, reader: Reader<'_>, ids: &BTreeSet<AggregateId>) -> Result<(), Failure> {
        let mut last: BTreeMap<AggregateId, (Version, Moment)> = BTreeMap::new();
        let take = |event: Event<Account>| {
            let Recorded { version, body, .. } = &event.recorded;
            let before = last.get(&event.aggregate_id).copied();
            let named = moment::of_account(body, self.id);
            let Some(moment) = named.or_else(|| reopened(body, *version, before?)) else { return Ok(()) };
            last.insert(event.aggregate_id.clone(), (*version, moment));
            if let AccountEvent::BalanceChanged(posted) = body {
                self.post(&event.aggregate_id, posted);
            }
            let told = account::told(body);
            self.chapters.push(Chapter::new(moment, event, told));
            Ok(())
        };
        reader.histories(ACCOUNTS.events, ids, take).await
    }

    fn post(&mut self, account_id: &AggregateId, posted: &BalanceChanged) {
        let Some(part) = &posted.leg else { return };
        match part.force {
            Force::Judged => self.legs.push(Leg {
                leg: part.number,
                account_id: account_id.to_string(),
                change_type: posted.change_type.as_str(),
                amount: posted.change_amount.to_string(),
                new_balance: posted.new_balance.to_string(),
                reversed: false,
            }),
            Force::Forced => {
                self.legs.iter_mut().filter(|leg| leg.leg == part.number).for_each(|leg| leg.reversed = true);
            }
        }
    }
}

/// The accounts that are named.
fn accounts(parties: &Parties) -> BTreeSet<AggregateId> {
    match parties {
        Parties::Movement { debited, credited, .. } => BTreeSet::from([debited.clone(), credited.clone()]),
        Parties::Payment { customer, merchant, fee } => {
            let fee = fee.iter().map(|fee| fee.account.clone());
            [customer.clone(), merchant.clone()].into_iter().chain(fee).collect()
        }
        Parties::Refund { .. } => BTreeSet::new(),
    }
}

/// A posting that cannot be refused opens a closed account, in the same step, by an event that names no transaction.
fn reopened(event: &AccountEvent, version: Version, (before, moment): (Version, Moment)) -> Option<Moment> {
    let AccountEvent::StatusChanged(changed) = event else { return None };
    let follows = version == before.next() && matches!(moment, Moment::Undone(_));
    (follows && changed.previous_status == AccountStatus::Closed).then_some(moment)
}

/// By time; and nothing before what it follows from, though the clock of another machine says so.
fn in_order(mut chapters: Vec<Chapter>) -> Vec<Chapter> {
    chapters.sort_by_key(|chapter| chapter.moment);
    let mut latest = Timestamp(i64::MIN);
    let mut timed = Vec::with_capacity(chapters.len());
    for chapter in chapters {
        let at = if chapter.moment == Moment::Expired { chapter.at } else { latest.max(chapter.at) };
        if chapter.moment != Moment::Expired {
            latest = at;
        }
        timed.push((at, chapter));
    }
    timed.sort_by_key(|(at, _)| *at);
    timed.into_iter().map(|(_, chapter)| chapter).collect()
}

#[cfg(test)]
mod tests {
    use super::super::moment::Side;
    use super::*;

    fn chapter(moment: Moment, at: i64) -> Chapter {
        let written = RawValue::from_string("{}".to_owned()).unwrap();
        Chapter { moment, at: Timestamp(at), written, row: Vec::new() }
    }

    fn order(chapters: Vec<Chapter>) -> Vec<Moment> {
        in_order(chapters).into_iter().map(|chapter| chapter.moment).collect()
    }

    #[test]
    fn what_happens_in_one_millisecond_stands_in_the_order_in_which_it_follows() {
        let [posting, posted] = [Side::Account, Side::Transaction].map(|side| Moment::Leg(1, side));
        let told = [Moment::Ended, posted, posting, Moment::Asked].map(|moment| chapter(moment, 7));
        assert_eq!(order(told.into()), [Moment::Asked, posting, posted, Moment::Ended]);
    }

    #[test]
    fn a_clock_that_is_behind_tears_no_effect_from_its_cause() {
        let told = vec![chapter(Moment::Asked, 10), chapter(Moment::Held, 8), chapter(Moment::Authorized, 11)];
        assert_eq!(order(told), [Moment::Asked, Moment::Held, Moment::Authorized]);
    }

    #[test]
    fn a_hold_expires_when_its_account_says_whatever_the_transaction_does() {
        let told =
            |expired| vec![chapter(Moment::GoesOn, 20), chapter(Moment::Expired, expired), chapter(Moment::Held, 1)];
        assert_eq!(order(told(19)), [Moment::Held, Moment::Expired, Moment::GoesOn]);
        assert_eq!(order(told(21)), [Moment::Held, Moment::GoesOn, Moment::Expired]);
    }
}
