//! What transactions that have ended take in snapshots: bytes of each kind as the engine writes it, and the disk under them.
//!
//! `cargo bench --bench transaction_bytes`

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]

#[path = "../cli/town.rs"]
mod town;

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::transaction::Transaction;
use billing_engine::snapshots::{Key, Shelves, Store};
use billing_engine::wire::snapshot::{Conditions, Sources, encode_value};
use serde_json::{Value, json};

use town::Town;

/// Values on the shelf whose disk is measured.
const VALUES: u64 = 200_000;

/// Values of one save, as a checkpoint has them.
const SLICE: u64 = 1_000;

const CONDITIONS: Conditions = Conditions { partitions: 3, window: 256 };

/// As an upstream names things.
fn id(kind: &str, number: u64) -> String {
    format!("{kind}-550e8400-e29b-41d4-a716-{number:012x}")
}

fn main() {
    let (ann, bob, house) = (id("acc", 1), id("acc", 2), id("acc", 3));
    let mut town = Town::new();
    town.open(&ann, "USER", "1000.00");
    town.open(&bob, "USER", "1000.00");
    town.open(&house, "SYSTEM", "0");
    let transfer = |amount: &str| json!({ "sourceAccountId": ann, "destinationAccountId": bob, "amount": amount, "currency": "USD" });
    let payment = json!({
        "customerAccountId": ann, "merchantAccountId": bob, "amount": "50.00", "currency": "USD",
        "feeAccountId": house, "feeAmount": "1.50",
    });
    let mut run = |number, steps: &[(&str, Value)]| {
        let id = id("txn", number);
        steps.iter().for_each(|(command_type, data)| town.run(&id, command_type, data.clone()));
        id
    };
    let refunded =
        |number| json!({ "originalPaymentId": id("txn", number), "refundAmount": "4.00", "currency": "USD" });
    let kinds = [
        ("transfer", run(1, &[("RequestTransfer", transfer("50.00"))])),
        ("transfer that failed", run(2, &[("RequestTransfer", transfer("5000.00"))])),
        ("payment with a fee", run(3, &[("RequestPayment", payment.clone())])),
        ("the same, authorized and captured", run(4, &[("AuthorizePayment", payment), ("CapturePayment", json!({}))])),
        ("refund", run(5, &[("RequestRefund", refunded(3))])),
    ];
    println!("bytes in a snapshot, without the key (identifiers of {} bytes):", id("txn", 0).len());
    for (name, id) in &kinds {
        println!("  {name:<36} {:>5}", value(id, town.transaction(id)).len());
    }
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), town.transaction(&kinds[0].1));
    let disk = size(directory.path()) as f64 / VALUES as f64;
    println!("{VALUES} transfers on disk: {disk:.0} bytes each, {:.1} GB for 100 million", disk / 10.0);
}

fn value(id: &str, state: &Transaction) -> Vec<u8> {
    let sources = Sources { commands: Some(50_000_000), inbox: Some(200_000_000) };
    let mut bytes = Vec::new();
    encode_value(&mut bytes, &AggregateId::parse(id).unwrap(), state, sources, CONDITIONS);
    bytes
}

/// One state under many names, each written once.
#[tokio::main(flavor = "current_thread")]
async fn fill(directory: &Path, state: &Transaction) {
    let store = Store::open(directory, NonZeroUsize::new(64 << 20).unwrap(), Box::new(|| ())).unwrap();
    let shelf = store.shelf("transaction", 0);
    for slice in 0..VALUES / SLICE {
        // Identifiers come in no order.
        let names =
            (slice * SLICE..(slice + 1) * SLICE).map(|number| id("txn", number.wrapping_mul(0x9e37_79b9) % (1 << 48)));
        let values = names.map(|name| (Key::from(name.as_bytes()), value(&name, state)));
        shelf.save(values.collect()).await.unwrap();
    }
    shelf.settle(Vec::new()).await.unwrap();
}

/// Bytes of all files under a directory.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}
