//! `snapshots list | verify | drop`, beside a log of their own.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use billing_engine::domain::account::{Account, AccountEvent, LimitsChanged};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId};
use billing_engine::domain::money::Currencies;
use billing_engine::domain::transaction::Transaction;
use billing_engine::domain::{Aggregate, Recorded, Rules};
use billing_engine::engine::{ACCOUNTS, TRANSACTIONS};
use billing_engine::log::Spec;
use billing_engine::log::embedded::Embedded;
use billing_engine::snapshots::{Key, Shelves, Store};
use billing_engine::wire;
use billing_engine::wire::message::Mail;
use billing_engine::wire::snapshot::{
    Appointment, Conditions, LastEvent, Position, Sources, encode_position, encode_value,
};

use super::stage::{payment, transfer};
use super::*;

const PARTITIONS: u32 = 3;
const CACHE: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();
const CONDITIONS: Conditions = Conditions { partitions: PARTITIONS, window: 256 };

/// A log with the history of some accounts, and a place for snapshots.
struct Stage {
    desk: Desk,
    log: String,
    data: PathBuf,
}

/// An aggregate at each of its versions, with what caused it.
type Lives<A> = BTreeMap<AggregateId, Vec<(A, Sources)>>;

/// One partition as an engine would have it.
struct Folded<A = Account> {
    lives: Lives<A>,
    end: i64,
    last_event: Option<LastEvent>,
    sources: Sources,
}

impl Stage {
    fn new() -> Self {
        let desk = Desk::new();
        let log = desk.path().join("log").to_str().unwrap().to_owned();
        let data = desk.path().join("data");
        let desk = desk.with("BILLING__DATA_DIR", data.to_str().unwrap());
        let demo = ["demo", "--dir", &log, "--accounts", "12", "--commands", "400", "--kills", "0", "--json"];
        desk.run(&demo).expect_success();
        Stage { desk, log, data }
    }

    /// One customer's payment waits for its capture, and the other's transfer is under way.
    fn with_something_to_come() -> Self {
        let mut stage = super::stage::Stage::new();
        stage.town.run("p-1", "AuthorizePayment", payment("30.00"));
        stage.town.ask("t-1", "RequestTransfer", transfer("5.00"));
        stage.town.write(&stage.log);
        let data = stage.desk.path().join("data");
        Stage { desk: stage.desk, log: stage.log, data }
    }

    #[tokio::main(flavor = "current_thread")]
    async fn fold<A: Mail + Clone>(&self, spec: Spec, partition: u32) -> Folded<A> {
        let log = Embedded::open(self.log.as_ref(), PARTITIONS).unwrap();
        let client = log.client();
        let rules =
            Rules { currencies: Currencies::default(), idempotency_window: 256, default_hold: Rules::DEFAULT_HOLD };
        let bounds = client.bounds(spec.events, partition).await.unwrap();
        let mut folded = Folded { lives: Lives::new(), end: bounds.end, last_event: None, sources: Sources::default() };
        let mut chunks = client.read(spec.events, partition, bounds);
        while let Some(chunk) = chunks.recv().await {
            for record in chunk.unwrap().iter() {
                let event = wire::event::decode::<A>(record.value, record.headers.iter()).unwrap();
                let life = folded.lives.entry(event.aggregate_id).or_default();
                let blank = || (A::blank(&rules), Sources::default());
                let (mut state, mut sources) = life.last().cloned().unwrap_or_else(blank);
                state.apply(&event.recorded).unwrap();
                if let Some(source) = event.source {
                    for sources in [&mut sources, &mut folded.sources] {
                        let is_leg = source.topic.ends_with(".inbox");
                        let lane = if is_leg { &mut sources.inbox } else { &mut sources.commands };
                        *lane = Some(source.offset);
                    }
                }
                folded.last_event = Some(LastEvent::of(record.offset, record.key, record.value));
                life.push((state, sources));
            }
        }
        folded
    }

    /// Snapshots of every account as it is now.
    fn take(&self) -> BTreeMap<u32, Folded> {
        self.take_all(ACCOUNTS)
    }

    fn take_all<A: Mail + Clone>(&self, spec: Spec) -> BTreeMap<u32, Folded<A>> {
        let folded: BTreeMap<u32, Folded<A>> =
            (0..PARTITIONS).map(|partition| (partition, self.fold(spec, partition))).collect();
        for (partition, folded) in &folded {
            let values = folded.lives.iter().map(|(id, life)| value(id, life.last().unwrap())).collect();
            self.save_of::<A>(*partition, values, Some(&position(folded)));
        }
        folded
    }

    fn save(&self, partition: u32, values: Vec<(Key, Vec<u8>)>, position: Option<&Position>) {
        self.save_of::<Account>(partition, values, position);
    }

    #[tokio::main(flavor = "current_thread")]
    async fn save_of<A: Mail>(&self, partition: u32, values: Vec<(Key, Vec<u8>)>, position: Option<&Position>) {
        let store = Store::open(&self.data, CACHE, Box::new(|| ())).unwrap();
        let shelf = store.shelf(A::AGGREGATE, partition);
        shelf.save(values).await.unwrap();
        if let Some(position) = position {
            let mut bytes = Vec::new();
            encode_position::<A>(&mut bytes, position);
            shelf.settle(bytes).await.unwrap();
        }
    }

    #[tokio::main(flavor = "current_thread")]
    async fn clear(&self, partition: u32) {
        let store = Store::open(&self.data, CACHE, Box::new(|| ())).unwrap();
        store.shelf("account", partition).clear().await.unwrap();
    }

    /// `snapshots verify`: its code and its finding.
    fn verify(&self) -> (i32, Value) {
        let finished = self.desk.run(&["snapshots", "verify", "--dir", &self.log, "--json"]);
        assert_eq!(finished.errors, "");
        (finished.code, lines(&finished.output)[0].clone())
    }

    /// The one difference that `snapshots verify` finds.
    fn difference(&self) -> Value {
        let (code, found) = self.verify();
        let differences = found["differences"].as_array().unwrap();
        assert_eq!((code, differences.len()), (1, 1), "{found}");
        differences[0].clone()
    }
}

fn value<A: Mail>(id: &AggregateId, (state, sources): &(A, Sources)) -> (Key, Vec<u8>) {
    let mut bytes = Vec::new();
    encode_value(&mut bytes, id, state, *sources, CONDITIONS);
    (id.as_str().as_bytes().into(), bytes)
}

fn position<A: Mail>(folded: &Folded<A>) -> Position {
    let appointment = |(id, life): (&AggregateId, &Vec<(A, Sources)>)| {
        let (state, _) = life.last()?;
        let (next_expiry, is_open) = (state.next_expiry().map(|time| time.0), state.is_open());
        (next_expiry.is_some() || is_open).then(|| Appointment { id: id.to_string(), next_expiry, is_open })
    };
    Position {
        covered: folded.end,
        sources: folded.sources,
        aggregates: folded.lives.len() as u64,
        last_event: folded.last_event,
        agenda: folded.lives.iter().filter_map(appointment).collect(),
        conditions: CONDITIONS,
        identity: "of no concern".to_owned(),
        generation: None,
    }
}

#[test]
fn snapshots_that_are_what_the_log_says_are_listed_verified_and_dropped() {
    let stage = Stage::new();
    let nothing = json!({ "ok": true, "checked": 0, "untrusted": 0, "differences": [] });
    assert_eq!(stage.verify(), (0, nothing));
    assert_eq!(stage.desk.run(&["snapshots", "list", "--json"]).expect_success(), "");
    assert!(!stage.data.exists(), "looking makes nothing");

    let taken = stage.take();
    assert_eq!(stage.verify(), (0, json!({ "ok": true, "checked": 12, "untrusted": 0, "differences": [] })));
    let text = stage.desk.run(&["snapshots", "verify", "--dir", &stage.log]).expect_success();
    assert_eq!(text, "12 snapshots are what the log says\n");

    let rows = lines(&stage.desk.run(&["snapshots", "list", "--json"]).expect_success());
    assert_eq!(rows.len(), 3);
    for (row, (partition, folded)) in rows.iter().zip(&taken) {
        let bytes: usize = folded.lives.iter().map(|(id, life)| value(id, life.last().unwrap()).1.len()).sum();
        let expected = json!({
            "aggregate": "account", "partition": partition, "values": folded.lives.len(), "bytes": bytes,
            "coveredOffset": folded.end, "state": "sound",
        });
        assert_eq!(*row, expected);
    }
    let table = stage.desk.run(&["snapshots", "list"]).expect_success();
    assert!(table.lines().count() == 4 && table.contains("COVERED OFFSET") && table.contains("sound"), "{table}");

    let dropped = lines(&stage.desk.run(&["snapshots", "drop", "--json"]).expect_success())[0].clone();
    assert_eq!((&dropped["removed"], dropped["shelves"].as_array().unwrap().len()), (&json!(true), 3));
    assert_eq!(stage.desk.run(&["snapshots", "list", "--json"]).expect_success(), "");
    let again = stage.desk.run(&["snapshots", "drop"]).expect_success();
    assert!(again.contains("there are no snapshots in"), "{again}");
}

#[test]
fn a_snapshot_may_be_newer_than_the_position_and_never_older_or_ahead_of_the_log() {
    let stage = Stage::new();
    let folded = &stage.take()[&1];
    let (id, life) = folded.lives.iter().max_by_key(|(_, life)| life.len()).unwrap();
    let older = &life[life.len() / 2];

    // The position speaks of one event, and every snapshot is newer.
    let early = Position { covered: 1, aggregates: 1, last_event: None, ..position(folded) };
    stage.save(1, vec![], Some(&early));
    assert_eq!(stage.verify().0, 0);

    stage.save(1, vec![value(id, older)], Some(&position(folded)));
    let difference = stage.difference();
    assert_eq!((&difference["kind"], &difference["id"]), (&json!("behind"), &json!(id.as_str())));

    let mut ahead = life.last().unwrap().clone();
    ahead.0.apply(&never_happened(&ahead.0)).unwrap();
    stage.save(1, vec![value(id, &ahead)], None);
    let difference = stage.difference();
    assert_eq!((&difference["kind"], &difference["id"]), (&json!("ahead"), &json!(id.as_str())));
    assert!(difference["found"].as_str().unwrap().contains(&format!("version {}", life.len() + 1)), "{difference}");
}

/// An event that the account could have, and has not.
fn never_happened(account: &Account) -> Recorded<AccountEvent> {
    let limits = LimitsChanged {
        previous_min_balance: None,
        previous_max_balance: None,
        new_min_balance: None,
        new_max_balance: None,
    };
    Recorded {
        version: account.version().next(),
        at: account.last_at(),
        command_id: CommandId::parse("never").unwrap(),
        command_hash: CommandHash([0; 16]),
        correlation_id: CorrelationId::parse("never").unwrap(),
        body: AccountEvent::LimitsChanged(limits),
    }
}

#[test]
fn whatever_is_not_as_the_log_says_is_named_and_ends_with_1() {
    let stage = Stage::new();
    let taken = stage.take();
    let folded = &taken[&0];
    let (id, life) = folded.lives.first_key_value().unwrap();
    let right = value(id, life.last().unwrap());
    let (account, sources) = life.last().unwrap().clone();
    let kind = |difference: &Value| difference["kind"].as_str().unwrap().to_owned();

    let wrong_source = Sources { commands: sources.commands.map(|offset| offset + 1), ..sources };
    stage.save(0, vec![value(id, &(account, wrong_source))], None);
    let difference = stage.difference();
    assert_eq!((kind(&difference), &difference["id"]), ("different".to_owned(), &json!(id.as_str())));
    assert!(difference["expected"].as_str().unwrap().contains("caused by commands up to"), "{difference}");

    let mut flipped = right.clone();
    *flipped.1.last_mut().unwrap() ^= 1;
    stage.save(0, vec![flipped], None);
    assert_eq!(kind(&stage.difference()), "damaged");
    let people = stage.desk.run(&["snapshots", "verify", "--dir", &stage.log]);
    assert_eq!(people.code, 1);
    assert!(people.output.contains("1 differences") && people.output.contains(id.as_str()), "{}", people.output);

    stage.save(0, vec![right.clone()], None);
    assert_eq!(stage.verify().0, 0);

    stage.clear(0);
    let rest = folded.lives.iter().skip(1).map(|(id, life)| value(id, life.last().unwrap())).collect();
    stage.save(0, rest, Some(&position(folded)));
    let difference = stage.difference();
    assert_eq!((kind(&difference), &difference["id"]), ("missing".to_owned(), &json!(id.as_str())));
    stage.save(0, vec![right], None);

    for (position, found) in [
        (Position { covered: folded.end + 1, ..position(folded) }, "covered offset"),
        (Position { aggregates: 99, ..position(folded) }, "99 accounts"),
        (Position { sources: Sources::default(), ..position(folded) }, "commands up to none"),
        (
            Position { last_event: Some(LastEvent { crc32: 0, ..folded.last_event.unwrap() }), ..position(folded) },
            "00000000",
        ),
    ] {
        stage.save(0, vec![], Some(&position));
        let difference = stage.difference();
        assert_eq!((kind(&difference), &difference["id"]), ("position".to_owned(), &Value::Null));
        assert!(difference["found"].as_str().unwrap().contains(found), "{difference}");
    }
    let outdated = Conditions { window: 17, ..CONDITIONS };
    stage.save(0, vec![], Some(&Position { conditions: outdated, ..position(folded) }));
    assert_eq!(kind(&stage.difference()), "outdated");
}

#[test]
fn what_is_to_come_has_to_be_what_the_position_says() {
    let stage = Stage::with_something_to_come();
    let (accounts, transactions) = (stage.take_all::<Account>(ACCOUNTS), stage.take_all::<Transaction>(TRANSACTIONS));
    let (code, found) = stage.verify();
    assert_eq!((code, &found["differences"]), (0, &json!([])));
    let appointed = |partition: u32| accounts.get(&partition).map(position).filter(|found| !found.agenda.is_empty());
    let (home, right) = (0..PARTITIONS).find_map(|partition| Some((partition, appointed(partition)?))).unwrap();
    let held = right.agenda[0].clone();
    let later = Appointment { next_expiry: held.next_expiry.map(|time| time + 1), ..held.clone() };
    let stranger = Appointment { id: "stranger".to_owned(), ..held.clone() };
    for (agenda, id, expected, found) in [
        (vec![], "ann", "something ends at 2025-12-16T12:00:00.000Z", "nothing is to come"),
        (vec![later], "ann", "12:00:00.000Z", "12:00:00.001Z"),
        (vec![held.clone(), stranger], "stranger", "nothing is to come", "something ends at"),
        (vec![Appointment { is_open: true, ..held.clone() }], "ann", "something ends", "a message is under way"),
        (vec![held.clone(), held.clone()], "ann", "something ends", "and more"),
        (vec![held, empty("bob")], "bob", "nothing is to come", "nothing is to come"),
    ] {
        stage.save(home, vec![], Some(&Position { agenda, ..right.clone() }));
        let difference = stage.difference();
        assert_eq!((&difference["kind"], &difference["id"]), (&json!("agenda"), &json!(id)));
        let told = |side: &str| difference[side].as_str().unwrap().to_owned();
        assert!(told("expected").contains(expected) && told("found").contains(found), "{difference}");
    }
    stage.save(home, vec![], Some(&right));
    let (home, moving) = transactions.iter().find(|(_, folded)| folded.lives.contains_key(&named("t-1"))).unwrap();
    let right = position(moving);
    let rest = right.agenda.iter().filter(|appointment| appointment.id != "t-1").cloned().collect();
    stage.save_of::<Transaction>(*home, vec![], Some(&Position { agenda: rest, ..right }));
    let difference = stage.difference();
    let told = (&difference["kind"], &difference["id"], &difference["expected"]);
    assert_eq!(told, (&json!("agenda"), &json!("t-1"), &json!("a message is under way")));
}

#[test]
fn what_is_to_come_may_be_what_it_was_at_the_position_or_became_since() {
    let stage = Stage::with_something_to_come();
    let taken = stage.take_all::<Account>(ACCOUNTS);
    let (home, folded) = taken.iter().find(|(_, folded)| folded.lives.contains_key(&named("ann"))).unwrap();
    // Before the hold, which the snapshot has.
    let early = Position { covered: 0, aggregates: 0, last_event: None, ..position(folded) };
    for (agenda, code) in [(early.agenda.clone(), 0), (vec![], 0), (vec![empty("ann")], 1)] {
        stage.save(*home, vec![], Some(&Position { agenda, ..early.clone() }));
        assert_eq!(stage.verify().0, code);
    }
}

fn named(id: &str) -> AggregateId {
    AggregateId::parse(id).unwrap()
}

fn empty(id: &str) -> Appointment {
    Appointment { id: id.to_owned(), next_expiry: None, is_open: false }
}

#[test]
fn snapshots_that_nothing_speaks_for_are_counted_and_not_compared() {
    let stage = Stage::new();
    let folded = &stage.take()[&2];
    stage.clear(2);
    let (id, _) = folded.lives.first_key_value().unwrap();
    stage.save(2, vec![(id.as_str().as_bytes().into(), b"anything".to_vec())], None);
    let (code, found) = stage.verify();
    assert_eq!((code, &found["untrusted"], &found["differences"]), (0, &json!(1), &json!([])));
    let rows = lines(&stage.desk.run(&["snapshots", "list", "--json"]).expect_success());
    assert_eq!((&rows[2]["coveredOffset"], &rows[2]["state"]), (&Value::Null, &json!("without a position")));
}

#[test]
fn snapshots_of_an_engine_that_runs_are_left_alone() {
    let stage = Stage::new();
    stage.take();
    let store = Store::open(&stage.data, CACHE, Box::new(|| ())).unwrap();
    for words in ["snapshots list", "snapshots verify", "snapshots drop"] {
        let finished = stage.desk.run(&[split(words), vec!["--json"]].concat());
        assert_eq!(finished.code, 78, "{words}: {}", finished.errors);
        assert!(told(&finished).1.contains("an engine runs on the snapshots in"), "{}", finished.errors);
    }
    drop(store);
    assert_eq!(stage.verify().1["checked"], 12);
    let without = Desk::new().with("BILLING__DATA_DIR", "");
    let finished = without.run(&["snapshots", "list", "--json"]);
    assert_eq!((finished.code, told(&finished).0.as_str()), (1, "NOT_FOUND"));
}
