//! Refunds and the payments that they take from.

use super::{Story, amount, failure, id, payment, posted, reason, refund, refused, reversed};
use crate::domain::account::ChangeType::{Credit, Debit};
use crate::domain::transaction::{LegPosted, TransactionMessage};

fn made(text: &str) -> TransactionMessage {
    TransactionMessage::ReservationMade { amount: amount(text), merchant: id("shop"), customer: id("ann") }
}

/// The first leg of a refund: the account gives back who gets it.
fn given(text: &str) -> TransactionMessage {
    let (amount, new_balance) = (amount(text), amount("1.00"));
    let posted = LegPosted { leg: 1, account_id: id("shop"), change_type: Debit, amount, new_balance };
    TransactionMessage::Posted { posted, next_account: Some(id("ann")) }
}

fn reserve(text: Option<&str>) -> TransactionMessage {
    reserve_in(text, "USD")
}

fn reserve_in(text: Option<&str>, currency: &str) -> TransactionMessage {
    TransactionMessage::Reserve { amount: text.map(super::sent), currency: currency.into() }
}

/// A payment of 5.00 that has completed.
fn paid() -> Story {
    let mut story = Story::of(payment("5", Some("1")));
    story.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    story.hear(3, "shop", posted(2, "shop", Credit, "4.00", "9.00"));
    story.hear(4, "house", posted(3, "house", Credit, "1.00", "1.00"));
    assert_eq!(story.status(), "COMPLETED");
    story
}

#[test]
fn a_refund_reserves_then_moves_then_settles_and_only_then_ends() {
    let mut story = Story::new();
    assert_eq!(story.ask(1, "first", refund(Some("2"))), "RequestRefund: → p: reserve 2 USD");
    let first = story.hear(2, "p", made("2.00"));
    assert_eq!(first, "→ shop: 1 DEBIT 2.00 USD Refund USER_OR_SYSTEM, next ann");
    let second = story.hear(3, "shop", given("2.00"));
    assert_eq!(second, "posted(1 shop 1.00) → ann: 2 CREDIT 2.00 USD Refund USER");
    let settles = story.hear(4, "ann", posted(2, "ann", Credit, "2.00", "4.00"));
    assert_eq!(settles, "posted(2 ann 4.00) → p: Settle");
    assert_eq!(story.status(), "REQUESTED");
    let ended = "refunded(t = 1.00, 4.00) ⇒ RequestRefund first COMPLETED at 4";
    assert_eq!(story.hear(5, "p", TransactionMessage::Settled), ended);
}

#[test]
fn a_refund_that_its_payment_refuses_fails_without_a_leg() {
    let mut story = Story::of(refund(None));
    let ended = "failed(- ACCOUNT_INACTIVE at 2) ⇒ RequestRefund first FAILED ACCOUNT_INACTIVE at 2";
    assert_eq!(story.hear(2, "p", TransactionMessage::ReservationRefused(reason())), ended);
}

#[test]
fn a_refund_whose_merchant_refuses_gives_its_reservation_back_before_it_fails() {
    let mut story = Story::of(refund(None));
    story.hear(2, "p", made("2.00"));
    assert_eq!(story.hear(3, "shop", refused(1)), "→ p: ReleaseReservation");
    assert_eq!(story.status(), "REQUESTED");
    let released = TransactionMessage::ReservationReleased { failure: failure(1, "shop") };
    let ended = "failed(1 shop ACCOUNT_INACTIVE at 4) ⇒ RequestRefund first FAILED ACCOUNT_INACTIVE at 2";
    assert_eq!(story.hear(4, "p", released), ended);
}

#[test]
fn a_refund_whose_customer_refuses_is_undone_and_gives_its_reservation_back() {
    let mut story = Story::of(refund(None));
    story.hear(2, "p", made("2.00"));
    story.hear(3, "shop", given("2.00"));
    assert_eq!(story.hear(4, "ann", refused(2)), "→ shop: reverse 1 CREDIT 2.00");
    assert_eq!(story.hear(5, "shop", reversed(1, failure(2, "ann"))), "→ p: ReleaseReservation");
    let released = TransactionMessage::ReservationReleased { failure: failure(2, "ann") };
    let ended = "compensated(t ACCOUNT_INACTIVE [CREDIT shop 2.00 Compensation] at 6) \
                 ⇒ RequestRefund first COMPENSATED ACCOUNT_INACTIVE at 3";
    assert_eq!(story.hear(6, "p", released), ended);
}

#[test]
fn a_refund_hears_of_reservations_from_its_own_payment_only() {
    for from in ["q", "ann"] {
        let mut story = Story::of(refund(None));
        assert!(story.hear(2, from, made("2.00")).starts_with("unexpected"));
        assert!(story.hear(2, from, TransactionMessage::Settled).starts_with("unexpected"));
    }
    let mut early = Story::of(refund(None));
    assert!(early.hear(2, "p", TransactionMessage::Settled).starts_with("unexpected"));
    early.hear(2, "p", made("2.00"));
    let nowhere = early.hear(3, "shop", posted(1, "shop", Debit, "2.00", "1.00"));
    assert_eq!(nowhere, "unexpected: nobody said who gets the refund");
}

#[test]
fn a_payment_promises_no_more_than_was_captured() {
    let mut story = paid();
    let then = story.hear(10, "r1", reserve(Some("3")));
    assert_eq!(then, "reserved(r1 3.00) → r1: reserved 3.00 from shop to ann");
    let exceeds = "→ r2: refused REFUND_EXCEEDS_PAYMENT: 2.00 is left to refund";
    assert_eq!(story.hear(11, "r2", reserve(Some("2.01"))), exceeds);
    assert_eq!(story.hear(11, "r1", TransactionMessage::Settle), "settled(r1 3.00) → r1: Settled");
    assert_eq!(story.hear(12, "r2", reserve(Some("2.01"))), exceeds, "what has moved counts too");
    let rest = story.hear(13, "r3", reserve(None));
    assert_eq!(rest, "reserved(r3 2.00) → r3: reserved 2.00 from shop to ann", "all that is left");
    let nothing = "→ r4: refused REFUND_EXCEEDS_PAYMENT: 0.00 is left to refund";
    assert_eq!(story.hear(14, "r4", reserve(None)), nothing);
    let release = TransactionMessage::ReleaseReservation { failure: failure(1, "shop") };
    assert_eq!(story.hear(15, "r3", release), "released(r3 2.00) → r3: ReservationReleased");
    assert!(story.hear(16, "r5", reserve(Some("2"))).starts_with("reserved(r5 2.00)"), "and may be promised again");
    assert_eq!(story.status(), "COMPLETED");
}

#[test]
fn a_payment_refuses_a_reservation_by_the_first_rule_that_it_breaks() {
    let refused = |mut story: Story, message| story.hear(9, "r", message);
    let not_found = "→ r: refused TRANSACTION_NOT_FOUND: transaction does not exist";
    assert_eq!(refused(Story::new(), reserve_in(Some("9"), "EUR")), not_found);
    let not_completed = "→ r: refused PAYMENT_NOT_COMPLETED: no payment that has completed";
    for story in [Story::of(payment("5", None)), Story::of(refund(None)), Story::of(super::transfer("5"))] {
        assert_eq!(refused(story, reserve_in(Some("9"), "EUR")), not_completed);
    }
    let mut transferred = Story::of(super::transfer("5"));
    transferred.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    transferred.hear(2, "bob", posted(2, "bob", Credit, "5.00", "5.00"));
    assert_eq!(transferred.status(), "COMPLETED");
    assert_eq!(refused(transferred, reserve(Some("1"))), not_completed);
    let mismatch = "→ r: refused CURRENCY_MISMATCH: payment is in USD";
    assert_eq!(refused(paid(), reserve_in(Some("9"), "EUR")), mismatch);
    let exceeds = "→ r: refused REFUND_EXCEEDS_PAYMENT: 5.00 is left to refund";
    assert_eq!(refused(paid(), reserve(Some("9"))), exceeds);
}

#[test]
fn a_payment_ends_only_refunds_that_it_knows() {
    let mut story = paid();
    assert!(story.hear(9, "r", TransactionMessage::Settle).starts_with("unexpected"));
    story.hear(9, "r", reserve(None));
    assert!(story.hear(9, "r", reserve(None)).contains("REFUND_EXCEEDS_PAYMENT"));
    story.hear(9, "r", TransactionMessage::Settle);
    assert!(story.hear(9, "r", TransactionMessage::Settle).starts_with("unexpected"), "once");
    story = paid();
    story.hear(9, "r", reserve(Some("1")));
    assert_eq!(story.hear(9, "r", reserve(Some("1"))), "unexpected: a refund reserves twice");
}
