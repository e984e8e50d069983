//! Who owns what, as engines come and go.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use billing_engine::log::kafka::topics::Admin;
use billing_engine::log::kafka::{GroupProtocol, KafkaLog, Settings};
use billing_engine::log::{Error, Log, Ownership};
use rdkafka::admin::{AdminOptions, NewPartitions};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::stage::{COMMANDS, DESIRED, PATIENCE, SPEC, administrator, settings, stage, within};

/// Follows one engine's ownership until it is what the test waits for; revocations are answered at once.
async fn settle(changes: &mut UnboundedReceiver<Ownership>, owned: &mut BTreeSet<u32>) {
    match within(changes.recv()).await.expect("the member is there") {
        Ownership::Assigned(partitions) => {
            for partition in partitions {
                assert!(owned.insert(partition), "{partition} was assigned twice");
            }
        }
        Ownership::Revoked { partitions, lost, done } => {
            assert!(!lost);
            for partition in partitions {
                assert!(owned.remove(&partition), "{partition} was not ours");
            }
            done.send(()).unwrap();
        }
        Ownership::Failed(error) => panic!("{error}"),
    }
}

async fn hand_over(group_protocol: GroupProtocol) {
    let first_settings = Settings { group_protocol, ..stage().await };
    let second_settings = Settings { instance_id: "two".into(), ..first_settings.clone() };
    let first = KafkaLog::new(first_settings, SPEC).unwrap();
    let (mut first_changes, mut first_owned) = (first.join(), BTreeSet::new());
    while first_owned.len() < 2 {
        settle(&mut first_changes, &mut first_owned).await;
    }

    let second = KafkaLog::new(second_settings, SPEC).unwrap();
    let (mut second_changes, mut second_owned) = (second.join(), BTreeSet::new());
    // One partition each, never one twice: the revocation is answered before the other side hears of it.
    while second_owned.is_empty() {
        tokio::select! {
            () = settle(&mut first_changes, &mut first_owned) => {}
            () = settle(&mut second_changes, &mut second_owned) => {}
        }
        assert!(first_owned.is_disjoint(&second_owned));
    }
    assert_eq!((first_owned.len(), second_owned.len()), (1, 1));

    let mut left = first.leave();
    let mut gone = false;
    let began = Instant::now();
    while second_owned.len() < 2 {
        tokio::select! {
            answer = &mut left, if !gone => { answer.unwrap(); gone = true; }
            () = settle(&mut first_changes, &mut first_owned), if !gone => {}
            () = settle(&mut second_changes, &mut second_owned) => {}
        }
        assert!(first_owned.is_disjoint(&second_owned));
    }
    assert!(first_owned.is_empty());
    println!("the second engine owns everything {:?} after the first one began to leave", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(25), "it must not wait for the session to time out");
}

#[tokio::test]
async fn engines_that_join_and_leave_hand_partitions_over_in_order() {
    hand_over(GroupProtocol::Classic).await;
}

#[tokio::test]
async fn partitions_are_handed_over_by_the_newer_protocol_too() {
    hand_over(GroupProtocol::Consumer).await;
}

#[tokio::test]
async fn a_rebalance_waits_for_what_is_open() {
    let settings = stage().await;
    let log = KafkaLog::new(settings, SPEC).unwrap();
    let mut changes = log.join();
    let mut owned = BTreeSet::new();
    while owned.len() < 2 {
        settle(&mut changes, &mut owned).await;
    }
    let mut left = log.leave();
    let Some(Ownership::Revoked { partitions, lost: false, done }) = within(changes.recv()).await else { panic!() };
    assert_eq!(partitions.len(), 2);
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut left).await.is_err(), "it has not left yet");
    done.send(()).unwrap();
    within(left).await.unwrap();
}

#[tokio::test]
async fn a_member_waits_for_topics_that_are_not_there_yet() {
    let settings = settings();
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let mut changes = log.join();
    assert!(tokio::time::timeout(Duration::from_secs(2), changes.recv()).await.is_err());
    within(Admin::new(&settings, DESIRED, PATIENCE).ensure()).await.unwrap();
    let mut owned = BTreeSet::new();
    while owned.len() < 2 {
        settle(&mut changes, &mut owned).await;
    }
    within(async { tokio::join!(log.leave(), settle(&mut changes, &mut owned)).0 }).await.unwrap();
}

#[tokio::test]
async fn more_partitions_under_a_running_engine_end_its_membership() {
    let settings = stage().await;
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let mut changes = log.join();
    let mut owned = BTreeSet::new();
    while owned.len() < 2 {
        settle(&mut changes, &mut owned).await;
    }
    let commands = COMMANDS.full_name(&settings.prefix);
    let more = administrator(&settings);
    let grown = more.create_partitions(&[NewPartitions::new(&commands, 4)], &AdminOptions::new()).await.unwrap();
    grown.into_iter().next().unwrap().unwrap();
    let error = loop {
        match within(changes.recv()).await.unwrap() {
            Ownership::Assigned(partitions) => assert!(partitions.iter().all(|p| *p < 2), "{partitions:?}"),
            Ownership::Revoked { partitions, done, .. } => {
                // That membership is lost comes without partitions, and nobody waits for an answer.
                assert!(done.send(()).is_ok() || partitions.is_empty(), "{partitions:?}");
            }
            Ownership::Failed(error) => break error,
        }
    };
    assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains("4 partitions"), "{error}");
}
