//! Events that do not follow from the history so far.

use super::{Story, amount, authorize, capture, command, id, payment, posted, rules, transfer, void};
use crate::domain::account::ChangeType::{Credit, Debit};
use crate::domain::account::Release;
use crate::domain::ids::{CorrelationId, Timestamp, Version};
use crate::domain::transaction::{
    AuthorizedHold, Begun, Requested, Reservations, Reserved, SimpleCompleted, Transaction, TransactionCommand,
    TransactionEvent, TransactionMessage,
};
use crate::domain::{Aggregate, Recorded, Unfit};

fn event(version: u64, body: TransactionEvent) -> Recorded<TransactionEvent> {
    let command = command("c", void());
    Recorded {
        version: Version(version),
        at: Timestamp(1),
        correlation_id: CorrelationId::from(&command.id),
        command_id: command.id,
        command_hash: command.hash,
        body,
    }
}

fn requested(body: TransactionCommand) -> TransactionEvent {
    let command = command("c", body);
    TransactionEvent::Requested(Box::new(Requested { command: command.body, idempotency_key: command.id }))
}

fn events() -> Vec<TransactionEvent> {
    let reserved = || Reserved { refund_id: id("r"), amount: amount("1.00") };
    let TransactionMessage::Posted { posted, .. } = posted(2, "bob", Debit, "1.00", "1.00") else { panic!("posted") };
    vec![
        requested(transfer("1")),
        requested(capture(None)),
        requested(void()),
        TransactionEvent::LegPosted(posted),
        TransactionEvent::TopupCompleted(SimpleCompleted {
            account_id: id("ann"),
            amount: amount("1.00"),
            new_balance: amount("1.00"),
            completed_at: Timestamp(1),
        }),
        TransactionEvent::PaymentExpired { hold_id: id("t"), amount: amount("1.00") },
        TransactionEvent::RefundReserved(reserved()),
        TransactionEvent::RefundSettled(reserved()),
        TransactionEvent::RefundReservationReleased(reserved()),
    ]
}

#[test]
fn an_event_that_does_not_follow_changes_nothing() {
    for story in [Story::of(transfer("1")), Story::of(payment("1", None)), Story::of(authorize("1", None, None))] {
        for body in events() {
            let mut transaction = story.transaction.clone();
            let unfit = transaction.apply(&event(2, body.clone())).unwrap_err();
            assert!(matches!(unfit, Unfit::Contradiction(_)), "{body:?}");
            assert_eq!(transaction, story.transaction);
        }
    }
    for body in events().into_iter().skip(1) {
        let mut blank = super::Transaction::blank(&rules());
        assert!(blank.apply(&event(1, body)).is_err());
        assert_eq!(blank, super::Transaction::default());
    }
}

#[test]
fn what_no_history_leads_to_is_not_restored() {
    let story = Story::of(transfer("1"));
    let begun = story.transaction.begun().unwrap();
    let restored = |version, begun: Option<Begun>| Transaction::restored(Version(version), Timestamp(0), begun);
    assert_eq!(restored(1, Some(begun.clone())), Ok(story.transaction.clone()));
    assert_eq!(restored(0, None), Ok(Transaction::default()));
    let TransactionMessage::Posted { posted, .. } = posted(2, "bob", Debit, "1.00", "1.00") else { panic!("posted") };
    for (version, begun) in [
        (1, None),
        (0, Some(begun.clone())),
        (1, Some(Begun { commands: Vec::new(), ..begun.clone() })),
        (2, Some(Begun { legs: vec![posted], ..begun.clone() })),
    ] {
        assert!(restored(version, begun).is_err());
    }
    let twice = vec![Reserved { refund_id: id("r"), amount: amount("1.00") }; 2];
    assert!(Reservations::restored(twice, None).is_err());
}

#[test]
fn an_event_out_of_its_place_is_refused() {
    let story = Story::of(authorize("1", None, None));
    let (hold_id, amount, expires_at) = (id("t"), amount("1.00"), Timestamp(9));
    let authorized = TransactionEvent::PaymentAuthorized(AuthorizedHold { hold_id, amount, expires_at });
    for version in [0, 1, 3] {
        let unfit = story.transaction.clone().apply(&event(version, authorized.clone())).unwrap_err();
        assert_eq!(unfit, Unfit::VersionGap { standing: Version(1), found: Version(version) });
    }
    assert_eq!(story.transaction.clone().apply(&event(2, authorized)), Ok(()));
}

#[test]
fn what_has_ended_keeps_what_a_refund_or_a_late_capture_asks_for_and_nothing_else() {
    let kept = |story: &Story| {
        let begun = story.transaction.begun().unwrap();
        (begun.legs.len(), begun.hold.is_some(), begun.capture.is_some() || begun.void_reason.is_some())
    };
    let placed = || TransactionMessage::HoldPlaced { amount: amount("9.00"), expires_at: Timestamp(1_000) };
    let mut moved = Story::of(transfer("5"));
    moved.hear(2, "ann", posted(1, "ann", Debit, "5.00", "2.00"));
    assert_eq!(kept(&moved), (1, false, false));
    moved.hear(3, "bob", posted(2, "bob", Credit, "5.00", "9.00"));
    assert_eq!((moved.status().as_str(), kept(&moved)), ("COMPLETED", (0, false, false)));

    let mut authorized = Story::of(authorize("9", None, None));
    authorized.hear(2, "ann", placed());
    assert_eq!(kept(&authorized), (0, true, false));
    let mut expired = authorized.clone();
    expired.sweep(1_000);
    assert_eq!((expired.status().as_str(), kept(&expired)), ("EXPIRED", (0, true, false)));
    let mut voided = authorized.clone();
    voided.ask(3, "void", void());
    assert_eq!(kept(&voided), (0, true, true));
    voided.hear(4, "ann", TransactionMessage::HoldReleased(Release::Voided));
    assert_eq!((voided.status().as_str(), kept(&voided)), ("VOIDED", (0, false, false)));

    authorized.ask(3, "capture", capture(Some("6")));
    authorized.hear(4, "ann", posted(1, "ann", Debit, "6.00", "2.00"));
    assert_eq!(kept(&authorized), (1, true, true));
    authorized.hear(5, "shop", posted(2, "shop", Credit, "6.00", "6.00"));
    assert_eq!((authorized.status().as_str(), kept(&authorized)), ("COMPLETED", (1, false, false)));
    assert_eq!(authorized.transaction.begun().unwrap().captured(), Some(amount("6.00")));
}
