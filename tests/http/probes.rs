//! What a monitoring system and an orchestrator ask, and what is not there.

use std::sync::Arc;
use std::time::Duration;

use billing_engine::http::{Killer, Membership, PartitionStatus};
use billing_engine::metrics::PartitionState;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::server::Server;

#[tokio::test]
async fn metrics_are_served_in_the_text_format() {
    let server = Server::start().await;
    server.metrics.engine().producer_fenced.increment(2);
    let answer = server.ask("GET", "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    assert!(answer.body.contains("\nbilling_producer_fenced_total 2\n"), "{}", answer.body);
}

#[tokio::test]
async fn an_engine_lives_before_it_is_ready() {
    let server = Server::start().await;
    assert_eq!(server.ask("GET", "/healthz/live").await.status, 200);
    assert_eq!(server.ask("GET", "/healthz/ready").await.status, 503);
    server.health.membership("accounts", Membership::Joined);
    let answer = server.ask("GET", "/healthz/ready").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "ready": true, "membership": "joined", "partitions": [] }));
}

#[tokio::test]
async fn an_engine_that_is_not_ready_says_which_partition_and_why() {
    let server = Server::start().await;
    server.health.membership("accounts", Membership::Joined);
    server.health.waiting_for(Some("topic t; create it with `billing-engine topics ensure`".into()));
    server.health.partition("account", 0, PartitionState::Running);
    let reason = Some("the group has no offset for t:1".into());
    server.health.partition("account", 1, PartitionStatus { state: PartitionState::Halted, reason });
    let answer = server.ask("GET", "/healthz/ready").await;
    assert_eq!(answer.status, 503);
    let expected = json!({
        "ready": false,
        "membership": "joined",
        "waitingFor": "topic t; create it with `billing-engine topics ensure`",
        "partitions": [
            { "aggregate": "account", "partition": 0, "state": "running" },
            { "aggregate": "account", "partition": 1, "state": "halted", "reason": "the group has no offset for t:1" },
        ],
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn what_is_not_served_is_answered_with_a_problem_document() {
    let server = Server::start().await;
    for (method, path, status, title) in [
        ("GET", "/", 404, "Not Found"),
        ("POST", "/chaos/kill", 404, "Not Found"),
        ("POST", "/metrics", 405, "Method Not Allowed"),
        ("DELETE", "/healthz/ready", 405, "Method Not Allowed"),
    ] {
        let answer = server.ask(method, path).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
        assert_eq!(answer.head.contains("\r\nallow: get,head"), status == 405, "{}", answer.head);
        let problem = answer.json();
        assert_eq!((&problem["status"], &problem["title"]), (&json!(status), &json!(title)));
        assert!(problem["detail"].as_str().unwrap().contains(path));
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_shutdown() {
    let server = Server::start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz/live HTTP/1.1\r\nHost: engine\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    server.stop.send(()).unwrap();
    let served = tokio::time::timeout(Duration::from_secs(5), server.served).await;
    served.expect("the server stops while a client keeps its connection").unwrap().unwrap();
}

/// A killer whose victims are always the same; `None`: there is none.
fn killer(victim: Option<&'static str>) -> Option<Killer> {
    Some(Arc::new(move || Box::pin(async move { victim.map(str::to_owned) })))
}

#[tokio::test]
async fn a_kill_names_its_victim_or_says_that_there_was_none() {
    let server = Server::killing(&[], killer(Some("acc-7"))).await;
    let answer = server.ask("POST", "/chaos/kill").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "killed": "acc-7" })));
    assert_eq!(server.ask("GET", "/chaos/kill").await.status, 405, "a crawler kills nobody");

    let server = Server::killing(&[], killer(None)).await;
    let answer = server.ask("POST", "/chaos/kill").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
    assert!(answer.json()["detail"].as_str().unwrap().contains("no partition runs"), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn a_kill_that_finds_nobody_busy_is_given_up() {
    let (killed, victim) = oneshot::channel::<()>();
    let victim = std::sync::Mutex::new(Some(victim));
    let nobody_yet: Killer = Arc::new(move || {
        let victim = victim.lock().unwrap().take().unwrap();
        Box::pin(async move { victim.await.ok().map(|()| "acc-7".to_owned()) })
    });
    let server = Server::killing(&[], Some(nobody_yet)).await;
    let answer = server.ask("POST", "/chaos/kill").await;
    assert_eq!(answer.status, 503);
    assert!(answer.json()["detail"].as_str().unwrap().contains("within 5 s"), "{}", answer.body);
    assert!(killed.is_closed(), "whoever would kill now is told that nobody waits for it");
}

#[tokio::test]
async fn chaos_asks_for_a_token_where_there_are_tokens_and_the_rest_never_does() {
    let server = Server::killing(&["first-token", "second-token"], killer(Some("acc-7"))).await;
    for right in ["Bearer first-token", "bearer second-token", "Bearer  second-token "] {
        assert_eq!(server.ask_as(right, "POST", "/chaos/kill").await.status, 200, "{right}");
    }
    let challenges = [
        ("", "www-authenticate: bearer\r\n"),
        ("Basic first-token", "www-authenticate: bearer\r\n"),
        ("first-token", "www-authenticate: bearer\r\n"),
        ("Bearer ", "www-authenticate: bearer"),
        ("Bearer first-toke", "www-authenticate: bearer error=\"invalid_token\"\r\n"),
        ("Bearer first-token,second-token", "www-authenticate: bearer error=\"invalid_token\"\r\n"),
        ("Bearer FIRST-TOKEN", "www-authenticate: bearer error=\"invalid_token\"\r\n"),
    ];
    for (wrong, challenge) in challenges {
        let answer = server.ask_as(wrong, "POST", "/chaos/kill").await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(answer.head.contains(challenge), "{wrong}: {}", answer.head);
        assert_eq!((&answer.json()["status"], &answer.json()["title"]), (&json!(401), &json!("Unauthorized")));
        assert!(!answer.body.contains("-token"), "a token is never told: {}", answer.body);
    }
    for path in ["/metrics", "/healthz/live"] {
        assert_eq!(server.ask("GET", path).await.status, 200, "{path}");
    }
    let without_chaos = Server::killing(&["first-token"], None).await;
    assert_eq!(without_chaos.ask_as("Bearer first-token", "POST", "/chaos/kill").await.status, 404);
}
