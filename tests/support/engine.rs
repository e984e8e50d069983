//! The built engine as a process.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::auditor::offsets::Offsets;
use super::http::{self, Response};
use super::kafka::Kafka;
use super::process::{Finished, Process};
use super::{ports, scratch, wait};

/// How long an engine may take until it is ready: it replays its whole log in an unoptimised build.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// How long a command other than `run` may take; its own limit for a broker that does not answer is 30 seconds.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to catch a transaction while it is open.
const CATCH_LIMIT: Duration = Duration::from_secs(60);

/// How long draining may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What one instance keeps from one start to the next: configuration, directory, port.
#[derive(Clone, Debug)]
pub struct Setup {
    prefix: String,
    instance: String,
    port: u16,
    directory: PathBuf,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Setup {
    /// The first engine of a test, on topics of its own, which are not there yet.
    ///
    /// # Panics
    /// When its directory cannot be made.
    pub fn new(kafka: &Kafka, test: &str) -> Setup {
        let prefix = kafka.prefix(test);
        let setup = Setup {
            directory: scratch::directory().join(&prefix),
            instance: String::new(),
            port: 0,
            environment: vec![
                ("BILLING__KAFKA__BROKERS".into(), kafka.address().into()),
                ("BILLING__TOPICS__PREFIX".into(), prefix.clone()),
            ],
            arguments: Vec::new(),
            prefix,
        };
        setup.another("one")
    }

    /// A second engine in the same group.
    ///
    /// # Panics
    /// As [`Setup::new`].
    #[must_use]
    pub fn another(&self, instance: &str) -> Setup {
        let port = ports::free();
        let directory = scratch::directory().join(&self.prefix).join(instance);
        fs::create_dir_all(&directory).expect("the engine's directory can be made");
        let other = Setup { instance: instance.into(), port, directory, ..self.clone() };
        let data = other.data().to_str().expect("a path of plain characters").to_owned();
        let other = other.with("BILLING__DATA_DIR", &data);
        other.with("BILLING__INSTANCE_ID", instance).with("BILLING__HTTP__LISTEN", &format!("127.0.0.1:{port}"))
    }

    /// With one more variable in its environment, over what it has.
    #[must_use]
    pub fn with(mut self, variable: &str, value: &str) -> Setup {
        self.environment.retain(|(name, _)| name != variable);
        self.environment.push((variable.into(), value.into()));
        self
    }

    /// With these arguments behind `run`.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &[String]) -> Setup {
        self.arguments = arguments.to_vec();
        self
    }

    /// What its topics and groups begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where it keeps its snapshots.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// `{prefix}.{rest}`.
    pub fn topic(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    /// `topics ensure`, which must do.
    ///
    /// # Panics
    /// When it does not exit with 0.
    #[must_use]
    pub fn with_topics(self) -> Setup {
        self.call(&["topics", "ensure"], "").expect_success();
        self
    }

    /// One command of `billing-engine`, to its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn call(&self, arguments: &[&str], input: &str) -> Finished {
        let mut command = self.command();
        command.args(arguments);
        Process::run("billing-engine", &command, input, &self.directory, CALL_LIMIT)
    }

    /// `run`, which may or may not become ready.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&self) -> Engine {
        let mut command = self.command();
        command.arg("run").args(&self.arguments);
        let log = self.directory.join("log");
        let name = format!("engine {} of {}", self.instance, self.prefix);
        Engine { process: Process::start(&name, &command, &log), port: self.port, name }
    }

    /// `run`, and waits until it is ready.
    ///
    /// # Panics
    /// When it ends or does not become ready.
    pub fn start(&self) -> Engine {
        let mut engine = self.spawn();
        engine.wait_until_ready();
        engine
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billing-engine"));
        for (inherited, _) in env::vars_os() {
            if inherited.to_string_lossy().starts_with("BILLING_") {
                command.env_remove(inherited);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running engine. It is killed when it is dropped; when the test has failed, the end of its log is shown.
#[derive(Debug)]
pub struct Engine {
    process: Process,
    port: u16,
    name: String,
}

impl Engine {
    /// Waits until `/healthz/ready` says 200.
    ///
    /// # Panics
    /// When it ends or does not become ready.
    pub fn wait_until_ready(&mut self) {
        let what = format!("{} to be ready", self.name);
        wait::until_true(&what, READY_LIMIT, || {
            self.assert_runs();
            self.is_ready()
        });
    }

    /// Whether `/healthz/ready` says 200 now.
    pub fn is_ready(&self) -> bool {
        self.get("/healthz/ready").is_some_and(|answer| answer.status == 200)
    }

    /// GET from its listener.
    pub fn get(&self, path: &str) -> Option<Response> {
        http::get(self.port, path)
    }

    /// Where its listener is.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// POST to its listener.
    pub fn post(&self, path: &str) -> Option<Response> {
        http::post(self.port, path)
    }

    /// Sum of a metric's series whose labels contain all of `labels` (such as `state="running"`); none counts as 0.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.get("/metrics").map(|answer| answer.body).unwrap_or_default();
        page.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// How many partitions of accounts it runs.
    pub fn running_partitions(&self) -> f64 {
        self.metric("billing_partition_state", &["state=\"running\"", "aggregate=\"account\""])
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go.
    pub fn kill9(mut self) {
        self.process.kill9();
    }

    /// SIGTERM, which must drain and end with 0.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(mut self) {
        self.terminate();
        let code = self.wait(STOP_LIMIT);
        assert_eq!(code, 0, "{} was asked to stop", self.name);
    }

    /// SIGTERM alone.
    pub fn terminate(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// SIGSTOP: it does nothing more, and does not know.
    pub fn pause(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// SIGSTOP while a transaction of its is open.
    ///
    /// # Panics
    /// When none can be caught.
    pub fn pause_in_transaction(&mut self, offsets: &Offsets) {
        wait::until_true("an open transaction", CATCH_LIMIT, || {
            self.assert_runs();
            self.pause();
            let caught = offsets.transaction_is_open();
            if !caught {
                self.resume();
            }
            caught
        });
    }

    /// # Panics
    /// When it has ended by itself.
    pub fn assert_runs(&mut self) {
        let code = self.exit_code();
        assert!(code.is_none(), "{} ended by itself with {code:?}", self.name);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Its exit code, if it has ended.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.exit_code()
    }

    /// Waits for its end, and returns its exit code.
    ///
    /// # Panics
    /// When it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> i32 {
        self.process.wait(limit)
    }

    /// All that this instance has logged, of earlier starts too.
    pub fn log(&self) -> String {
        self.process.output()
    }
}
