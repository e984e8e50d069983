//! How fast the engine is without a log: decode, actor, decide, apply, encode, on one thread, with the real
//! supervisor and the real actors. And what the steps cost alone.
//!
//! `cargo bench --bench pure_path`

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking; its macros document nothing")]

mod commands;
mod memory;

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, SystemRunner};
use billing_engine::domain::account::Account;
use billing_engine::domain::ids::{CommandId, Timestamp, Version};
use billing_engine::domain::money::Currency;
use billing_engine::domain::{Aggregate, Decision, Recorded, Rules};
use billing_engine::engine::ACCOUNTS;
use billing_engine::log::PerLane;
use billing_engine::metrics::{Metrics, Scope};
use billing_engine::partition::poison::Suspicion;
use billing_engine::partition::{Incarnation, Settings, Start, Supervisor};
use billing_engine::wire::hash::{Null, command_hash};
use billing_engine::wire::json::{Unknown, fields};
use billing_engine::wire::{Outcome, Reply, Request, Source, Trace, command, event};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use tokio::sync::mpsc;

use commands::{Commands, Spread};
use memory::Memory;

/// Commands of one round.
const COMMANDS: usize = 200_000;

const MESSAGE_BYTES: usize = 10 << 20;

fn rules() -> Rules {
    let currencies = ["EUR", "GBP", "USD"].into_iter().filter_map(|code| Currency::new(code, 2)).collect();
    Rules { currencies, idempotency_window: 256, default_hold: Rules::DEFAULT_HOLD }
}

/// A running partition, and the thread it runs on.
struct Bench {
    system: SystemRunner,
    memory: Arc<Memory>,
    commands: Commands,
}

impl Bench {
    /// A partition whose accounts are open.
    fn new(accounts: usize, spread: Spread) -> Self {
        let (system, memory) = (actix::System::new(), Memory::new());
        let mut commands = Commands::new(accounts, spread);
        let start = start(memory.clone());
        let openings = commands.openings(0);
        let written = system.block_on(async {
            Supervisor::<Account>::new(start).start();
            memory.is_followed().await;
            memory.drain(openings).await
        });
        assert_eq!(written, 2 * accounts, "an event and a reply for every account");
        Bench { system, memory, commands }
    }

    /// Processor time to work through [`COMMANDS`] that wait.
    fn round(&mut self) -> Duration {
        let waiting = self.commands.postings(self.memory.end(), COMMANDS);
        let before = on_cpu();
        let written = self.system.block_on(self.memory.drain(waiting));
        let took = on_cpu() - before;
        assert_eq!(written, 2 * COMMANDS, "an event and a reply for every command");
        took
    }
}

/// What this thread has had of a processor, so that whoever shares the machine does not count.
fn on_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

fn start(log: Arc<Memory>) -> Start {
    let clock = Arc::new(|| Timestamp(jiff::Timestamp::now().as_millisecond()));
    let settings = Settings::new("bench", ACCOUNTS, 1, rules(), clock);
    let name = |topic: &str| format!("bench.{topic}");
    let scope = Scope {
        aggregate: "account",
        has_transactions: false,
        group: name("accounts"),
        commands: name("commands"),
        inbox: name("inbox"),
    };
    // Nobody asks how the partition is: every report is lost.
    let (reports, _) = mpsc::unbounded_channel();
    Start {
        log,
        settings: Arc::new(settings),
        shelf: None,
        accepted: PerLane::default(),
        suspicion: Suspicion::default(),
        metrics: Arc::new(Metrics::new().partition(&scope, 0)),
        incarnation: Incarnation { partition: 0, number: 1 },
        reports,
    }
}

fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pure path");
    group.throughput(Throughput::Elements(COMMANDS as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for (name, accounts, spread) in
        [("1,000 accounts, Zipf", 1_000, Spread::Zipf), ("10,000 accounts, uniform", 10_000, Spread::Uniform)]
    {
        let mut bench = Bench::new(accounts, spread);
        group.bench_function(name, |bencher| bencher.iter_custom(|rounds| (0..rounds).map(|_| bench.round()).sum()));
    }
    group.finish();
}

/// One account with a full window, and a posting for it.
struct Sample {
    rules: Rules,
    account: Account,
    value: String,
    request: Request<<Account as Aggregate>::Command>,
}

impl Sample {
    fn new() -> Self {
        let (rules, mut commands) = (rules(), Commands::new(1, Spread::Uniform));
        let mut account = Account::blank(&rules);
        let openings = commands.openings(0);
        let opening = decode(openings[0].get(0).value);
        take(&mut account, &rules, &opening);
        for _ in 0..300 {
            take(&mut account, &rules, &decode(Some(commands.posting().1.as_bytes())));
        }
        let value = commands.posting().1;
        let request = decode(Some(value.as_bytes()));
        Sample { rules, account, value, request }
    }

    fn recorded(&self) -> Recorded<<Account as Aggregate>::Event> {
        next(&self.account, &self.rules, &self.request)
    }
}

fn decode(value: Option<&[u8]>) -> Request<<Account as Aggregate>::Command> {
    command::decode::<Account>(value, MESSAGE_BYTES).unwrap()
}

/// The event that a request makes.
fn next(
    account: &Account,
    rules: &Rules,
    request: &Request<<Account as Aggregate>::Command>,
) -> Recorded<<Account as Aggregate>::Event> {
    let Decision::Accepted(mut events) = account.decide(&request.command, rules, Timestamp(0)) else {
        panic!("every command of the sample is accepted")
    };
    Recorded {
        version: account.version().next(),
        at: Timestamp(1_765_281_600_000),
        command_id: request.command.id.clone(),
        command_hash: request.command.hash,
        correlation_id: request.correlation_id.clone(),
        body: events.remove(0),
    }
}

fn take(account: &mut Account, rules: &Rules, request: &Request<<Account as Aggregate>::Command>) {
    let event = next(account, rules, request);
    account.apply(&event).unwrap();
}

fn steps(criterion: &mut Criterion) {
    let sample = Sample::new();
    let mut group = criterion.benchmark_group("step");
    group.bench_function("decode a command, hash included", |bencher| {
        bencher.iter(|| command::decode::<Account>(black_box(Some(sample.value.as_bytes())), MESSAGE_BYTES));
    });
    let data = &sample.value[sample.value.find(r#"{"amount"#).unwrap()..sample.value.len() - 1];
    let data =
        fields("data", data, ["amount", "currency", "reason", "reference", "metadata"], Unknown::Refused).unwrap();
    group.bench_function("hash its content", |bencher| {
        bencher.iter(|| command_hash(black_box("Credit"), black_box(&data), Null::Absent));
    });
    group.bench_function("decide", |bencher| {
        bencher.iter(|| sample.account.decide(black_box(&sample.request.command), &sample.rules, Timestamp(0)));
    });
    decide_and_apply(&mut group, &sample);
    encode(&mut group, &sample);
    group.finish();
}

type Steps<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn decide_and_apply(group: &mut Steps<'_>, sample: &Sample) {
    let ids: Vec<_> = (0..512).map(|number| CommandId::parse(&format!("command-{number:028}")).unwrap()).collect();
    let (mut account, mut request) = (sample.account.clone(), sample.request.clone());
    let mut ids = ids.iter().cycle();
    group.bench_function("decide and apply", |bencher| {
        bencher.iter(|| {
            request.command.id.clone_from(ids.next().unwrap());
            take(&mut account, &sample.rules, black_box(&request));
        });
    });
}

fn encode(group: &mut Steps<'_>, sample: &Sample) {
    let (request, event) = (&sample.request, sample.recorded());
    let mut out = Vec::with_capacity(4096);
    group.bench_function("encode an event", |bencher| {
        bencher.iter(|| {
            out.clear();
            event::encode_value::<Account>(&mut out, &request.aggregate_id, black_box(&event));
            let source = Source { topic: "billing-engine.account.commands", partition: 0, offset: 1_234_567 };
            event::encode_headers::<Account>(&event, Some(source), Trace::default(), |name, value| {
                out.extend_from_slice(name);
                out.extend_from_slice(value.unwrap_or_default());
            });
            black_box(&mut out);
        });
    });
    group.bench_function("encode a reply", |bencher| {
        bencher.iter(|| {
            out.clear();
            let reply = Reply {
                command_id: &request.command.id,
                command_type: request.command_type,
                aggregate_id: &request.aggregate_id,
                correlation_id: &request.correlation_id,
                outcome: Outcome::Accepted,
                aggregate_version: Version(302),
            };
            black_box(&reply).encode_value(&mut out);
            black_box(&mut out);
        });
    });
}

criterion_group!(benches, whole, steps);
criterion_main!(benches);
