//! Transactions from their commands on a real Kafka to what is answered about them, through the engine and either store.

use serde_json::{Value, json};

use crate::reading_back::{LIMIT, found, sqlite, with_read_store};
use crate::schema::Document;
use crate::server::Answer;
use crate::support::engine::{Engine, Setup};
use crate::support::http::Response;
use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::upstream::{Partitioner, Upstream, create};
use crate::support::wait;

/// An engine with a read store, those who ask it, and what it promises to answer.
struct Stage {
    engine: Engine,
    accounts: Upstream,
    transactions: Upstream,
    document: Document,
}

impl Stage {
    fn set(kafka: &Kafka, setup: &Setup) -> Stage {
        let engine = setup.start();
        let upstream = |topic| Upstream::new(kafka, &setup.topic(topic), Partitioner::Murmur2);
        let document = Document::new(found(&engine, "/openapi.json"));
        Stage {
            engine,
            accounts: upstream("account.commands"),
            transactions: upstream("transaction.commands"),
            document,
        }
    }

    fn open(&self, account: &str, kind: &str) {
        let mut command = create(account);
        command["data"]["accountType"] = json!(kind);
        self.accounts.send(&command);
        self.accounts.flush();
        found(&self.engine, &format!("/api/v1/accounts/{account}?atLeastVersion=1"));
    }

    /// Asks for a transaction, and what it has come to in the end.
    fn ask(&mut self, kind: &str, id: &str, data: Value) -> Value {
        let command = json!({ "commandType": kind, "commandId": format!("do-{id}"), "aggregateId": id, "data": data });
        self.transactions.send(&command);
        self.transactions.flush();
        self.ended(id)
    }

    /// Waits until it has ended.
    fn ended(&mut self, id: &str) -> Value {
        let (engine, path) = (&self.engine, format!("/api/v1/transactions/{id}"));
        let ended = |transaction: &Value| transaction["endedAt"].is_string();
        wait::until(&path, LIMIT, || Some(found(engine, &path)).filter(ended));
        self.promised("/api/v1/transactions/{id}", &path)
    }

    /// An answer that is as the document says.
    fn promised(&mut self, route: &str, path: &str) -> Value {
        let Response { status, body } = self.engine.get(path).unwrap();
        let media_type = if status == 200 { "json" } else { "problem+json" };
        let answer = Answer { status, head: format!("content-type: application/{media_type}"), body };
        self.document.check("GET", route, &answer);
        answer.json()
    }

    /// The ids in a list, asked for one at a time.
    fn listed(&mut self, filters: &str) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.promised("/api/v1/transactions", &format!("/api/v1/transactions?limit=1{filters}{cursor}"));
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 1, "{page}");
            ids.extend(items.iter().map(|item| item["transactionId"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return ids };
            cursor = format!("&cursor={next}");
        }
    }
}

/// What three fields should say.
fn assert_told(transaction: &Value, fields: [(&str, &str); 3]) {
    for (field, wanted) in fields {
        assert_eq!(transaction[field], wanted, "{field}: {transaction}");
    }
}

/// Legs as account, direction, amount and the balances around it.
fn legs(transaction: &Value) -> Vec<[&str; 5]> {
    let fields = ["accountId", "changeType", "amount", "previousBalance", "newBalance"];
    let legs = transaction["legs"].as_array().unwrap();
    assert!((1..).zip(legs).all(|(number, leg)| leg["leg"] == number && leg["postedAt"].is_string()));
    legs.iter().map(|leg| fields.map(|field| leg[field].as_str().unwrap())).collect()
}

fn tell_of_payments(kafka: &Kafka, test: &str, url: &str) {
    let setup = with_read_store(kafka, test, url);
    let mut stage = Stage::set(kafka, &setup);
    for (account, kind) in [("bank", "EXTERNAL"), ("ann", "USER"), ("shop", "USER"), ("house", "SYSTEM")] {
        stage.open(account, kind);
    }
    let topup = json!({ "accountId": "ann", "sourceAccountId": "bank", "amount": "50.00", "currency": "USD" });
    assert_eq!(stage.ask("RequestTopup", "topup", topup)["status"], "COMPLETED", "{test}");

    let payment = json!({
        "customerAccountId": "ann", "merchantAccountId": "shop", "amount": "20.00", "currency": "USD",
        "feeAccountId": "house", "feeAmount": "1.5" , "paymentMetadata": { "order": 7 },
    });
    let paid = stage.ask("RequestPayment", "payment", payment);
    assert_told(&paid, [("type", "PAYMENT"), ("status", "COMPLETED"), ("capturedAmount", "20.00")]);
    assert_eq!(paid["request"]["feeAmount"], "1.5", "{test}: as it was sent");
    let moved = [
        ["ann", "DEBIT", "20.00", "50.00", "30.00"],
        ["shop", "CREDIT", "18.50", "0.00", "18.50"],
        ["house", "CREDIT", "1.50", "0.00", "1.50"],
    ];
    assert_eq!(legs(&paid), moved, "{test}");

    let part = json!({ "originalPaymentId": "payment", "refundAmount": "5", "currency": "USD" });
    let refund = stage.ask("RequestRefund", "refund", part);
    assert_told(&refund, [("type", "REFUND"), ("status", "COMPLETED"), ("originalPaymentId", "payment")]);
    assert_eq!(
        legs(&refund),
        [["shop", "DEBIT", "5.00", "18.50", "13.50"], ["ann", "CREDIT", "5.00", "30.00", "35.00"]],
        "{test}"
    );
    // The payment has settled it before the refund ended, but rows of two partitions are not written together.
    wait::until_true("the payment to tell of its refund", LIMIT, || {
        found(&stage.engine, "/api/v1/transactions/payment")["refundedAmount"] == "5.00"
    });

    let too_much =
        json!({ "sourceAccountId": "ann", "destinationAccountId": "shop", "amount": "99", "currency": "USD" });
    let failed = stage.ask("RequestTransfer", "transfer", too_much);
    assert_told(&failed, [("type", "TRANSFER"), ("status", "FAILED"), ("errorCode", "INSUFFICIENT_BALANCE")]);
    assert!(legs(&failed).is_empty() && failed["reason"].is_string(), "{test}: {failed}");

    for (filters, wanted) in [
        ("", &["transfer", "refund", "payment", "topup"][..]),
        ("&accountId=ann", &["transfer", "refund", "payment", "topup"]),
        ("&accountId=house", &["payment"]),
        ("&status=FAILED", &["transfer"]),
        ("&status=COMPLETED", &["refund", "payment", "topup"]),
        ("&accountId=shop&status=COMPLETED", &["refund", "payment"]),
        ("&accountId=house&status=FAILED", &[]),
        ("&accountId=nobody", &[]),
    ] {
        assert_eq!(stage.listed(filters), wanted, "{test}: {filters}");
    }
    let missing = stage.promised("/api/v1/transactions/{id}", "/api/v1/transactions/nothing");
    assert_eq!(missing["code"], "TRANSACTION_NOT_FOUND");
    stage.engine.stop();
}

#[test]
fn a_payment_its_partial_refund_and_a_failed_transfer_are_told_as_they_went_from_either_store() {
    let kafka = Kafka::shared();
    for (test, url) in [("pays-sqlite", sqlite("pays")), ("pays-pg", Postgres::shared().database("pays"))] {
        tell_of_payments(kafka, test, &url);
    }
}
