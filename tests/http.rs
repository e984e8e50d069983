//! The listener as a monitoring system and an orchestrator meet it: over a socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use billing_engine::http::{Health, Membership, PartitionStatus, serve};
use billing_engine::metrics::{Metrics, PartitionState};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: std::net::SocketAddr,
    health: Health,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, metrics) = (Health::new(), Metrics::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let served = tokio::spawn(serve(listener, metrics.clone(), health.clone(), shutdown));
        Server { address, health, metrics, stop, served }
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}

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
    server.health.membership(Membership::Joined);
    let answer = server.ask("GET", "/healthz/ready").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "ready": true, "membership": "joined", "partitions": [] }));
}

#[tokio::test]
async fn an_engine_that_is_not_ready_says_which_partition_and_why() {
    let server = Server::start().await;
    server.health.membership(Membership::Joined);
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
    let served = tokio::time::timeout(std::time::Duration::from_secs(5), server.served).await;
    served.expect("the server stops while a client keeps its connection").unwrap().unwrap();
}
