//! Money that is set aside, and what time does to it.

use super::legs::{Story, capture, hold, hold_of, leg, release};
use super::{close, credit, debit, limits, open};
use crate::domain::account::AccountType::User;
use crate::domain::account::{Account, ChangeType, Opened};
use crate::domain::ids::{Timestamp, Version};
use crate::domain::{Aggregate, Unfit};

/// An account with 100.00, of which 30.00 is held by `a` until 10 and 20.00 by `b` until 20.
fn story() -> Story {
    let mut story = Story::of(&[open(User), credit("100")]);
    assert_eq!(story.tell(1, "b", hold("20", 20)), "hold b of 20.00 until 20 → b: held 20.00 until 20");
    assert_eq!(story.tell(1, "a", hold("30", 10)), "hold a of 30.00 until 10 → a: held 30.00 until 10");
    story
}

#[test]
fn what_is_held_cannot_be_spent_nor_held_again() {
    let mut story = story();
    assert_eq!(story.ask(2, debit("50.01")), "INSUFFICIENT_BALANCE: available 50.00, requested 50.01");
    let refused = "→ c: refused 1 INSUFFICIENT_BALANCE: available 50.00, requested 50.01";
    assert_eq!(story.tell(2, "c", hold("50.01", 30)), refused);
    assert_eq!(story.ask(2, debit("50")), "100.00 DEBIT 50.00 = 50.00");
    assert_eq!(story.ask(2, debit("0.01")), "INSUFFICIENT_BALANCE: available 0.00, requested 0.01");
}

#[test]
fn a_hold_counts_until_its_time_and_is_released_by_the_next_decision_that_is_accepted() {
    let refused = "INSUFFICIENT_BALANCE: available 50.00, requested 80.00";
    assert_eq!(story().ask(9, debit("80")), refused);
    assert_eq!(story().ask(10, debit("80")), "release 30.00 of a: EXPIRED; 100.00 DEBIT 80.00 = 20.00");
    let both = "release 30.00 of a: EXPIRED; release 20.00 of b: EXPIRED; 100.00 DEBIT 100.00 = 0.00";
    assert_eq!(story().ask(20, debit("100")), both);
    let leg = "release 30.00 of a: EXPIRED; hold c of 80.00 until 99 → c: held 80.00 until 99";
    assert_eq!(story().tell(10, "c", hold("80", 99)), leg);
    let limited = "release 30.00 of a: EXPIRED; none none to 1.00 none";
    assert_eq!(story().ask(10, limits("1", "-")), limited, "also when it has nothing to do with money");
}

#[test]
fn holds_that_end_at_once_are_released_in_the_order_of_their_ids() {
    let mut story = Story::of(&[open(User), credit("100")]);
    for id in ["c", "a", "b"] {
        story.tell(1, id, hold("1", 10));
    }
    let released = "release 1.00 of a: EXPIRED; release 1.00 of b: EXPIRED; release 1.00 of c: EXPIRED";
    assert_eq!(story.sweep(10), released);
    assert_eq!(story.sweep(10), "", "once");
}

#[test]
fn what_is_refused_releases_nothing() {
    let mut story = story();
    assert_eq!(story.ask(10, debit("80.01")), "INSUFFICIENT_BALANCE: available 80.00, requested 80.01");
    let refused = "→ c: refused 1 INSUFFICIENT_BALANCE: available 80.00, requested 80.01";
    assert_eq!(story.tell(10, "c", hold("80.01", 99)), refused);
    assert_eq!(story.ask(10, debit("1").at(5)), "VERSION_CONFLICT: expected version 5, the aggregate stands at 4");
    assert_eq!(story.sweep(10), "release 30.00 of a: EXPIRED");
}

#[test]
fn an_expected_version_is_compared_before_what_time_brings() {
    assert_eq!(story().ask(10, debit("1").at(4)), "release 30.00 of a: EXPIRED; 100.00 DEBIT 1.00 = 99.00");
}

#[test]
fn an_account_closes_once_nothing_is_held_any_more() {
    let mut story = story();
    story.ask(2, debit("50"));
    story.tell(3, "a", capture("30"));
    story.tell(3, "b", capture("19"));
    assert_eq!(story.ask(4, debit("1")), "1.00 DEBIT 1.00 = 0.00");
    assert_eq!(story.ask(4, limits("-5", "-")), "none none to -5.00 none");
    story.tell(5, "c", hold("5", 30));
    assert_eq!(story.ask(29, close()), "HOLDS_OPEN: 5.00 is held");
    assert_eq!(story.ask(30, close()), "release 5.00 of c: EXPIRED; ACTIVE to CLOSED");
}

#[test]
fn a_capture_takes_what_was_held_and_releases_the_rest() {
    let whole =
        "capture 30.00 of a; 100.00 DEBIT 30.00 = 70.00 Judged leg 1 of a: Payment → a: posted 1 DEBIT 30.00 = 70.00";
    assert_eq!(story().tell(9, "a", capture("30")), whole);
    let part = "capture 10.00 of a; 100.00 DEBIT 10.00 = 90.00 Judged leg 1 of a: Payment; \
                release 20.00 of a: PARTIAL_CAPTURE → a: posted 1 DEBIT 10.00 = 90.00";
    let mut story = story();
    assert_eq!(story.tell(9, "a", capture("10")), part);
    assert_eq!(story.tell(9, "a", capture("10")), "→ a: refused 1 HOLD_EXPIRED: hold has expired or is gone");
    assert_eq!(story.ask(9, debit("70")), "90.00 DEBIT 70.00 = 20.00", "20.00 is held by b");
}

#[test]
fn a_capture_does_not_ask_again_whether_there_is_enough() {
    let mut story = story();
    story.ask(2, limits("90", "-"));
    let posted =
        "capture 30.00 of a; 100.00 DEBIT 30.00 = 70.00 Judged leg 1 of a: Payment → a: posted 1 DEBIT 30.00 = 70.00";
    assert_eq!(story.tell(3, "a", capture("30")), posted);
}

#[test]
fn the_account_has_the_last_word_on_time() {
    let refused = "→ a: refused 1 HOLD_EXPIRED: hold has expired or is gone";
    assert_eq!(story().tell(10, "a", capture("30")), refused);
    assert_eq!(story().tell(1, "a", capture("30")).split(' ').next(), Some("capture"));
    let mut late = Story::of(&[open(User), credit("9")]);
    assert_eq!(late.tell(10, "a", hold("1", 10)), refused);
    assert_eq!(late.tell(9, "a", hold("1", 10)), "hold a of 1.00 until 10 → a: held 1.00 until 10");
}

#[test]
fn a_clock_that_runs_backwards_brings_nothing_back() {
    let mut story = story();
    story.ask(10, credit("1"));
    assert_eq!(story.tell(5, "a", capture("30")), "→ a: refused 1 HOLD_EXPIRED: hold has expired or is gone");
    assert_eq!(story.tell(5, "c", hold("1", 9)), "→ c: refused 1 HOLD_EXPIRED: hold has expired or is gone");
}

#[test]
fn a_release_passes_every_rule_and_succeeds_when_there_is_nothing_to_release() {
    let mut story = story();
    story.ask(2, super::suspend());
    assert_eq!(story.tell(3, "a", release()), "release 30.00 of a: VOIDED → a: released VOIDED");
    assert_eq!(story.tell(3, "a", release()), "→ a: released VOIDED");
    let past = "release 20.00 of b: EXPIRED → b: released VOIDED";
    assert_eq!(story.tell(20, "b", release()), past, "time was faster");
    assert_eq!(Story::of(&[]).tell(1, "a", release()), "→ a: released VOIDED");
}

#[test]
fn an_expiry_belongs_to_the_command_that_authorized_the_hold() {
    let mut story = story();
    let causes = |story: &Story| -> Vec<String> {
        let recorded = story.recorded.iter().rev().take(2);
        recorded.map(|event| format!("{} {}", event.command_id, event.correlation_id)).collect()
    };
    story.ask(10, debit("1").id("spend"));
    assert_eq!(causes(&story), ["spend spend", "command-of-a story-of-a"]);
    assert_eq!(story.account.next_expiry(), Some(Timestamp(20)));
    story.sweep(20);
    assert_eq!(causes(&story)[0], "command-of-b story-of-b");
    assert_eq!(story.account.next_expiry(), None);
}

#[test]
fn what_transactions_do_is_no_command_of_the_account() {
    let mut story = story();
    for number in 0..9 {
        story.tell(2, &format!("t{number}"), hold("1", 99));
        story.tell(2, &format!("t{number}"), leg(ChangeType::Credit, "1"));
    }
    assert_eq!(story.ask(2, credit("100").id("command-1")), "duplicate of 2", "legs do not count");
    assert_eq!(story.ask(3, debit("1").id("command-of-a")), "109.00 DEBIT 1.00 = 108.00", "nor do their ids match");
}

#[test]
fn a_hold_is_refused_by_the_first_rule_it_breaks() {
    for (given, asked, refused) in [
        (vec![], hold("0.001", 5), "ACCOUNT_NOT_FOUND: account does not exist"),
        (vec![open(User), super::suspend()], hold_of("1", "XXX", 5), "INVALID_CURRENCY: currency is not configured"),
        (vec![open(User), super::suspend()], hold_of("0.001", "EUR", 5), "CURRENCY_MISMATCH: account is in USD"),
        (
            vec![super::open(super::System)],
            hold("0.001", 5),
            "INVALID_AMOUNT: amount has 3 decimals, the currency has 2",
        ),
        (
            vec![super::open(super::System)],
            hold("1", 5),
            "INVALID_ACCOUNT_TYPE: SYSTEM accounts cannot have this part in a transaction",
        ),
        (vec![open(User), super::suspend()], hold("1", 5), "HOLD_EXPIRED: hold has expired or is gone"),
        (vec![open(User), super::suspend()], hold("1", 9), "ACCOUNT_INACTIVE: account is SUSPENDED"),
        (vec![open(User)], hold("1", 9), "INSUFFICIENT_BALANCE: available 0.00, requested 1.00"),
    ] {
        assert_eq!(Story::of(&given).tell(5, "a", asked), format!("→ a: refused 1 {refused}"));
    }
    let least = "-999999999999999999";
    let mut deep = Story::of(&[super::open_in("USD", User, Some(least), None), credit("999999999999999999")]);
    deep.tell(1, "a", hold("999999999999999999", 9));
    let overflow = "→ b: refused 1 AMOUNT_OVERFLOW: holds would have more than 18 integer digits";
    assert_eq!(deep.tell(1, "b", hold("1", 9)), overflow);
}

#[test]
fn a_capture_is_refused_by_the_first_rule_it_breaks() {
    let mut story = story();
    story.ask(2, super::suspend());
    assert_eq!(story.tell(3, "c", capture("1")), "→ c: refused 1 HOLD_EXPIRED: hold has expired or is gone");
    assert_eq!(story.tell(3, "a", capture("1")), "→ a: refused 1 ACCOUNT_INACTIVE: account is SUSPENDED");
    assert_eq!(Story::of(&[]).tell(3, "a", capture("1")), "→ a: refused 1 ACCOUNT_NOT_FOUND: account does not exist");
}

#[test]
fn an_account_may_stand_behind_the_command_it_remembers_last_and_never_before_it() {
    let story = story();
    assert_eq!(story.account.version(), Version(4), "opened, credited, and what transactions did");
    let (remembered, opened) = (story.account.remembered(), story.account.opened());
    assert_eq!(remembered.iter().last().map(|(_, _, at)| at), Some(Version(2)));
    let restored = |version, opened: Option<&Opened>| {
        Account::restored(Version(version), story.account.last_at(), remembered.clone(), opened.cloned())
    };
    assert_eq!(restored(4, opened), Ok(story.account.clone()));
    assert!(restored(2, opened).is_ok(), "nothing has happened since");
    for (version, opened) in [(1, opened), (0, opened), (4, None)] {
        assert!(matches!(restored(version, opened), Err(Unfit::Contradiction(_))), "{version}");
    }
}
