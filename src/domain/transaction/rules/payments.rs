//! Legs one after the other, and back again.

use super::{Story, failure, movement, payment, posted, refused, reversed, transfer};
use crate::domain::account::ChangeType::{Credit, Debit};
use crate::domain::transaction::TransactionCommand;

#[test]
fn a_topup_debits_the_outside_and_credits_the_customer() {
    let mut story = Story::new();
    let asked = story.ask(1, "first", TransactionCommand::Topup(movement("bank", "ann", "5", "USD")));
    assert_eq!(asked, "RequestTopup: → bank: 1 DEBIT 5 USD Topup EXTERNAL");
    let second = story.hear(2, "bank", posted(1, "bank", Debit, "5.00", "-5.00"));
    assert_eq!(second, "posted(1 bank -5.00) → ann: 2 CREDIT 5.00 USD Topup USER");
    assert_eq!(story.status(), "REQUESTED");
    let last = story.hear(3, "ann", posted(2, "ann", Credit, "5.00", "7.00"));
    assert_eq!(last, "posted(2 ann 7.00) moved(ann 5.00 = 7.00 at 3) ⇒ RequestTopup first COMPLETED at 4");
    assert_eq!(story.status(), "COMPLETED");
}

#[test]
fn a_withdrawal_debits_the_customer_and_credits_the_outside() {
    let mut story = Story::new();
    let asked = story.ask(1, "first", TransactionCommand::Withdrawal(movement("ann", "bank", "5", "USD")));
    assert_eq!(asked, "RequestWithdrawal: → ann: 1 DEBIT 5 USD Withdrawal USER");
    let second = story.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    assert_eq!(second, "posted(1 ann 2.00) → bank: 2 CREDIT 5.00 USD Withdrawal EXTERNAL");
    let last = story.hear(3, "bank", posted(2, "bank", Credit, "5.00", "0.00"));
    assert_eq!(last, "posted(2 bank 0.00) moved(ann 5.00 = 2.00 at 3) ⇒ RequestWithdrawal first COMPLETED at 4");
}

#[test]
fn a_transfer_debits_one_customer_and_credits_another() {
    let mut story = Story::of(transfer("5"));
    let second = story.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    assert_eq!(second, "posted(1 ann 2.00) → bob: 2 CREDIT 5.00 USD Transfer USER");
    let last = story.hear(3, "bob", posted(2, "bob", Credit, "5.00", "9.00"));
    let done = "posted(2 bob 9.00) transferred(5.00 ann = 2.00, bob = 9.00) ⇒ RequestTransfer first COMPLETED at 4";
    assert_eq!(last, done);
    assert!(story.causes.iter().all(|cause| cause.command_id.as_str() == "first"));
}

#[test]
fn a_payment_gives_the_merchant_what_the_fee_leaves() {
    let mut story = Story::of(payment("5", Some("0.25")));
    let second = story.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    assert_eq!(second, "posted(1 ann 2.00) → shop: 2 CREDIT 4.75 USD Payment USER_OR_SYSTEM");
    let third = story.hear(3, "shop", posted(2, "shop", Credit, "4.75", "9.00"));
    assert_eq!(third, "posted(2 shop 9.00) → house: 3 CREDIT 0.25 USD Fee SYSTEM");
    let last = story.hear(4, "house", posted(3, "house", Credit, "0.25", "0.25"));
    assert_eq!(last, "posted(3 house 0.25) paid(t 5.00 = 2.00, 9.00, 0.25) ⇒ RequestPayment first COMPLETED at 5");
    let mut without = Story::of(payment("5", None));
    without.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    let last = without.hear(3, "shop", posted(2, "shop", Credit, "5.00", "9.00"));
    assert_eq!(last, "posted(2 shop 9.00) paid(t 5.00 = 2.00, 9.00) ⇒ RequestPayment first COMPLETED at 4");
}

#[test]
fn a_first_leg_that_is_refused_ends_the_transaction() {
    let mut story = Story::of(transfer("5"));
    let ended = story.hear(2, "ann", refused(1));
    assert_eq!(ended, "failed(1 ann ACCOUNT_INACTIVE at 2) ⇒ RequestTransfer first FAILED ACCOUNT_INACTIVE at 2");
    assert_eq!(story.status(), "FAILED ACCOUNT_INACTIVE");
    assert_eq!(story.ask(3, "first", transfer("5")), "duplicate of 1");
    assert_eq!(story.ask(3, "other", transfer("5")), "INVALID_OPERATION: transaction is FAILED", "the id is used up");
}

#[test]
fn a_later_leg_that_is_refused_undoes_those_before_it_in_the_opposite_order() {
    let mut story = Story::of(payment("5", Some("1")));
    story.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    story.hear(3, "shop", posted(2, "shop", Credit, "4.00", "9.00"));
    assert_eq!(story.hear(4, "house", refused(3)), "→ shop: reverse 2 DEBIT 4.00");
    assert_eq!(story.hear(5, "shop", reversed(2, failure(3, "house"))), "→ ann: reverse 1 CREDIT 5.00");
    let ended = "compensated(t ACCOUNT_INACTIVE [DEBIT shop 4.00 Compensation, CREDIT ann 5.00 Compensation] at 6) \
                 ⇒ RequestPayment first COMPENSATED ACCOUNT_INACTIVE at 4";
    assert_eq!(story.hear(6, "ann", reversed(1, failure(3, "house"))), ended);
    assert_eq!(story.status(), "COMPENSATED ACCOUNT_INACTIVE");

    let mut short = Story::of(transfer("5"));
    short.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    assert_eq!(short.hear(3, "bob", refused(2)), "→ ann: reverse 1 CREDIT 5.00");
    assert!(short.hear(4, "ann", reversed(1, failure(2, "bob"))).starts_with("compensated(t ACCOUNT_INACTIVE [CREDIT"));
}

#[test]
fn a_fee_that_an_account_cannot_count_undoes_the_payment_and_rounds_nothing() {
    let mut story = Story::of(payment("5", Some("0.25")));
    let then = story.hear(2, "ann", posted(1, "ann", Debit, "5", "2"));
    assert_eq!(then, "posted(1 ann 2) → ann: reverse 1 CREDIT 5", "an account opened when there were no cents");
}

#[test]
fn what_has_ended_hears_nothing_more() {
    let mut story = Story::of(transfer("5"));
    story.hear(2, "ann", refused(1));
    let before = story.transaction.clone();
    for message in [posted(1, "ann", Debit, "5.00", "2.00"), refused(1), reversed(1, failure(1, "ann"))] {
        assert!(story.hear(3, "ann", message).starts_with("unexpected"));
    }
    assert_eq!(story.transaction, before);
    assert!(Story::new().hear(1, "ann", refused(1)).starts_with("unexpected"));
}

#[test]
fn a_leg_is_heard_of_once_and_in_its_place_only() {
    let mut story = Story::of(payment("5", Some("1")));
    assert!(story.hear(2, "shop", posted(2, "shop", Credit, "4.00", "9.00")).starts_with("unexpected"));
    assert!(story.hear(2, "bob", posted(1, "ann", Debit, "5.00", "2.00")).starts_with("unexpected"));
    story.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    assert!(story.hear(3, "ann", posted(1, "ann", Debit, "5.00", "2.00")).starts_with("unexpected"));
    assert!(story.hear(3, "ann", refused(1)).starts_with("unexpected"));
    assert!(story.hear(3, "shop", reversed(2, failure(3, "house"))).starts_with("unexpected"));
    assert!(story.hear(3, "ann", super::authorized::held("5.00", 9)).starts_with("unexpected"));
}
