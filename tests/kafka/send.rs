//! What the command line does with transactions on a real Kafka, where the test plays the engine.

use std::thread;
use std::time::Duration;

use rand::distr::Alphanumeric;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::auditor::reading;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::process::Finished;
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// Seconds without an answer, after which a command is unanswered.
const PATIENCE: &str = "8";

/// For a command to arrive.
const LIMIT: Duration = Duration::from_secs(60);

fn command(command_type: &str, aggregate_id: &str) -> String {
    json!({ "commandType": command_type, "commandId": "c-1", "aggregateId": aggregate_id, "data": {} }).to_string()
}

fn reply(command_type: &str, aggregate_id: &str, outcome: &str) -> Value {
    json!({
        "commandId": "c-1", "commandType": command_type, "aggregateId": aggregate_id, "correlationId": "c-1",
        "outcome": outcome, "aggregateVersion": 1,
    })
}

/// What an engine answers.
struct Answers {
    setup: Setup,
    replies: Upstream,
    dead_letters: Upstream,
}

impl Answers {
    fn new(kafka: &Kafka, setup: &Setup) -> Self {
        let writer = |topic: &str| Upstream::new(kafka, &setup.topic(topic), Partitioner::Murmur2);
        Answers { setup: setup.clone(), replies: writer("replies"), dead_letters: writer("dead-letters") }
    }

    fn reply(&self, replies: &[Value]) {
        replies.iter().for_each(|reply| self.replies.send(reply));
        self.replies.flush();
    }

    fn bury(&self, topic: &str, value: &str) {
        let topic = self.setup.topic(topic);
        let headers = [("billing.dlq.topic", topic.as_bytes()), ("billing.dlq.reason", b"MALFORMED")];
        self.dead_letters.send_raw(None, Some(value.as_bytes()), &headers);
        self.dead_letters.flush();
    }
}

/// `send --wait` of these lines, and `engine` once so many of them have arrived.
fn sent(kafka: &Kafka, setup: &Setup, lines: &[String], arrive: usize, engine: impl FnOnce()) -> Finished {
    let words = ["send", "-", "--wait", "--json", "--timeout", PATIENCE];
    thread::scope(|scope| {
        let sending = scope.spawn(|| setup.call(&words, &lines.join("\n")));
        wait::until_true("the commands to arrive", LIMIT, || {
            let topics = ["account.commands", "transaction.commands"];
            topics.iter().map(|topic| reading::all(kafka, &setup.topic(topic)).len()).sum::<usize>() == arrive
        });
        engine();
        sending.join().expect("the command ends")
    })
}

#[test]
fn send_waits_for_every_answer_and_for_the_final_one_of_what_was_accepted() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "sent").with_topics();
    let answers = Answers::new(kafka, &setup);
    let ids = ["t-1", "t-2", "t-3", "t-4"];
    let malformed = command("RequestRefund", "t-5");
    let mut lines: Vec<_> = ids.iter().map(|id| command("RequestTransfer", id)).collect();
    // More than the topic takes, however it is compressed, and less than a client would refuse by itself.
    let too_long = StdRng::seed_from_u64(59).sample_iter(Alphanumeric).take(15 << 20).map(char::from).collect();
    lines.extend([command("Credit", "t-1"), too_long, malformed.clone(), "not json".to_owned()]);

    let of = |id, outcome| reply("RequestTransfer", id, outcome);
    let first = [of("t-1", "ACCEPTED"), of("t-2", "REJECTED"), of("t-3", "DUPLICATE"), of("t-4", "ACCEPTED")];
    let credited = reply("Credit", "t-1", "ACCEPTED");
    let last = [of("t-4", "FAILED"), of("t-1", "COMPLETED")];
    let finished = sent(kafka, &setup, &lines, 7, || {
        answers.reply(&[of("t-9", "ACCEPTED"), of("t-1", "COMPLETED"), of("t-4", "COMPENSATED")]);
        answers.bury("account.commands", &malformed);
        answers.reply(&first);
        answers.reply(&[credited.clone(), of("t-2", "FAILED"), of("t-1", "ACCEPTED")]);
        answers.bury("transaction.commands", &malformed);
        answers.bury("account.commands", "not json");
        answers.reply(&last);
    });
    assert_eq!(finished.code, 1, "a line was left out: {}{}", finished.output, finished.errors);
    let mut told: Vec<Value> = finished.output.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let faults: Vec<_> = told.extract_if(.., |line| !line["line"].is_null()).collect();
    let faults: Vec<_> = faults.iter().map(|fault| (fault["line"].as_u64(), fault["sent"].as_bool())).collect();
    assert_eq!(faults, [(Some(6), Some(false)), (Some(8), Some(true))]);
    let buried: Vec<_> = told.extract_if(.., |line| !line["deadLetter"].is_null()).collect();
    let buried: Vec<_> = buried.iter().map(|dead| &dead["deadLetter"]["billing.dlq.topic"]).collect();
    let expected = ["transaction.commands", "account.commands"].map(|topic| json!(setup.topic(topic)));
    assert!(buried.len() == 2 && expected.iter().all(|topic| buried.contains(&topic)), "{buried:?}");
    let by_text = |replies: &mut Vec<Value>| replies.sort_by_key(Value::to_string);
    let mut expected = [&first[..], &[credited], &last].concat();
    by_text(&mut expected);
    by_text(&mut told);
    assert_eq!(told, expected, "each once, and none that nobody waits for");
}

#[test]
fn a_transaction_that_does_not_end_is_unanswered() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "endless").with_topics();
    let answers = Answers::new(kafka, &setup);
    let lines = [command("RequestTopup", "t-1"), command("RequestTopup", "t-2")];
    let finished = sent(kafka, &setup, &lines, 2, || answers.reply(&[reply("RequestTopup", "t-1", "ACCEPTED")]));
    let failure: Value = serde_json::from_str(&finished.errors).expect(&finished.errors);
    assert_eq!((finished.code, &failure["error"]["code"]), (1, &json!("UNANSWERED")));
    let message = failure["error"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("1 commands are unanswered and 1 transactions have not ended"), "{message}");
}

#[test]
fn transactions_and_accounts_are_read_from_the_topics() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "told").with_topics();
    let asked = json!({
        "eventType": "TransferRequested", "aggregateId": "t-1", "aggregateVersion": 1,
        "timestamp": "2025-12-09T12:00:00.000Z", "correlationId": "c-1", "causationId": "c-1",
        "data": {
            "sourceAccountId": "acc-1", "destinationAccountId": "acc-2", "amount": "1.00", "currency": "USD",
            "idempotencyKey": "c-1",
        },
    });
    let hash = [("commandHash", b"00112233445566778899aabbccddeeff".as_slice())];
    let events = Upstream::new(kafka, &setup.topic("transaction.events"), Partitioner::Murmur2);
    events.send_raw(Some("t-1"), Some(asked.to_string().as_bytes()), &hash);
    events.flush();

    let shown = setup.call(&["transaction", "show", "t-1", "--json"], "").expect_success();
    let shown: Value = serde_json::from_str(&shown).expect(&shown);
    let expected = json!({
        "transactionId": "t-1", "type": "TRANSFER", "status": "REQUESTED", "version": 1, "events": [asked], "legs": [],
    });
    assert_eq!(shown, expected);
    let listed = setup.call(&["transaction", "list", "--stuck", "5m", "--json"], "").expect_success();
    assert!(listed.lines().count() == 1 && listed.contains("\"transactionId\":\"t-1\""), "{listed}");
    let balance = setup.call(&["account", "balance", "acc-1", "--json"], "");
    assert!(balance.code == 1 && balance.errors.contains("NOT_FOUND"), "{}", balance.errors);
}
