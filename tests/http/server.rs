//! The listener under test, and a client that sends what a browser would not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use billing_engine::config::Secret;
use billing_engine::http::{Api, Feed, Health, Killer, Routes, Tokens, serve};
use billing_engine::log::Error;
use billing_engine::metrics::Metrics;
use billing_engine::queries::Queries;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Partitions of the topics that tests speak of.
pub const PARTITIONS: u32 = 3;

/// How long these servers wait for a version.
pub const WAIT: Duration = Duration::from_secs(2);

/// How long these servers wait for a client that takes nothing.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A running listener.
pub struct Server {
    pub address: SocketAddr,
    pub health: Health,
    pub metrics: Arc<Metrics>,
    pub stop: oneshot::Sender<()>,
    pub served: JoinHandle<std::io::Result<()>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The media type of the body, without parameters.
    pub fn media_type(&self) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix("content-type: "));
        line.unwrap_or_default().split(';').next().unwrap_or_default()
    }
}

/// Events of a log that nobody can reach.
pub fn no_log() -> Feed {
    Feed::new(PARTITIONS, || Err(Error::Unavailable("there is none".into())))
}

/// What is asked of that store, if any.
pub fn api(queries: Option<Queries>) -> Api {
    Api { queries, wait: WAIT, prefix: "billing".into(), feed: no_log() }
}

impl Server {
    /// Without a store, a log, tokens.
    pub async fn start() -> Server {
        Server::killing(&[], None).await
    }

    /// With something to kill.
    pub async fn killing(tokens: &[&str], killer: Option<Killer>) -> Server {
        Server::with(tokens, killer, api(None)).await
    }

    /// Over that store.
    pub async fn over(queries: Queries) -> Server {
        Server::with(&[], None, api(Some(queries))).await
    }

    pub async fn with(tokens: &[&str], killer: Option<Killer>, api: Api) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, metrics) = (Health::new(), Metrics::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let tokens: Vec<Secret> = tokens.iter().map(|token| Secret::new((*token).to_owned())).collect();
        let tokens = Tokens::new(&tokens);
        let routes =
            Routes { metrics: metrics.clone(), health: health.clone(), tokens, api, killer, patience: PATIENCE };
        let served = tokio::spawn(serve(listener, routes, shutdown));
        Server { address, health, metrics, stop, served }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    /// The JSON of an answer that must be 200.
    pub async fn found(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub async fn ask(&self, method: &str, path: &str) -> Answer {
        self.ask_as("", method, path).await
    }

    /// With a header `Authorization` that says so, unless it is empty.
    pub async fn ask_as(&self, authorization: &str, method: &str, path: &str) -> Answer {
        let header =
            if authorization.is_empty() { String::new() } else { format!("Authorization: {authorization}\r\n") };
        self.ask_with(&header, method, path).await
    }

    /// With these header lines.
    pub async fn ask_with(&self, headers: &str, method: &str, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: engine\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        let whole = timeout(LIMIT, stream.read_to_string(&mut text)).await;
        whole.unwrap_or_else(|_| panic!("{method} {path} is not answered to the end: {text}")).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}
