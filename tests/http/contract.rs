//! Every route answers what the OpenAPI document says, and the document says nothing else.

use std::collections::BTreeSet;

use billing_engine::http::Code;
use serde_json::{Value, json};

use crate::schema::Document;
use crate::server::Server;
use crate::stores::{BEGIN, Row, Store, account, concerns, entry, hold, transfer};

/// A store with one of everything, every optional field set somewhere and nowhere.
async fn furnished(store: &Store) {
    let bare = account("acc-2", "o-1");
    let full = account("acc-1", "o-1")
        .number("version", 7)
        .text("balance", "102.00")
        .text("held", "60.00")
        .text("min_balance", "-5.00")
        .text("max_balance", "1000.00")
        .text("metadata", r#"{"plan":"gold","seats":1E2,"trial":false}"#);
    store.insert("accounts", &full).await;
    store.insert("accounts", &bare).await;
    store.insert("entries", &entry("acc-1", 2, 10, ("0.00", "101.00"))).await;
    let leg = entry("acc-1", 3, 20, ("101.00", "102.00"))
        .text("reference", "r-1")
        .text("transaction_id", "tx-1")
        .number("leg", 2)
        .truth("forced", true)
        .text("metadata", r#"{"n":1.50}"#);
    store.insert("entries", &leg).await;
    store.insert("holds", &hold("acc-1", "tx-3", i64::MAX / 100_000)).await;
    store.insert("holds", &hold("acc-1", "tx-4", BEGIN + 1)).await;
    store.insert("holds", &hold("acc-1", "tx-5", BEGIN).text("status", "RELEASED")).await;
    store.insert("transactions", &transfer("tx-1", 0)).await;
    store.insert("transactions", &refund("tx-2")).await;
    store.insert("transactions", &payment("tx-3")).await;
    store.insert("transaction_accounts", &concerns("tx-1", "acc-1", 0)).await;
}

fn refund(id: &str) -> Row {
    transfer(id, 5)
        .text("type", "REFUND")
        .text("status", "FAILED")
        .text("parent_id", "tx-3")
        .text("error_code", "REFUND_EXCEEDS_PAYMENT")
        .text("reason", "nothing is left")
        .text("legs", "{}")
}

fn payment(id: &str) -> Row {
    transfer(id, 6)
        .text("type", "PAYMENT")
        .text("captured_amount", "5.00")
        .text("refunded_amount", "0.00")
        .at("hold_expires_at", BEGIN + 60_000)
}

/// A request for every status of every route of the store that can be had from a store that works.
const REQUESTS: [(&str, &str, u16); 25] = [
    ("/api/v1/accounts", "/api/v1/accounts?ownerId=o-1", 200),
    ("/api/v1/accounts", "/api/v1/accounts?ownerId=o-1&ownerType=customer&limit=1", 200),
    ("/api/v1/accounts", "/api/v1/accounts?ownerId=nobody", 200),
    ("/api/v1/accounts", "/api/v1/accounts", 400),
    ("/api/v1/accounts/{id}", "/api/v1/accounts/acc-1", 200),
    ("/api/v1/accounts/{id}", "/api/v1/accounts/acc-2?atLeastVersion=1", 200),
    ("/api/v1/accounts/{id}", "/api/v1/accounts/a%20b", 400),
    ("/api/v1/accounts/{id}", "/api/v1/accounts/nobody", 404),
    ("/api/v1/accounts/{id}", "/api/v1/accounts/acc-2?atLeastVersion=2", 409),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/acc-1/entries", 200),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/acc-1/entries?limit=1", 200),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/acc-1/entries?limit=0", 400),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/nobody/entries", 404),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/acc-1/balance", 200),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/acc-1/balance?at=2025-12-09T12:00:00Z", 200),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/acc-1/balance?at=now", 400),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/acc-1/balance?at=2025-12-09T11:59:59.999Z", 404),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/acc-1/balance?atLeastVersion=8", 409),
    ("/api/v1/transactions", "/api/v1/transactions?limit=2", 200),
    ("/api/v1/transactions", "/api/v1/transactions?accountId=acc-1&status=COMPLETED", 200),
    ("/api/v1/transactions", "/api/v1/transactions?status=DONE", 400),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/tx-2", 200),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/tx-2?atLeastVersion=-1", 400),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/nobody", 404),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/nobody?atLeastVersion=1", 409),
];

#[tokio::test]
async fn every_answer_of_the_read_store_is_as_the_document_says() {
    for store in Store::both().await {
        furnished(&store).await;
        let server = Server::over(store.queries()).await;
        let mut document = Document::of(&server).await;
        for (route, path, status) in REQUESTS {
            let answer = server.get(path).await;
            assert_eq!(answer.status, status, "{}: {path}: {}", store.name, answer.body);
            document.check("GET", route, &answer);
        }
        for path in ["/healthz/live", "/healthz/ready", "/openapi.json", "/metrics"] {
            document.check("GET", path, &server.get(path).await);
        }
    }
}

#[test]
fn every_status_that_a_store_that_works_can_answer_is_asked_for() {
    let asked: BTreeSet<(&str, u16)> = REQUESTS.iter().map(|(route, _, status)| (*route, *status)).collect();
    let document: Value = serde_json::from_str(billing_engine::http::OPENAPI).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let stored = path.starts_with("/api/v1/accounts") || path.starts_with("/api/v1/transactions");
        for status in methods["get"]["responses"].as_object().into_iter().flat_map(|responses| responses.keys()) {
            let status: u16 = status.parse().unwrap();
            // Tokens and stores that do not work have tests of their own.
            if stored && !matches!(status, 401 | 503) {
                assert!(asked.contains(&(path.as_str(), status)), "{path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_served_and_no_other() {
    let server = Server::killing(&[], None).await;
    let mut document = Document::of(&server).await;
    document.compile_all();
    for (method, path) in document.operations() {
        let answer = server.ask(&method, &path.replace("{id}", "x")).await;
        let exists = answer.status != 404 || path == "/chaos/kill";
        assert!(exists && answer.status != 405, "{method} {path}: {}", answer.status);
        document.check(&method, &path, &answer);
        for other in ["PUT", "DELETE", "PATCH"] {
            let answer = server.ask(other, &path.replace("{id}", "x")).await;
            assert!(matches!(answer.status, 404 | 405), "{other} {path}: {}", answer.status);
            assert_eq!(answer.media_type(), "application/problem+json");
        }
    }
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(document.json["components"]["schemas"]["Problem"]["properties"]["code"]["enum"], json!(codes));
}

#[tokio::test]
async fn an_account_is_told_with_its_holds_its_metadata_to_the_letter_and_how_fresh_that_is() {
    for store in Store::both().await {
        furnished(&store).await;
        let server = Server::over(store.queries()).await;
        let answer = server.get("/api/v1/accounts/acc-1").await;
        assert!(answer.body.contains(r#""metadata":{"plan":"gold","seats":1E2,"trial":false}"#), "{}", answer.body);
        let mut account = answer.json();
        account.as_object_mut().unwrap().remove("metadata");
        let expired = json!({
            "holdId": "tx-4", "amount": "30.00", "currency": "USD", "transactionId": "tx-4",
            "expiresAt": "2025-12-09T12:00:00.001Z",
        });
        assert_eq!(account["holds"][1], expired);
        account.as_object_mut().unwrap().remove("holds");
        let expected = json!({
            "accountId": "acc-1", "version": 7, "ownerId": "o-1", "ownerType": "customer", "accountType": "USER",
            "currency": "USD", "status": "ACTIVE", "balance": "102.00", "available": "72.00",
            "minBalance": "-5.00", "maxBalance": "1000.00",
            "createdAt": "2025-12-09T12:00:00.000Z", "updatedAt": "2025-12-09T12:00:00.000Z",
            "freshness": {
                "asOf": "2025-12-09T12:00:00.001Z",
                "positions": [{
                    "topic": "billing.account.events", "partition": 1, "position": 101,
                    "asOf": "2025-12-09T12:00:00.001Z",
                }],
            },
        });
        assert_eq!(account, expected, "{}", store.name);
    }
}

#[tokio::test]
async fn a_transaction_is_told_with_its_legs_in_order() {
    for store in Store::both().await {
        furnished(&store).await;
        let server = Server::over(store.queries()).await;
        let found = server.found("/api/v1/transactions/tx-1").await;
        assert_eq!((&found["type"], &found["status"]), (&json!("TRANSFER"), &json!("COMPLETED")));
        assert_eq!(found["request"]["amount"], "5", "{}: as it was sent", store.name);
        let first = json!({
            "leg": 1, "accountId": "acc-1", "changeType": "DEBIT", "amount": "5.00", "previousBalance": "100.00",
            "newBalance": "95.00", "postedAt": "2025-12-09T12:00:00.003Z",
        });
        assert_eq!(found["legs"][0], first);
        assert_eq!(found["legs"][1]["leg"], 2);
        let refund = server.found("/api/v1/transactions/tx-2").await;
        assert_eq!((&refund["originalPaymentId"], &refund["legs"]), (&json!("tx-3"), &json!([])));
    }
}

#[tokio::test]
async fn what_is_not_found_is_told_with_how_far_the_store_is() {
    for store in Store::both().await {
        let server = Server::over(store.queries()).await;
        let problem = server.get("/api/v1/transactions/nobody").await.json();
        assert_eq!(problem["code"], "TRANSACTION_NOT_FOUND");
        let positions = problem["freshness"]["positions"].as_array().unwrap();
        assert_eq!(positions.len(), 3, "{problem}");
        assert_eq!(positions[2], json!({ "topic": "billing.transaction.events", "partition": 2, "position": 102 }));
    }
}
