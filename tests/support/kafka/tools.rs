//! Kafka's own command-line tools, as an operator runs them.

use std::io::Write;
use std::process::{Output, Stdio};

use super::{CURRENT, Distribution, Kafka};

/// A tool is short-lived: no second compiler, a small heap, warnings only.
const JVM: [&str; 4] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dkafka.logs=WARN"];

impl Kafka {
    /// What `kafka-{tool}.sh --bootstrap-server … {args}` says on its standard output.
    ///
    /// # Panics
    /// When the tool fails, with what it said.
    pub fn tool(&self, tool: &str, args: &[&str]) -> String {
        self.tool_with_input(tool, args, "")
    }

    /// The same, with `input` on its standard input.
    ///
    /// # Panics
    /// As [`Kafka::tool`].
    pub fn tool_with_input(&self, tool: &str, args: &[&str], input: &str) -> String {
        let output = self.try_tool(tool, args, input);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kafka-{tool}.sh {args:?} failed: {}\n{said}{complained}", output.status);
        said
    }

    /// The same, whatever comes of it.
    ///
    /// # Panics
    /// When Java does not start.
    pub fn try_tool(&self, tool: &str, args: &[&str], input: &str) -> Output {
        let name = format!("billing-test-{tool}-{:08x}", rand::random::<u32>());
        let mut command = self.distribution().run(&name, &JVM, class(tool, self.version));
        command.args(["--bootstrap-server", self.address()]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("java starts");
        let mut stdin = child.stdin.take().expect("the tool's standard input");
        // A tool that does not read its input may be gone before it is written.
        let written = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the tool ends");
        assert!(written.is_ok() || !output.status.success(), "kafka-{tool}.sh did not read its input: {written:?}");
        output
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
