//! Every parameter with every kind of value that it cannot have: a problem document each, on either store.

use crate::schema::Document;
use crate::server::{Answer, Server};
use crate::stores::{Store, account, transfer};

/// Route, path, and how the document calls the parameter that is to be set.
const PARAMETERS: [(&str, &str, &str); 16] = [
    ("/api/v1/accounts", "/api/v1/accounts?", "ownerId"),
    ("/api/v1/accounts", "/api/v1/accounts?ownerId=o&", "ownerType"),
    ("/api/v1/accounts", "/api/v1/accounts?ownerId=o&", "cursor"),
    ("/api/v1/accounts", "/api/v1/accounts?ownerId=o&", "limit"),
    ("/api/v1/accounts/{id}", "/api/v1/accounts/acc-1?", "atLeastVersion"),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/acc-1/entries?", "cursor"),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/acc-1/entries?", "limit"),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/acc-1/balance?", "at"),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/acc-1/balance?", "atLeastVersion"),
    ("/api/v1/transactions", "/api/v1/transactions?", "accountId"),
    ("/api/v1/transactions", "/api/v1/transactions?", "status"),
    ("/api/v1/transactions", "/api/v1/transactions?", "cursor"),
    ("/api/v1/transactions", "/api/v1/transactions?", "limit"),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/tx-1?", "atLeastVersion"),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/tx-1?", "unknown"),
    ("/api/v1/events/stream", "/api/v1/events/stream?", "unknown"),
];

const IDS: [(&str, &str, &str); 6] = [
    ("/api/v1/accounts/{id}", "/api/v1/accounts/", ""),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/", "/entries"),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/", "/balance"),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/", ""),
    ("/api/v1/events/accounts/{id}", "/api/v1/events/accounts/", ""),
    ("/api/v1/events/transactions/{id}", "/api/v1/events/transactions/", ""),
];

/// Empty, 10 kB, U+0000, a lone surrogate and half a character, of a wrong type, beyond every number and every date,
/// injections.
fn bad_values() -> Vec<(&'static str, String)> {
    vec![
        ("empty", String::new()),
        ("long", "x".repeat(10_240)),
        ("long number", "9".repeat(10_240)),
        ("zero byte", "a%00b".into()),
        ("lone surrogate", "%ED%A0%80".into()),
        ("half a character", "%C3".into()),
        ("fraction", "1.5".into()),
        ("negative", "-1".into()),
        ("overflow", "9223372036854775808".into()),
        ("date beyond", "99999-12-31T23:59:59Z".into()),
        ("word", "%22%27%3B--".into()),
        ("list", "[1,2]".into()),
    ]
}

/// Owners are free text, so what is no number or too large for one is a good one.
fn is_good(parameter: &str, kind: &str) -> bool {
    let text = matches!(parameter, "ownerId" | "ownerType");
    let id = parameter == "accountId" || parameter == "id";
    match kind {
        "fraction" | "negative" | "overflow" | "date beyond" => text || id,
        "word" | "list" => text,
        _ => false,
    }
}

fn assert_refused(what: &str, answer: &Answer, parameter: &str) {
    assert_eq!((answer.status, answer.media_type()), (400, "application/problem+json"), "{what}: {}", answer.body);
    let problem = answer.json();
    match problem["code"].as_str().unwrap() {
        "INVALID_CURSOR" => assert_eq!(parameter, "cursor", "{what}"),
        "INVALID_PARAMETER" if parameter == "unknown" => {}
        code => assert_eq!((code, &problem["parameter"]), ("INVALID_PARAMETER", &parameter.into()), "{what}"),
    }
    assert!(answer.body.len() < 1000, "{what}: what was sent is not sent back: {}", answer.body);
}

async fn furnished(store: &Store) -> Server {
    store.insert("accounts", &account("acc-1", "o")).await;
    store.insert("transactions", &transfer("tx-1", 0)).await;
    Server::over(store.queries()).await
}

#[tokio::test]
async fn a_bad_value_of_any_parameter_is_a_problem_document() {
    for store in Store::both().await {
        let server = furnished(&store).await;
        let mut document = Document::of(&server).await;
        for (route, path, parameter) in PARAMETERS {
            for (kind, value) in bad_values() {
                let answer = server.get(&format!("{path}{parameter}={value}")).await;
                let what = format!("{}: {route} {parameter} {kind}", store.name);
                document.check("GET", route, &answer);
                if is_good(parameter, kind) {
                    assert_eq!(answer.status, 200, "{what}: {}", answer.body);
                } else {
                    assert_refused(&what, &answer, parameter);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_missing_unknown_or_stands_twice_is_a_problem_document() {
    let store = Store::sqlite().await;
    let server = furnished(&store).await;
    assert_refused("missing", &server.get("/api/v1/accounts").await, "ownerId");
    assert_refused("missing", &server.get("/api/v1/accounts?ownerType=x").await, "ownerId");
    for (route, path, parameter) in PARAMETERS {
        assert_refused(route, &server.get(&format!("{path}unknown=1")).await, "unknown");
        if parameter != "unknown" {
            let twice = format!("{path}{parameter}=1&{parameter}=1");
            assert_eq!(server.get(&twice).await.status, 400, "{twice}");
        }
    }
}

#[tokio::test]
async fn a_bad_id_in_a_path_is_a_problem_document() {
    for store in Store::both().await {
        let server = furnished(&store).await;
        for (route, before, behind) in IDS {
            for (kind, value) in bad_values() {
                let answer = server.get(&format!("{before}{value}{behind}")).await;
                let what = format!("{}: {route} {kind}", store.name);
                if is_good("id", kind) {
                    // No such aggregate, and no log to stream from.
                    assert!(matches!(answer.status, 404 | 503), "{what}: {}", answer.status);
                } else if value.is_empty() && behind.is_empty() {
                    assert_eq!(
                        (answer.status, answer.json()["code"].as_str()),
                        (404, Some("ROUTE_NOT_FOUND")),
                        "{what}"
                    );
                } else {
                    assert_refused(&what, &answer, "id");
                }
                assert_eq!(answer.media_type(), "application/problem+json", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn every_text_that_an_owner_may_have_finds_its_accounts() {
    for store in Store::both().await {
        for (at, owner) in
            ["ä😀 +&=%#", "'; DROP TABLE accounts; --", "\u{1}\u{7f}\r\n\t", &"😀".repeat(256)].iter().enumerate()
        {
            store.insert("accounts", &account(&format!("acc-{at}"), owner)).await;
            let server = Server::over(store.queries()).await;
            let escaped: String = owner.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let found = server.found(&format!("/api/v1/accounts?ownerId={escaped}")).await;
            assert_eq!(found["items"].as_array().unwrap().len(), 1, "{}: {owner:?}", store.name);
            assert_eq!(found["items"][0]["ownerId"], *owner);
        }
    }
}
