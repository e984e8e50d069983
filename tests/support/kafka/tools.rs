//! Kafka's own command-line tools, as an operator runs them.

use std::time::Duration;

use super::{CURRENT, Distribution, Kafka};
use crate::support::process::{Finished, Process};
use crate::support::scratch;

/// A tool is short-lived: no second compiler, a small heap, warnings only.
const JVM: [&str; 4] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dkafka.logs=WARN"];

/// The tools give up by themselves after a minute without an answer.
const LIMIT: Duration = Duration::from_secs(120);

impl Kafka {
    /// What `kafka-{tool}.sh --bootstrap-server … {args}` says on its standard output.
    ///
    /// # Panics
    /// When the tool fails, with what it said.
    pub fn tool(&self, tool: &str, args: &[&str]) -> String {
        self.try_tool(tool, args, "").expect_success()
    }

    /// The same, with `input` on its standard input, and whatever comes of it.
    ///
    /// # Panics
    /// When the tool does not end.
    pub fn try_tool(&self, tool: &str, args: &[&str], input: &str) -> Finished {
        let container = format!("billing-test-{tool}-{:08x}", rand::random::<u32>());
        let mut command = self.distribution().run(&container, &JVM, class(tool, self.version));
        command.args(["--bootstrap-server", self.address()]).args(args);
        Process::run(&format!("kafka-{tool}.sh"), &command, input, scratch::directory(), LIMIT)
    }

    fn distribution(&self) -> Distribution {
        match &self.own {
            Some(broker) => broker.distribution().clone(),
            None => Distribution::find(CURRENT),
        }
    }
}

/// The class behind `kafka-{tool}.sh`; some moved from the broker's artifact to that of the tools after 3.7.
fn class(tool: &str, version: &str) -> &'static str {
    let old = version.starts_with("3.7");
    match tool {
        "topics" => "org.apache.kafka.tools.TopicCommand",
        "configs" => "kafka.admin.ConfigCommand",
        "console-consumer" if old => "kafka.tools.ConsoleConsumer",
        "console-consumer" => "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "console-producer" if old => "kafka.tools.ConsoleProducer",
        "console-producer" => "org.apache.kafka.tools.ConsoleProducer",
        "consumer-groups" if old => "kafka.admin.ConsumerGroupCommand",
        "consumer-groups" => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "broker-api-versions" if old => "kafka.admin.BrokerApiVersionsCommand",
        "broker-api-versions" => "org.apache.kafka.tools.BrokerApiVersionsCommand",
        "get-offsets" => "org.apache.kafka.tools.GetOffsetShell",
        "delete-records" => "org.apache.kafka.tools.DeleteRecordsCommand",
        "transactions" => "org.apache.kafka.tools.TransactionsCommand",
        other => panic!("no test has needed kafka-{other}.sh so far: name its class here"),
    }
}
