//! What transactions ask of an account.

use super::{Ask, amount, cause, close, credit, debit, limits, open, open_in, rules, shown, suspend, take};
use crate::domain::account::AccountType::{External, System, User};
use crate::domain::account::{
    Account, AccountEvent, AccountMessage, Admitted, ChangeType, LegFailure, LegPosting, LegReason, NewHold, Release,
    Reversal,
};
use crate::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp};
use crate::domain::message::{Content, Delivery, Letter, Participant, Reason, Unexpected};
use crate::domain::money::{Amount, AsSent, SentAmount};
use crate::domain::transaction::TransactionMessage;
use crate::domain::{Aggregate, Cause, Decision, Recorded, record};

/// An account to which things happen at certain times.
pub(super) struct Story {
    pub(super) account: Account,
    pub(super) recorded: Vec<Recorded<AccountEvent>>,
    asked: usize,
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn delivery(from: &str, body: AccountMessage) -> Delivery<AccountMessage> {
    let command_id = CommandId::parse(&format!("command-of-{from}")).unwrap();
    let correlation_id = CorrelationId::parse(&format!("story-of-{from}")).unwrap();
    let cause = Cause { command_id, command_hash: CommandHash([1; 16]), correlation_id };
    Delivery { to: id("acc"), from: id(from), cause, body }
}

impl Story {
    /// After these commands, at time 0.
    pub(super) fn of(given: &[Ask]) -> Story {
        let mut story = Story { account: Account::blank(&rules()), recorded: Vec::new(), asked: 0 };
        for ask in given {
            let then = story.ask(0, ask.clone());
            assert!(!then.contains(": "), "what is given must be accepted: {then}");
        }
        story
    }

    fn happened(&mut self, events: Vec<AccountEvent>, cause: &Cause, now: i64) -> String {
        let shown: Vec<String> = events.iter().map(shown).collect();
        self.recorded.extend(record(&self.account, events.clone(), cause, Timestamp(now)));
        take(&mut self.account, events, cause, now);
        shown.join("; ")
    }

    /// The events of a command, or how it was answered.
    pub(super) fn ask(&mut self, now: i64, ask: Ask) -> String {
        let command = ask.command(self.asked);
        self.asked = self.asked.saturating_add(1);
        match self.account.decide(&command, &rules(), Timestamp(now)) {
            Decision::Accepted(events) => self.happened(events, &cause(&command), now),
            Decision::Duplicate(version) => format!("duplicate of {version}"),
            Decision::Rejected(rejection) => format!("{}: {rejection}", rejection.code()),
        }
    }

    /// The events of a message and, behind an arrow, the answer and whom it is for.
    pub(super) fn tell(&mut self, now: i64, from: &str, message: AccountMessage) -> String {
        let delivery = delivery(from, message);
        let receipt = self.account.receive(&delivery, &rules(), Timestamp(now)).unwrap();
        let [letter] = &receipt.letters[..] else { panic!("one answer") };
        assert_eq!((&letter.from, &letter.cause), (&delivery.to, &delivery.cause));
        let answer = answer(letter);
        let events = self.happened(receipt.events, &delivery.cause, now);
        let space = if events.is_empty() { "" } else { " " };
        format!("{events}{space}→ {answer}")
    }

    /// The events of time alone.
    pub(super) fn sweep(&mut self, now: i64) -> String {
        let events = self.account.expire(Timestamp(now));
        self.happened(events, &delivery("nobody", release()).cause, now)
    }
}

fn answer(letter: &Letter) -> String {
    let Content::Transaction(message) = &letter.body else { panic!("an account speaks to transactions") };
    let said = match message {
        TransactionMessage::Posted { posted, next_account } => {
            let next = next_account.as_ref().map_or_else(String::new, |next| format!(", next {next}"));
            assert_eq!(posted.account_id, letter.from);
            format!("posted {} {} {} = {}{next}", posted.leg, posted.change_type, posted.amount, posted.new_balance)
        }
        TransactionMessage::HoldPlaced { amount, expires_at } => format!("held {amount} until {}", expires_at.0),
        TransactionMessage::HoldReleased(release) => format!("released {}", release.reason()),
        TransactionMessage::Reversed { leg, failure } => format!("reversed {leg} for {}", failure.reason.code),
        TransactionMessage::Refused { leg, reason } => format!("refused {leg} {}: {}", reason.code, reason.message),
        TransactionMessage::Reserve { .. }
        | TransactionMessage::Settle
        | TransactionMessage::ReleaseReservation { .. }
        | TransactionMessage::ReservationMade { .. }
        | TransactionMessage::ReservationRefused(_)
        | TransactionMessage::Settled
        | TransactionMessage::ReservationReleased { .. } => panic!("no answer of an account: {message:?}"),
    };
    format!("{}: {said}", letter.to)
}

fn sent(text: &str) -> SentAmount {
    AsSent { text: text.into(), value: amount(text) }
}

fn leg_of(leg: u8, change_type: ChangeType, text: &str, currency: &str, admitted: Admitted) -> AccountMessage {
    AccountMessage::Post(LegPosting {
        leg,
        change_type,
        amount: sent(text),
        currency: currency.into(),
        reason: LegReason::Transfer,
        admitted,
        next_account: None,
    })
}

pub(super) fn leg(change_type: ChangeType, text: &str) -> AccountMessage {
    leg_of(2, change_type, text, "USD", Admitted::User)
}

pub(super) fn hold_of(text: &str, currency: &str, expires_at: i64) -> AccountMessage {
    let (amount, currency, expires_at) = (sent(text), currency.into(), Timestamp(expires_at));
    AccountMessage::PlaceHold(NewHold { amount, currency, expires_at, admitted: Admitted::User })
}

pub(super) fn hold(text: &str, expires_at: i64) -> AccountMessage {
    hold_of(text, "USD", expires_at)
}

pub(super) fn capture(text: &str) -> AccountMessage {
    AccountMessage::CaptureHold { amount: sent(text) }
}

pub(super) fn release() -> AccountMessage {
    AccountMessage::ReleaseHold(Release::Voided)
}

fn reverse(change_type: ChangeType, text: &str) -> AccountMessage {
    let reason = Reason { code: "ACCOUNT_INACTIVE".into(), message: "account is CLOSED".into() };
    let failure = LegFailure { leg: 2, account_id: id("other"), reason };
    AccountMessage::Reverse(Reversal { leg: 1, change_type, amount: Amount::parse(text).unwrap(), failure })
}

#[test]
fn a_leg_is_posted_and_answered() {
    let mut story = Story::of(&[open(User), credit("9")]);
    let posted = "9.00 DEBIT 4.00 = 5.00 Judged leg 2 of t: Transfer → t: posted 2 DEBIT 4.00 = 5.00";
    assert_eq!(story.tell(1, "t", leg(ChangeType::Debit, "4")), posted);
    let posted = "5.00 CREDIT 0.50 = 5.50 Judged leg 2 of t: Transfer → t: posted 2 CREDIT 0.50 = 5.50";
    assert_eq!(story.tell(1, "t", leg(ChangeType::Credit, "0.5")), posted);
    let mut known = leg(ChangeType::Debit, "1");
    if let AccountMessage::Post(posting) = &mut known {
        posting.next_account = Some(id("next"));
    }
    assert!(story.tell(1, "t", known).ends_with("= 4.50, next next"), "what is given along is given back");
}

#[test]
fn a_leg_is_refused_by_the_first_rule_it_breaks() {
    let bounded = || open_in("USD", User, None, Some("10"));
    let most = || credit("999999999999999999");
    for (given, asked, refused) in [
        (vec![], leg(ChangeType::Debit, "0"), "ACCOUNT_NOT_FOUND: account does not exist"),
        (
            vec![open(User), suspend()],
            leg_of(2, ChangeType::Debit, "0", "XXX", Admitted::System),
            "INVALID_CURRENCY: currency is not configured",
        ),
        (
            vec![open(User), suspend()],
            leg_of(2, ChangeType::Debit, "0", "EUR", Admitted::System),
            "CURRENCY_MISMATCH: account is in USD",
        ),
        (
            vec![open(User), suspend()],
            leg_of(2, ChangeType::Debit, "0", "USD", Admitted::System),
            "INVALID_AMOUNT: amount must be greater than zero",
        ),
        (
            vec![open(User), suspend()],
            leg_of(2, ChangeType::Debit, "1", "USD", Admitted::System),
            "INVALID_ACCOUNT_TYPE: USER accounts cannot have this part in a transaction",
        ),
        (vec![open(User), suspend()], leg(ChangeType::Debit, "1"), "ACCOUNT_INACTIVE: account is SUSPENDED"),
        (vec![open(User), close()], leg(ChangeType::Credit, "1"), "ACCOUNT_INACTIVE: account is CLOSED"),
        (vec![open(User)], leg(ChangeType::Debit, "1"), "INSUFFICIENT_BALANCE: available 0.00, requested 1.00"),
        (
            vec![bounded()],
            leg(ChangeType::Credit, "11"),
            "MAX_BALANCE_EXCEEDED: balance would be 11.00, at most 10.00 is allowed",
        ),
        (
            vec![open(User), most()],
            leg(ChangeType::Credit, "1"),
            "AMOUNT_OVERFLOW: balance would have more than 18 integer digits",
        ),
    ] {
        let mut story = Story::of(&given);
        let before = story.account.clone();
        assert_eq!(story.tell(1, "t", asked), format!("→ t: refused 2 {refused}"));
        assert_eq!(story.account, before);
    }
}

#[test]
fn each_part_of_a_transaction_is_for_certain_types_of_accounts() {
    for (admitted, types) in [
        (Admitted::User, [true, false, false]),
        (Admitted::External, [false, true, false]),
        (Admitted::System, [false, false, true]),
        (Admitted::UserOrSystem, [true, false, true]),
    ] {
        assert_eq!([User, External, System].map(|account_type| admitted.admits(account_type)), types);
    }
}

#[test]
fn a_reversal_passes_every_rule() {
    let poor = "0.00 DEBIT 5.00 = -5.00 Forced leg 1 of t: Compensation";
    for given in [vec![open(User)], vec![open(User), suspend()]] {
        let then = Story::of(&given).tell(1, "t", reverse(ChangeType::Debit, "5.00"));
        assert_eq!(then, format!("{poor} → t: reversed 1 for ACCOUNT_INACTIVE"));
    }
    let mut bounded = Story::of(&[open_in("USD", User, Some("0"), Some("1"))]);
    let rich = "0.00 CREDIT 5.00 = 5.00 Forced leg 1 of t: Compensation → t: reversed 1 for ACCOUNT_INACTIVE";
    assert_eq!(bounded.tell(1, "t", reverse(ChangeType::Credit, "5.00")), rich);
    let mut most = Story::of(&[open(User), credit("999999999999999999.99")]);
    let beyond = "999999999999999999.99 CREDIT 1.00 = 1000000000000000000.99 Forced leg 1 of t: Compensation";
    assert!(most.tell(1, "t", reverse(ChangeType::Credit, "1.00")).starts_with(beyond));
    let overflow = "AMOUNT_OVERFLOW: balance would have more than 18 integer digits";
    assert_eq!(most.ask(2, credit("1")), overflow, "what can be refused is");
    assert_eq!(most.ask(2, debit("1")), "1000000000000000000.99 DEBIT 1.00 = 999999999999999999.99");
}

#[test]
fn a_reversal_reopens_a_closed_account_so_that_it_can_be_emptied_and_closed_again() {
    let mut story = Story::of(&[open(User), close().id("close")]);
    let reopened = "0.00 CREDIT 5.00 = 5.00 Forced leg 1 of t: Compensation; CLOSED to SUSPENDED → \
                    t: reversed 1 for ACCOUNT_INACTIVE";
    assert_eq!(story.tell(1, "t", reverse(ChangeType::Credit, "5.00")), reopened);
    let AccountEvent::StatusChanged(changed) = &story.recorded.last().unwrap().body else { panic!("a status") };
    assert_eq!(&*changed.reason, "Compensation");
    assert_eq!(story.ask(2, close().id("close")), "duplicate of 2", "no command did that");
    let activate = super::activate().id("command-of-t");
    assert_eq!(story.ask(2, activate), "SUSPENDED to ACTIVE", "nor is the transaction's remembered here");
    assert_eq!(story.ask(2, debit("5")), "5.00 DEBIT 5.00 = 0.00");
    assert_eq!(story.ask(2, close()), "ACTIVE to CLOSED");
}

#[test]
fn what_can_be_refused_is_answered_for_an_account_that_cannot_be_had_and_the_rest_waits() {
    for (message, leg) in [(leg(ChangeType::Debit, "1"), 2), (hold("1", 9), 1), (capture("1"), 1)] {
        let letter = Account::unavailable(&delivery("t", message)).unwrap();
        let refused = format!("t: refused {leg} ACCOUNT_UNAVAILABLE: account cannot decide at present");
        assert_eq!(answer(&letter), refused);
    }
    for message in [release(), reverse(ChangeType::Debit, "1.00")] {
        assert_eq!(Account::unavailable(&delivery("t", message)), None);
    }
}

#[test]
fn a_message_that_no_transaction_sends_is_not_decided() {
    let mut story = Story::of(&[open(User), credit("9"), limits("-", "20")]);
    story.tell(1, "t", hold("5", 9));
    let unexpected = |story: &Story, from: &str, message| {
        story.account.receive(&delivery(from, message), &rules(), Timestamp(2)).is_err()
    };
    assert!(unexpected(&story, "t", capture("5.01")), "more than is held");
    assert!(unexpected(&story, "t", hold("1", 9)), "a second hold");
    assert!(unexpected(&story, "t", reverse(ChangeType::Debit, "5")), "of another scale");
    assert!(unexpected(&Story::of(&[]), "t", reverse(ChangeType::Debit, "5.00")), "nothing to undo");
    assert_eq!(Unexpected("why").to_string(), "why");
}
