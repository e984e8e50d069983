//! Clients that take nothing, over connections that nobody closes.

use std::time::Instant;

use tokio::time::{sleep, timeout};

use crate::server::{PATIENCE, Server};
use crate::streaming::{ACCOUNTS, LIMIT, Listener, Stage};

/// Streams that a node serves at the same time.
const STREAMS: usize = 256;

/// Of 100,000 bytes each.
const EVENTS: usize = 400;

/// Far more than what lies between a server and a client that does not read.
async fn flood(stage: &Stage) {
    let padding = "x".repeat(100_000);
    for number in 0..EVENTS {
        stage.append(ACCOUNTS, &[(0, "a", format!("{{\"{number}\":\"{padding}\"}}"))]).await;
    }
}

/// Waits until so many more streams can be opened, which are closed again.
async fn wait_for_room(stage: &Stage, wanted: usize) {
    let room = async {
        loop {
            let mut open = Vec::new();
            while open.len() < wanted {
                match Listener::try_open(stage.server.address, "/api/v1/events/accounts/quiet", None).await {
                    Some(listener) => open.push(listener),
                    None => break,
                }
            }
            if open.len() == wanted {
                return;
            }
            drop(open);
            sleep(PATIENCE / 10).await;
        }
    };
    timeout(LIMIT, room).await.expect("there is room in time");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off_in_time_and_gives_its_place_to_others() {
    let stage = Stage::set().await;
    let stalled = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    let mut reading = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    let began = Instant::now();
    let read = async {
        for _ in 0..EVENTS {
            reading.event().await;
        }
    };
    tokio::join!(flood(&stage), read);
    wait_for_room(&stage, STREAMS - 1).await;
    assert!(began.elapsed() >= PATIENCE, "not before its time: {:?}", began.elapsed());
    // What the system had taken for it is still there, and then nothing more.
    let taken = stalled.rest().await;
    assert!(taken < 20_000_000, "{taken} bytes came to somebody who was cut off");
    stage.append(ACCOUNTS, &[(0, "a", "{\"last\":1}".to_owned())]).await;
    assert_eq!(reading.event().await.data, "{\"last\":1}", "who reads is not cut off");
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_keep_a_server_from_stopping() {
    let stage = Stage::set().await;
    let _stalled = Listener::open(stage.server.address, "/api/v1/events/stream", None).await;
    flood(&stage).await;
    let Stage { server, client, _directory } = stage;
    let Server { stop, served, .. } = server;
    stop.send(()).unwrap();
    timeout(LIMIT, served).await.expect("the server stops").unwrap().unwrap();
    drop(client);
}
