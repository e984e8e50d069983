//! Who may commit, and what a commit is.

use billing_engine::log::{Drafts, Error, Input, Ownership, Spec};
use tempfile::TempDir;

use crate::{
    COMMANDS, EVENTS, PARTITIONS, REPLIES, SPEC, commit, everything, numbered, open, owned, reason, soon, values,
};

#[tokio::test]
async fn a_fenced_handle_commits_nothing_neither_records_nor_offsets() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let old = owned(&log, 1).await;
    old.commit(commit(5, 6, values(EVENTS, 1, ["old".into()]))).await.unwrap();
    let new = owned(&log, 1).await;
    let refused = old.commit(commit(7, 8, values(EVENTS, 1, ["zombie".into()]))).await;
    assert!(matches!(refused, Err(Error::Fenced { partition: 1, .. })), "{refused:?}");
    let inputs = new.inputs().await.unwrap();
    assert_eq!((inputs.commands.committed, inputs.inbox.committed), (Some(5), Some(6)));
    new.commit(commit(9, 9, values(EVENTS, 1, ["new".into()]))).await.unwrap();
    let events = everything(&*log.client(), EVENTS, 1).await;
    assert_eq!(events, [(0, "old".to_owned()), (1, "new".to_owned())]);
}

#[tokio::test]
async fn fencing_ends_one_partition_and_leaves_the_others_alone() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let zero = owned(&log, 0).await;
    owned(&log, 1).await;
    zero.commit(commit(1, 1, Drafts::default())).await.unwrap();
    let other = Spec { group: "sagas", ..SPEC };
    log.log(other).open(0).fence().await.unwrap();
    zero.commit(commit(2, 2, Drafts::default())).await.unwrap();
}

#[tokio::test]
async fn a_handle_that_was_not_fenced_or_is_closed_neither_commits_nor_fences() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let unfenced = log.log(SPEC).open(0);
    assert_eq!(reason(unfenced.commit(commit(1, 1, Drafts::default())).await.unwrap_err()), "it was never fenced");
    let closed = owned(&log, 0).await;
    closed.close().await.unwrap();
    let new = owned(&log, 0).await;
    assert!(matches!(closed.commit(commit(1, 1, Drafts::default())).await, Err(Error::Closed)));
    assert!(matches!(closed.fence().await, Err(Error::Closed)));
    assert!(matches!(closed.inputs().await, Err(Error::Closed)));
    new.commit(commit(1, 1, Drafts::default())).await.unwrap();
}

#[tokio::test]
async fn a_commit_with_a_record_that_is_refused_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let owner = owned(&log, 0).await;
    let mut records = values(EVENTS, 0, ["good".into()]);
    records.push(REPLIES, PARTITIONS, None, |r| r.value(b"nowhere"));
    assert_eq!(reason(owner.commit(commit(1, 1, records)).await.unwrap_err()), "there are 3 partitions");
    assert_eq!(owner.events_bounds().await.unwrap(), 0..0);
    assert_eq!(owner.inputs().await.unwrap().commands, Input { committed: None, start: 0, end: 0 });
}

#[tokio::test]
async fn reopening_keeps_records_and_offsets() {
    let dir = TempDir::new().unwrap();
    for n in 0..5 {
        let log = open(dir.path());
        let client = log.client();
        let owner = owned(&log, 0).await;
        assert_eq!(owner.inputs().await.unwrap().commands.committed, (n > 0).then_some(n));
        client.append(values(COMMANDS, 0, [format!("value {n}")])).await.unwrap();
        let inputs = owner.inputs().await.unwrap();
        assert_eq!((inputs.commands.start, inputs.commands.end, inputs.inbox.end), (0, n + 1, 0));
        owner.commit(commit(n + 1, 0, values(EVENTS, 0, [format!("value {n}")]))).await.unwrap();
        assert_eq!(everything(&*client, EVENTS, 0).await, numbered(0..n + 1));
        assert_eq!(everything(&*client, COMMANDS, 0).await, numbered(0..n + 1));
    }
}

#[tokio::test]
async fn whoever_joins_owns_everything_until_it_leaves_and_has_closed() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).log(SPEC);
    log.leave().await.unwrap();
    let mut changes = log.join();
    assert!(matches!(changes.recv().await, Some(Ownership::Assigned(partitions)) if partitions == [0, 1, 2]));
    let mut left = Box::pin(log.leave());
    let revoked = tokio::select! {
        biased;
        _ = &mut left => panic!("left before the partitions were closed"),
        change = changes.recv() => change,
    };
    let Some(Ownership::Revoked { partitions, lost: false, done }) = revoked else { panic!("{revoked:?}") };
    assert_eq!(partitions, [0, 1, 2]);
    done.send(()).unwrap();
    soon(left).await.unwrap();
    assert!(changes.recv().await.is_none());
}
