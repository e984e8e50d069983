//! Without a store, with one that is gone, with one that hangs, without a log: a problem document, soon.

use std::time::{Duration, Instant};

use billing_engine::queries::Queries;
use tokio::net::TcpListener;

use crate::schema::Document;
use crate::server::Server;
use crate::stores::Store;

const STORED: [(&str, &str); 6] = [
    ("/api/v1/accounts", "/api/v1/accounts?ownerId=o"),
    ("/api/v1/accounts/{id}", "/api/v1/accounts/a"),
    ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/a/entries"),
    ("/api/v1/accounts/{id}/balance", "/api/v1/accounts/a/balance?atLeastVersion=1"),
    ("/api/v1/transactions", "/api/v1/transactions"),
    ("/api/v1/transactions/{id}", "/api/v1/transactions/t?atLeastVersion=1"),
];

async fn assert_all_answer(server: &Server, code: &str) {
    let mut document = Document::of(server).await;
    for (route, path) in STORED {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some(code)), "{path}");
        document.check("GET", route, &answer);
    }
}

#[tokio::test]
async fn a_node_without_a_read_store_says_so() {
    assert_all_answer(&Server::start().await, "READ_STORE_DISABLED").await;
}

#[tokio::test]
async fn a_store_that_is_not_there_or_has_no_tables_is_a_problem_document() {
    let port = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port() };
    let directory = tempfile::tempdir().unwrap();
    let missing = format!("sqlite:{}", directory.path().join("missing.db").display());
    for url in [format!("postgres://secret-user:secret-word@127.0.0.1:{port}/x"), missing] {
        let server = Server::over(Queries::open(&url).unwrap()).await;
        assert_all_answer(&server, "READ_STORE_UNAVAILABLE").await;
        let told = server.get("/api/v1/accounts/a").await.body;
        assert!(!told.contains("secret") && !told.contains("127.0.0.1"), "{told}");
    }
    for store in Store::both().await {
        store.run("DROP TABLE accounts; DROP TABLE transactions;").await;
        assert_all_answer(&Server::over(store.queries()).await, "READ_STORE_UNAVAILABLE").await;
    }
}

#[tokio::test]
async fn a_store_that_takes_connections_and_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/x", silent.local_addr().unwrap());
    let server = Server::over(Queries::open(&url).unwrap()).await;
    let began = Instant::now();
    let answer = server.get("/api/v1/accounts/a").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("READ_STORE_UNAVAILABLE")));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_node_that_cannot_reach_the_log_says_so() {
    let server = Server::start().await;
    let mut document = Document::of(&server).await;
    for route in ["/api/v1/events/stream", "/api/v1/events/accounts/{id}", "/api/v1/events/transactions/{id}"] {
        let answer = server.get(&route.replace("{id}", "x")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("EVENTS_UNAVAILABLE")), "{route}");
        document.check("GET", route, &answer);
    }
}

#[tokio::test]
async fn an_address_of_no_store_is_refused_at_once() {
    for bad in ["mysql://x", "postgres://x:notaport/", "nothing"] {
        assert!(Queries::open(bad).is_err(), "{bad}");
    }
}
