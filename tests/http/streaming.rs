//! Streams of events above the embedded log: what comes, from where, and what a slow client costs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use billing_engine::http::{Api, Feed};
use billing_engine::log::embedded::Embedded;
use billing_engine::log::{Client, Drafts, Topic};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::schema::Document;
use crate::server::{PARTITIONS, Server, api};

pub const ACCOUNTS: Topic = Topic("account.events");
const TRANSACTIONS: Topic = Topic("transaction.events");

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// One message of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub id: String,
    /// Empty for one that only says where the stream is.
    pub data: String,
}

/// A client of a stream.
pub struct Listener {
    stream: TcpStream,
    text: String,
}

impl Listener {
    /// Opens a stream, which must be answered with 200.
    pub async fn open(address: SocketAddr, path: &str, last_event_id: Option<&str>) -> Listener {
        Listener::try_open(address, path, last_event_id).await.expect("there is room for another stream")
    }

    /// The same, unless too many are open.
    pub async fn try_open(address: SocketAddr, path: &str, last_event_id: Option<&str>) -> Option<Listener> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let header = last_event_id.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        // HTTP/1.0 asks for a body that ends with the connection: no chunks to put together.
        stream.write_all(format!("GET {path} HTTP/1.0\r\n{header}\r\n").as_bytes()).await.unwrap();
        let mut listener = Listener { stream, text: String::new() };
        let head = listener.until("\r\n\r\n").await.expect("an answer");
        if head.starts_with("HTTP/1.0 503") {
            return None;
        }
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        Some(listener)
    }

    /// How many more bytes come until the stream, or the connection, has ended.
    pub async fn rest(mut self) -> usize {
        let (mut bytes, mut rest) = (vec![0; 65_536], self.text.len());
        loop {
            match timeout(LIMIT, self.stream.read(&mut bytes)).await.expect("something comes in time") {
                Ok(0) | Err(_) => return rest,
                Ok(read) => rest += read,
            }
        }
    }

    /// The next message; `None` at the end of the stream.
    pub async fn message(&mut self) -> Option<Message> {
        timeout(LIMIT, self.skip_to_message()).await.expect("a message, or the end, comes in time")
    }

    async fn skip_to_message(&mut self) -> Option<Message> {
        loop {
            let text = self.until("\n\n").await?;
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(id) = field("id: ") {
                return Some(Message { id, data: field("data: ").unwrap_or_default() });
            }
        }
    }

    /// The next event.
    pub async fn event(&mut self) -> Message {
        loop {
            let message = self.message().await.expect("the stream goes on");
            if !message.data.is_empty() {
                return message;
            }
        }
    }

    async fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            if let Some((text, rest)) = self.text.split_once(mark) {
                let (text, rest) = (text.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(text);
            }
            let mut bytes = vec![0; 65_536];
            let read = timeout(LIMIT, self.stream.read(&mut bytes)).await.expect("something comes in time").unwrap();
            if read == 0 {
                return None;
            }
            self.text.push_str(str::from_utf8(&bytes[..read]).unwrap());
        }
    }
}

/// A log with a server above it.
pub struct Stage {
    pub client: Arc<dyn Client>,
    pub server: Server,
    pub _directory: TempDir,
}

impl Stage {
    pub async fn set() -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let log = Embedded::open(directory.path(), PARTITIONS).unwrap();
        let client = log.client();
        let served = client.clone();
        let feed = Feed::new(PARTITIONS, move || Ok(served.clone()));
        let server = Server::with(&[], None, Api { feed, ..api(None) }).await;
        Stage { client, server, _directory: directory }
    }

    /// Appends one event of each of these, `(partition, key, value)`.
    pub async fn append(&self, topic: Topic, events: &[(u32, &str, String)]) {
        let mut drafts = Drafts::default();
        for (partition, key, value) in events {
            drafts.push(topic, *partition, None, |record| {
                record.key(key.as_bytes());
                record.value(value.as_bytes());
            });
        }
        self.client.append(drafts).await.unwrap();
    }
}

fn numbered(range: std::ops::Range<u32>, partition: u32, key: &'static str) -> Vec<(u32, &'static str, String)> {
    range.map(|number| (partition, key, format!("{{\"{key}\":{number}}}"))).collect()
}

fn home(id: &str) -> u32 {
    billing_engine::partition::placement::partition_of(id, PARTITIONS)
}

#[tokio::test]
async fn the_events_of_one_account_come_from_its_first_and_go_on() {
    let stage = Stage::set().await;
    let place = home("acc-1");
    for round in 0..50 {
        stage.append(ACCOUNTS, &numbered(round..round + 1, place, "acc-1")).await;
        stage.append(ACCOUNTS, &numbered(round..round + 1, place, "other")).await;
    }
    let mut listener = Listener::open(stage.server.address, "/api/v1/events/accounts/acc-1", None).await;
    let first = listener.message().await.unwrap();
    assert_eq!(first, Message { id: format!("a{place}:0"), data: String::new() }, "where it begins");
    for number in 0..50 {
        assert_eq!(listener.event().await.data, format!("{{\"acc-1\":{number}}}"));
    }
    stage.append(ACCOUNTS, &numbered(0..1, place, "other")).await;
    stage.append(ACCOUNTS, &numbered(50..51, place, "acc-1")).await;
    let live = listener.event().await;
    assert_eq!(live, Message { id: format!("a{place}:102"), data: "{\"acc-1\":50}".into() });

    let mut resumed = Listener::open(stage.server.address, "/api/v1/events/accounts/acc-1", Some(&live.id)).await;
    stage.append(ACCOUNTS, &numbered(51..52, place, "acc-1")).await;
    assert_eq!(resumed.event().await.data, "{\"acc-1\":51}", "nothing twice");
}

#[tokio::test]
async fn the_stream_begins_now_and_covers_every_partition_of_both_topics() {
    let stage = Stage::set().await;
    stage.append(ACCOUNTS, &numbered(0..9, 0, "before")).await;
    let mut listener = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    let first = listener.message().await.unwrap();
    assert_eq!(first, Message { id: "a0:9,a1:0,a2:0,t0:0,t1:0,t2:0".into(), data: String::new() });
    for (topic, partition, key) in [(ACCOUNTS, 2, "a"), (TRANSACTIONS, 1, "t"), (ACCOUNTS, 0, "b")] {
        stage.append(topic, &numbered(0..1, partition, key)).await;
        assert_eq!(listener.event().await.data, format!("{{\"{key}\":0}}"));
    }
    // Cut off before its first event: what it missed comes.
    let mut late = Listener::open(stage.server.address, "/api/v1/events/stream", Some(&first.id)).await;
    let mut missed = Vec::new();
    for _ in 0..3 {
        missed.push(late.event().await.data);
    }
    missed.sort();
    assert_eq!(missed, ["{\"a\":0}", "{\"b\":0}", "{\"t\":0}"]);
}

#[tokio::test]
async fn a_client_that_is_cut_off_again_and_again_gets_every_event_once_and_in_order() {
    let stage = Arc::new(Stage::set().await);
    let mut listener = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    let mut last = listener.message().await.unwrap().id;
    let writer = stage.clone();
    let written = tokio::spawn(async move {
        for round in 0..200 {
            for partition in 0..PARTITIONS {
                writer.append(ACCOUNTS, &numbered(round * 5..round * 5 + 5, partition, "a")).await;
                writer.append(TRANSACTIONS, &numbered(round..round + 1, partition, "t")).await;
            }
        }
    });
    let (mut seen, mut cut) = (BTreeMap::<String, Vec<String>>::new(), 0);
    let wanted = 200 * 6 * PARTITIONS as usize;
    for taken in 1..=wanted {
        let message = listener.event().await;
        let place = moved(&last, &message.id);
        seen.entry(place).or_default().push(message.data);
        last = message.id;
        // Primes fall anywhere between the ends of chunks.
        if taken % 97 == 0 {
            cut += 1;
            listener = Listener::open(stage.server.address, "/api/v1/events/stream", Some(&last)).await;
        }
    }
    written.await.unwrap();
    assert!(cut > 30);
    for partition in 0..PARTITIONS {
        let expected = |range, key| numbered(range, partition, key).into_iter().map(|(_, _, data)| data).collect();
        let (accounts, transactions): (Vec<String>, Vec<String>) = (expected(0..1000, "a"), expected(0..200, "t"));
        assert_eq!(seen[&format!("a{partition}")], accounts, "partition {partition}");
        assert_eq!(seen[&format!("t{partition}")], transactions, "partition {partition}");
    }
}

/// The place whose position differs between two ids.
pub fn moved(before: &str, after: &str) -> String {
    let changed: Vec<&str> =
        before.split(',').zip(after.split(',')).filter(|(a, b)| a != b).map(|(_, after)| after).collect();
    assert_eq!(changed.len(), 1, "one event moves one place: {before} → {after}");
    changed[0].split(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_that_reads_nothing_for_a_while_falls_off_the_tail_and_misses_nothing() {
    let stage = Stage::set().await;
    let mut slow = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    let mut quick = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    // Far more than what a tail keeps and sockets hold.
    let padding = "x".repeat(100_000);
    for number in 0..400 {
        stage.append(ACCOUNTS, &[(0, "a", format!("{{\"{number}\":\"{padding}\"}}"))]).await;
        assert!(quick.event().await.data.starts_with(&format!("{{\"{number}\"")), "the quick one waits for nobody");
    }
    for number in 0..400 {
        assert!(slow.event().await.data.starts_with(&format!("{{\"{number}\"")), "{number}");
    }
}

#[tokio::test]
async fn an_id_of_another_stream_or_of_a_log_that_never_was_so_long_is_a_problem_document() {
    let stage = Stage::set().await;
    let mut document = Document::of(&stage.server).await;
    let place = home("acc-1");
    for (route, id) in [
        ("/api/v1/events/stream", "a0:0"),
        ("/api/v1/events/stream", "a0:0,a1:0,a2:0,t0:0,t1:0,t2:1"),
        ("/api/v1/events/stream", "7"),
        ("/api/v1/events/stream", ""),
        ("/api/v1/events/accounts/{id}", "a0:0,a1:0,a2:0,t0:0,t1:0,t2:0"),
        ("/api/v1/events/accounts/{id}", &format!("a{place}:1")),
        ("/api/v1/events/transactions/{id}", &format!("a{place}:0")),
        ("/api/v1/events/transactions/{id}", &"9".repeat(10_240)),
    ] {
        let path = route.replace("{id}", "acc-1");
        let answer = stage.server.ask_with(&format!("Last-Event-ID: {id}\r\n"), "GET", &path).await;
        let code = answer.json()["code"].as_str().map(str::to_owned);
        assert_eq!((answer.status, code.as_deref()), (400, Some("INVALID_LAST_EVENT_ID")), "{route} {id}");
        document.check("GET", route, &answer);
    }
}

#[tokio::test]
async fn as_many_streams_are_open_as_a_node_serves_and_one_that_ends_makes_room() {
    let stage = Stage::set().await;
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(Listener::open(stage.server.address, "/api/v1/events/accounts/acc-1", None).await);
    }
    let answer = stage.server.get("/api/v1/events/accounts/acc-1").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("TOO_MANY_STREAMS")));
    drop(open.pop());
    let room = async {
        loop {
            let head = stage.server.ask("HEAD", "/api/v1/events/accounts/acc-1").await;
            if head.status == 200 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, room).await.expect("who leaves makes room");
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let stage = Stage::set().await;
    let mut listener = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    assert!(listener.until("\n\n").await.unwrap().starts_with("id: a0:0"));
    assert_eq!(listener.until("\n\n").await.as_deref(), Some(":"), "nobody on the way takes it for dead");
}

#[tokio::test]
async fn a_shutdown_ends_the_streams() {
    let Stage { server, client, _directory } = Stage::set().await;
    let mut listener = Listener::open(server.address, "/api/v1/events/stream", None).await;
    listener.message().await.unwrap();
    let Server { stop, served, .. } = server;
    stop.send(()).unwrap();
    assert_eq!(listener.message().await, None, "the stream ends");
    timeout(LIMIT, served).await.expect("the server stops").unwrap().unwrap();
    drop(client);
}
