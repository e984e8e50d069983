//! Pages: every row once, in order, while rows are added.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::server::Server;
use crate::stores::{Store, account, concerns, entry, transfer};

/// Goes through a list to its end with pages of random length; between two pages `meanwhile` is done.
async fn walk(
    server: &Server,
    path: &str,
    key: &str,
    random: &mut StdRng,
    mut meanwhile: impl AsyncFnMut(usize),
) -> Vec<Value> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let limit = random.random_range(1..=5);
        let found = server.found(&format!("{path}&limit={limit}{cursor}")).await;
        let items = found["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{path}");
        keys.extend(items.iter().map(|item| item[key].clone()));
        let Some(next) = found["next"].as_str() else { break };
        assert_eq!(items.len(), limit, "{path}: a page that is not the last one is full");
        cursor = format!("&cursor={next}");
        meanwhile(page).await;
    }
    keys
}

fn numbered(index: usize) -> String {
    format!("acc-{index:03}")
}

#[tokio::test]
async fn accounts_of_an_owner_come_once_each_by_id_while_others_are_opened() {
    for store in Store::both().await {
        for seed in 0..5 {
            let (mut random, owner) = (StdRng::seed_from_u64(seed), format!("o-{seed}"));
            let mut ids: Vec<String> = (0..60).map(|index| format!("{seed}-{}", numbered(index))).collect();
            ids.shuffle(&mut random);
            let (there, later) = ids.split_at(random.random_range(1..40));
            for id in there {
                store.insert("accounts", &account(id, &owner)).await;
            }
            store.insert("accounts", &account(&format!("other-{seed}"), "other")).await;
            let server = Server::over(store.queries()).await;
            let path = format!("/api/v1/accounts?ownerId={owner}");
            let add = async |page: usize| {
                if let Some(id) = later.get(page) {
                    store.insert("accounts", &account(id, &owner)).await;
                }
            };
            let seen = walk(&server, &path, "accountId", &mut random, add).await;
            let seen: Vec<&str> = seen.iter().map(|id| id.as_str().unwrap()).collect();
            assert!(seen.is_sorted_by(|a, b| a < b), "{} {seed}: {seen:?}", store.name);
            let once: BTreeSet<&str> = seen.into_iter().collect();
            assert!(there.iter().all(|id| once.contains(id.as_str())), "{} {seed}", store.name);
        }
    }
}

#[tokio::test]
async fn entries_come_once_each_newest_first_while_others_are_posted() {
    for store in Store::both().await {
        for seed in 0..5 {
            let (mut random, id) = (StdRng::seed_from_u64(seed), numbered(usize::try_from(seed).unwrap()));
            store.insert("accounts", &account(&id, "o")).await;
            let count = random.random_range(1..40);
            for version in 2..2 + count {
                // Many in one moment.
                store.insert("entries", &entry(&id, version, version / 7, ("0.00", "1.00"))).await;
            }
            let server = Server::over(store.queries()).await;
            let path = format!("/api/v1/accounts/{id}/entries?");
            let mut version = 2 + count;
            let add = async |_| {
                store.insert("entries", &entry(&id, version, version / 7, ("0.00", "1.00"))).await;
                version += 1;
            };
            let seen = walk(&server, &path, "version", &mut random, add).await;
            let expected: Vec<Value> = (2..2 + count).rev().map(Value::from).collect();
            assert_eq!(seen, expected, "{} {seed}", store.name);
        }
    }
}

#[tokio::test]
async fn transactions_come_once_each_newest_first_by_account_and_status_while_others_are_requested() {
    for store in Store::both().await {
        let mut random = StdRng::seed_from_u64(11);
        // Id, moment, status, account.
        let mut made: Vec<(String, i64, &str, &str)> = Vec::new();
        for index in 0..60 {
            let status = ["COMPLETED", "FAILED"][random.random_range(0..2)];
            let account = ["acc-1", "acc-2"][random.random_range(0..2)];
            made.push((format!("tx-{:03}", random.random_range(0..9) * 100 + index), index / 6, status, account));
        }
        for (id, at, status, account) in &made {
            store.insert("transactions", &transfer(id, *at).text("status", *status)).await;
            store.insert("transaction_accounts", &concerns(id, account, *at)).await;
        }
        made.sort_by(|a, b| (b.1, &b.0).cmp(&(a.1, &a.0)));
        let server = Server::over(store.queries()).await;
        let mut newer = 0;
        for (account, status) in [("", ""), ("acc-1", ""), ("", "FAILED"), ("acc-2", "COMPLETED")] {
            let wanted = |row: &&(String, i64, &str, &str)| {
                (status.is_empty() || row.2 == status) && (account.is_empty() || row.3 == account)
            };
            let expected: Vec<Value> = made.iter().filter(wanted).map(|row| row.0.as_str().into()).collect();
            let filters =
                [("accountId", account), ("status", status)].into_iter().filter(|(_, value)| !value.is_empty());
            let filters: Vec<String> = filters.map(|(name, value)| format!("{name}={value}&")).collect();
            let path = format!("/api/v1/transactions?{}", filters.concat());
            let add = async |_| {
                let id = format!("new-{newer}");
                store.insert("transactions", &transfer(&id, 100 + newer).text("status", "FAILED")).await;
                store.insert("transaction_accounts", &concerns(&id, "acc-1", 100 + newer)).await;
                newer += 1;
            };
            let seen = walk(&server, &path, "transactionId", &mut random, add).await;
            let seen: Vec<Value> = seen.into_iter().filter(|id| !id.as_str().unwrap().starts_with("new-")).collect();
            assert_eq!(seen, expected, "{}: {path}", store.name);
        }
    }
}

#[tokio::test]
async fn a_cursor_that_was_changed_or_is_of_another_list_is_refused() {
    let store = Store::sqlite().await;
    for id in ["acc-1", "acc-2"] {
        store.insert("accounts", &account(id, "o")).await;
        for version in 2..5 {
            store.insert("entries", &entry(id, version, version, ("0.00", "1.00"))).await;
        }
    }
    let server = Server::over(store.queries()).await;
    let next = server.found("/api/v1/accounts/acc-1/entries?limit=1").await["next"].as_str().unwrap().to_owned();
    let status = async |path: String| server.get(&path).await.status;
    assert_eq!(status(format!("/api/v1/accounts/acc-1/entries?cursor={next}")).await, 200);
    let (first, rest) = next.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    for bad in [format!("{other}{rest}"), rest.to_owned(), format!("{next}A"), format!("{next}%3D")] {
        assert_eq!(status(format!("/api/v1/accounts/acc-1/entries?cursor={bad}")).await, 400, "{bad}");
    }
    assert_eq!(status(format!("/api/v1/accounts/acc-2/entries?cursor={next}")).await, 400, "of another account");
    assert_eq!(status(format!("/api/v1/accounts?ownerId=o&cursor={next}")).await, 400, "of another route");
}
