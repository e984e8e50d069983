//! A real Kafka for every test.

mod broker;
mod distribution;
mod tools;

use std::env;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use self::broker::Broker;
use self::distribution::Distribution;
use super::wait;

/// The version that tests run on when they do not ask for another.
pub const CURRENT: &str = "4.3.1";

/// The oldest version the engine promises to work with.
pub const OLDEST: &str = "3.7.0";

/// Address of a Kafka to use instead of one of our own.
const ADDRESS: &str = "BILLING_TEST_KAFKA";

/// How long a broker may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A Kafka of one broker.
#[derive(Debug)]
pub struct Kafka {
    address: String,
    version: &'static str,
    own: Option<Broker>,
}

impl Kafka {
    /// The broker that all tests of this process share: the one at `BILLING_TEST_KAFKA`, or one that is started with
    /// the first call and ends with the process.
    ///
    /// Tests keep apart by [`Kafka::prefix`].
    ///
    /// # Panics
    /// When no Kafka can be had; the message says what to install.
    pub fn shared() -> &'static Kafka {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| match env::var(ADDRESS) {
            Ok(address) => {
                let given = Kafka { address, version: CURRENT, own: None };
                given.wait_until_it_answers();
                given
            }
            Err(_) => Kafka::start_own(CURRENT),
        })
    }

    /// A broker for one test, which may stop, kill and start it again. It ends when it is dropped.
    ///
    /// # Panics
    /// As [`Kafka::shared`].
    pub fn start_own(version: &'static str) -> Kafka {
        let broker = Broker::new(Distribution::find(version));
        let kafka = Kafka { address: broker.address(), version, own: Some(broker) };
        kafka.start();
        kafka
    }

    /// What clients connect to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A prefix of topics and groups that no other test has, on a broker that may have seen many.
    pub fn prefix(&self, test: &str) -> String {
        format!("{test}-{:08x}", rand::random::<u32>())
    }

    /// A client's settings, with nothing but the address.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    /// Starts the broker, again if it ran before, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer, or is not ours.
    pub fn start(&self) {
        let began = Instant::now();
        self.own().start();
        self.wait_until_it_answers();
        println!("Kafka {} answers after {:?}", self.version, began.elapsed());
    }

    /// SIGTERM, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go, or is not ours.
    pub fn stop(&self) {
        self.own().stop();
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go, or is not ours.
    pub fn kill9(&self) {
        self.own().kill9();
    }

    fn own(&self) -> &Broker {
        self.own.as_ref().expect("a test starts and stops brokers of its own only")
    }

    fn wait_until_it_answers(&self) {
        let client: BaseConsumer = self
            .client()
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "50")
            .create()
            .expect("a client can be made");
        wait::until_true(&format!("an answer of the Kafka at {}", self.address), START_LIMIT, || {
            if let Some(broker) = &self.own {
                broker.check_that_it_runs();
            }
            client.fetch_metadata(None, Duration::from_millis(500)).is_ok_and(|answer| !answer.brokers().is_empty())
        });
    }
}
