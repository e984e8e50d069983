//! Payments in two steps: the money is held, then captured or released.

use super::{Story, amount, authorize, capture, failure, posted, refused, reversed, void};
use crate::domain::Aggregate;
use crate::domain::account::ChangeType::{Credit, Debit};
use crate::domain::account::Release;
use crate::domain::ids::Timestamp;
use crate::domain::transaction::TransactionMessage;

pub(super) fn held(text: &str, expires_at: i64) -> TransactionMessage {
    TransactionMessage::HoldPlaced { amount: amount(text), expires_at: Timestamp(expires_at) }
}

/// 5.00 is held until 50, with a fee of 1.00.
fn authorized() -> Story {
    let mut story = Story::of(authorize("5", Some("1"), Some(50)));
    let then = story.hear(2, "ann", held("5.00", 50));
    assert_eq!(then, "authorized(t 5.00 until 50) ⇒ AuthorizePayment first COMPLETED at 2");
    story
}

#[test]
fn an_authorization_holds_the_money_until_its_time_or_for_as_long_as_is_configured() {
    let asked = |expires_at| Story::new().ask(7, "first", authorize("5", None, expires_at));
    assert_eq!(asked(Some(50)), "AuthorizePayment: → ann: hold 5 USD until 50 USER");
    assert_eq!(asked(None), "AuthorizePayment: → ann: hold 5 USD until 1007 USER");
    assert_eq!(authorized().status(), "AUTHORIZED");
}

#[test]
fn a_hold_that_is_refused_ends_the_transaction() {
    let mut story = Story::of(authorize("5", None, Some(50)));
    let ended = "failed(1 ann ACCOUNT_INACTIVE at 2) ⇒ AuthorizePayment first FAILED ACCOUNT_INACTIVE at 2";
    assert_eq!(story.hear(2, "ann", refused(1)), ended);
    assert!(story.ask(3, "second", capture(None)).starts_with("INVALID_OPERATION: transaction is FAILED"));
}

#[test]
fn a_capture_takes_the_money_from_the_hold_and_answers_for_itself() {
    let mut story = authorized();
    assert_eq!(story.ask(10, "capture", capture(Some("4.5"))), "CapturePayment: → ann: capture 4.50");
    assert_eq!(story.status(), "CAPTURING");
    let second = story.hear(11, "ann", posted(1, "ann", Debit, "4.50", "3.00"));
    assert_eq!(second, "posted(1 ann 3.00) → shop: 2 CREDIT 3.50 USD Payment USER_OR_SYSTEM");
    story.hear(12, "shop", posted(2, "shop", Credit, "3.50", "3.50"));
    let last = story.hear(13, "house", posted(3, "house", Credit, "1.00", "1.00"));
    assert_eq!(last, "posted(3 house 1.00) paid(t 4.50 = 3.00, 3.50, 1.00) ⇒ CapturePayment capture COMPLETED at 7");
    let causes: Vec<_> = story.causes.iter().map(|cause| cause.command_id.as_str()).collect();
    assert_eq!(causes, ["first", "first", "capture", "capture", "capture", "capture", "capture"]);
}

#[test]
fn a_capture_that_is_refused_releases_the_hold_before_it_ends() {
    let mut story = authorized();
    story.ask(10, "capture", capture(None));
    assert_eq!(story.hear(11, "ann", refused(1)), "→ ann: release COMPENSATED");
    assert_eq!(story.status(), "CAPTURING");
    let released = TransactionMessage::HoldReleased(Release::Compensated(failure(1, "ann")));
    let ended = "failed(1 ann ACCOUNT_INACTIVE at 12) ⇒ CapturePayment capture FAILED ACCOUNT_INACTIVE at 4";
    assert_eq!(story.hear(12, "ann", released), ended);
    assert_eq!(story.status(), "FAILED ACCOUNT_INACTIVE");
}

#[test]
fn a_capture_whose_merchant_refuses_is_undone_and_holds_nothing_again() {
    let mut story = authorized();
    story.ask(10, "capture", capture(None));
    story.hear(11, "ann", posted(1, "ann", Debit, "5.00", "3.00"));
    assert_eq!(story.hear(12, "shop", refused(2)), "→ ann: reverse 1 CREDIT 5.00");
    let ended = "compensated(t ACCOUNT_INACTIVE [CREDIT ann 5.00 Compensation] at 13) \
                 ⇒ CapturePayment capture COMPENSATED ACCOUNT_INACTIVE at 5";
    assert_eq!(story.hear(13, "ann", reversed(1, failure(2, "shop"))), ended);
}

#[test]
fn a_void_releases_the_hold() {
    let mut story = authorized();
    assert_eq!(story.ask(49, "void", void()), "VoidPayment: → ann: release VOIDED");
    assert_eq!(story.status(), "VOIDING");
    assert_eq!(story.sweep(60), "", "what is being voided does not expire");
    let released = || TransactionMessage::HoldReleased(Release::Voided);
    let ended = r#"voided(t 5.00 Some("changed my mind")) ⇒ VoidPayment void COMPLETED at 4"#;
    assert_eq!(story.hear(61, "ann", released()), ended);
    assert_eq!(story.status(), "VOIDED");
    assert_eq!(story.ask(62, "again", void()), "INVALID_OPERATION: transaction is VOIDED");
    assert!(authorized().hear(3, "ann", released()).starts_with("unexpected"), "nobody asked for it");
}

#[test]
fn a_clock_that_runs_backwards_brings_no_authorization_back() {
    let mut story = Story::of(authorize("5", None, Some(50)));
    story.hear(50, "ann", held("5.00", 50));
    assert_eq!(story.ask(10, "capture", capture(None)), "HOLD_EXPIRED: hold has expired or is gone");
    assert_eq!(story.ask(10, "void", void()), "INVALID_OPERATION: transaction is AUTHORIZED");
    assert_eq!(story.sweep(10), "expired(t 5.00)");
    let mut failing = Story::of(authorize("5", None, Some(50)));
    failing.hear(20, "ann", held("5.00", 50));
    failing.ask(30, "capture", capture(None));
    failing.hear(31, "ann", refused(1));
    let released = TransactionMessage::HoldReleased(Release::Compensated(failure(1, "ann")));
    assert!(failing.hear(5, "ann", released).starts_with("failed(1 ann ACCOUNT_INACTIVE at 30)"));
}

#[test]
fn an_authorization_expires_once_and_only_while_nothing_is_done_with_it() {
    let mut story = authorized();
    assert_eq!(story.transaction.next_expiry(), Some(Timestamp(50)));
    assert_eq!(story.sweep(49), "");
    assert_eq!(story.sweep(50), "expired(t 5.00)", "there is no reply");
    assert_eq!(story.sweep(51), "");
    assert_eq!(story.transaction.next_expiry(), None);
    assert_eq!(story.status(), "EXPIRED");
    assert_eq!(story.causes.last().unwrap().command_id.as_str(), "first", "it belongs to the authorization");
    let mut capturing = authorized();
    capturing.ask(10, "capture", capture(None));
    assert_eq!(capturing.sweep(50), "");
    assert_eq!(Story::of(authorize("5", None, Some(50))).sweep(50), "", "not before the hold is placed");
}
