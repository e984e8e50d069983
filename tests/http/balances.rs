//! What an account held at a time, against a fold of the same postings.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::server::Server;
use crate::stores::{BEGIN, Store, account, entry};

/// Postings: version, milliseconds after [`BEGIN`], balance after it in cents.
type Story = Vec<(i64, i64, i64)>;

/// Many in one moment, gaps in versions (events that post nothing), balances below zero.
fn story(seed: u64) -> Story {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut version, mut at, mut balance) = (1, 0, 0);
    let step = |_| {
        version += random.random_range(1..3);
        at += random.random_range(0..3);
        balance += random.random_range(-500..500);
        (version, at, balance)
    };
    (0..60).map(step).collect()
}

fn dollars(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(BEGIN + millis).unwrap().to_string()
}

/// Version and balance, by going through the story from its beginning.
fn fold(story: &Story, at: i64) -> Option<(i64, i64)> {
    let opened = (at >= 0).then_some((1, 0));
    let last = story.iter().take_while(|(_, when, _)| *when <= at).last();
    last.map(|(version, _, balance)| (*version, *balance)).or(opened)
}

#[tokio::test]
async fn a_balance_at_a_time_is_the_fold_of_what_was_posted_until_then() {
    for store in Store::both().await {
        let story = story(7);
        store.insert("accounts", &account("acc-1", "o").number("version", 500)).await;
        let mut before = 0;
        for (version, at, balance) in &story {
            let balances = (dollars(before), dollars(*balance));
            store.insert("entries", &entry("acc-1", *version, *at, (&balances.0, &balances.1))).await;
            before = *balance;
        }
        let server = Server::over(store.queries()).await;
        let end = story.last().unwrap().1;
        for at in -2..=end + 2 {
            let path = format!("/api/v1/accounts/acc-1/balance?at={}", rfc3339(at));
            let answer = server.get(&path).await;
            let found = answer.json();
            match fold(&story, at) {
                None => assert_eq!((answer.status, &found["code"]), (404, &json!("ACCOUNT_NOT_FOUND"))),
                Some((version, balance)) => {
                    let told = (&found["version"], &found["balance"]);
                    assert_eq!(told, (&json!(version), &json!(dollars(balance))), "{} at {at}: {found}", store.name);
                }
            }
        }
        let now: Value = server.found("/api/v1/accounts/acc-1/balance").await;
        assert_eq!(now["balance"], dollars(before), "{}", store.name);
        assert_eq!(now.get("at"), None);
    }
}

#[tokio::test]
async fn an_account_without_postings_held_nothing_in_the_decimals_of_its_currency() {
    for store in Store::both().await {
        store.insert("accounts", &account("acc-k", "o").text("currency", "KWD").text("balance", "0.000")).await;
        let server = Server::over(store.queries()).await;
        for path in ["balance", "balance?at=2025-12-09T12:00:00.000Z", "balance?at=2025-12-09T13:00:00%2B01:00"] {
            let found = server.found(&format!("/api/v1/accounts/acc-k/{path}")).await;
            assert_eq!((&found["balance"], &found["version"]), (&json!("0.000"), &json!(1)), "{}: {path}", store.name);
            assert_eq!(found["since"], "2025-12-09T12:00:00.000Z");
        }
    }
}
