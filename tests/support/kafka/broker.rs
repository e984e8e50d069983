//! One node that is broker and controller in one, on a directory that outlives it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Distribution;
use crate::support::process::Process;
use crate::support::{ports, scratch};

/// Quick to start, small; the second compiler would take the processor from the engine under test.
const JVM: [&str; 5] = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dkafka.logs=INFO"];

/// How long an orderly stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A node, running or not.
#[derive(Debug)]
pub struct Broker {
    distribution: Distribution,
    name: String,
    directory: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
}

impl Broker {
    /// A new node with an empty log, not started yet.
    ///
    /// # Panics
    /// When its directory cannot be written.
    pub fn new(distribution: Distribution) -> Broker {
        let port = ports::free();
        let name = format!("billing-test-kafka-{port}");
        let directory = scratch::directory().join(&name);
        fs::create_dir_all(&directory).expect("the broker's directory can be made");
        let broker = Broker { distribution, name, directory, port, process: Mutex::new(None) };
        fs::write(broker.settings(), broker.properties(ports::free())).expect("the broker's settings can be written");
        broker.format();
        broker
    }

    /// What clients connect to.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its classes come from.
    pub fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    /// Starts the process; it takes a moment until it answers.
    ///
    /// # Panics
    /// When it runs already.
    pub fn start(&self) {
        let mut process = self.process();
        assert!(process.is_none(), "{} runs already", self.name);
        let mut command = self.distribution.run(&self.name, &JVM, "kafka.Kafka");
        command.arg(self.settings());
        let log = self.directory.join("server.log");
        *process = Some(Process::start_with_farewell(&self.name, &command, &log, &self.farewell()));
    }

    /// Fails at once, with its log, where waiting would only fail later.
    ///
    /// # Panics
    /// When it has ended by itself.
    pub fn check_that_it_runs(&self) {
        let code = self.process().as_mut().expect("it was started").exit_code();
        assert!(code.is_none(), "{} ended by itself with {code:?}; see {}", self.name, self.directory.display());
    }

    /// SIGTERM, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go.
    pub fn stop(&self) {
        let mut process = self.process().take().expect("it was started");
        process.signal(Signal::SIGTERM);
        process.wait(STOP_LIMIT);
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go.
    pub fn kill9(&self) {
        let mut process = self.process().take().expect("it was started");
        match &self.distribution {
            Distribution::Jars { .. } => process.kill9(),
            // The process is only Docker's client; the container's end ends it.
            Distribution::Image { .. } => {
                let killed = Command::new("docker").args(["kill", &self.name]).output().expect("docker runs");
                assert!(killed.status.success(), "docker cannot kill {}: {killed:?}", self.name);
                process.wait(STOP_LIMIT);
            }
        }
    }

    /// A container does not end with Docker's client, it has to be told.
    fn farewell(&self) -> String {
        match &self.distribution {
            Distribution::Jars { .. } => String::new(),
            Distribution::Image { .. } => format!("docker kill {}", self.name),
        }
    }

    fn format(&self) {
        let mut format = self.distribution.run(&self.name, &["-Dkafka.logs=ERROR"], "kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", "YmlsbGluZy1lbmdpbmUtdA", "--config"]).arg(self.settings());
        let output = format.output().expect("java runs");
        assert!(output.status.success(), "cannot format the log of {}: {output:?}", self.name);
    }

    fn settings(&self) -> PathBuf {
        self.directory.join("server.properties")
    }

    /// One replica and few partitions of everything, no waiting for members that will not come, and a restart after
    /// SIGKILL that does not sit out the 9 seconds of the default session.
    fn properties(&self, controller_port: u16) -> String {
        let port = self.port;
        let data = self.directory.join("data");
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=PLAINTEXT\n\
             log.dirs={data}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=4\n\
             group.initial.rebalance.delay.ms=0\n\
             message.max.bytes=10485760\n\
             replica.fetch.max.bytes=10485760\n\
             log.cleaner.dedupe.buffer.size=4194304\n\
             num.network.threads=2\n\
             num.io.threads=4\n\
             background.threads=2\n\
             broker.session.timeout.ms=6000\n\
             broker.heartbeat.interval.ms=500\n",
            data = data.display()
        )
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that failed while it held the lock left the process as it was.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
