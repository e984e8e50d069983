//! Reading what was just written: `atLeastVersion` waits for the projection.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Server, WAIT};
use crate::stores::{Store, account, transfer};

#[tokio::test]
async fn who_asks_for_a_version_waits_until_it_is_there() {
    for store in Store::both().await {
        store.insert("accounts", &account("acc-1", "o")).await;
        let server = Server::over(store.queries()).await;
        let projected = async {
            tokio::time::sleep(WAIT / 8).await;
            store.run("UPDATE accounts SET version = 2, balance = '5.00'").await;
            store.insert("transactions", &transfer("tx-1", 0)).await;
        };
        let asked = async {
            let account = server.get("/api/v1/accounts/acc-1?atLeastVersion=2").await;
            let transaction = server.get("/api/v1/transactions/tx-1?atLeastVersion=4").await;
            (account, transaction)
        };
        let (account, transaction) = tokio::join!(asked, projected).0;
        let told = account.json();
        assert_eq!((account.status, &told["version"], &told["balance"]), (200, &json!(2), &json!("5.00")));
        assert_eq!((transaction.status, &transaction.json()["version"]), (200, &json!(4)), "{}", store.name);
    }
}

#[tokio::test]
async fn who_asks_for_a_version_that_does_not_come_is_told_how_far_it_is() {
    for store in Store::both().await {
        store.insert("accounts", &account("acc-1", "o").number("version", 3)).await;
        let server = Server::over(store.queries()).await;
        for (path, version) in [
            ("/api/v1/accounts/acc-1?atLeastVersion=4", 3),
            ("/api/v1/accounts/acc-1/balance?atLeastVersion=9223372036854775807", 3),
            ("/api/v1/transactions/nobody?atLeastVersion=1", 0),
        ] {
            let began = Instant::now();
            let answer = server.get(path).await;
            let (problem, took) = (answer.json(), began.elapsed());
            assert_eq!((answer.status, &problem["code"]), (409, &json!("VERSION_NOT_REACHED")), "{path}");
            assert_eq!(problem["version"], version, "{}: {path}", store.name);
            assert!(took > WAIT / 2 && took < WAIT + Duration::from_secs(2), "{path}: waited {took:?}");
        }
        let there = server.get("/api/v1/accounts/acc-1?atLeastVersion=3").await;
        assert_eq!(there.status, 200, "what is there is not waited for");
        let nobody = server.get("/api/v1/accounts/nobody?atLeastVersion=0").await;
        assert_eq!(nobody.status, 404, "version 0 is what does not exist");
    }
}
