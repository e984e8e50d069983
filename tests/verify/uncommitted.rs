//! A posting that is written and, in its partition, not committed yet, while what followed from it elsewhere is.

use std::time::Duration;

use billing_engine::domain::Recorded;
use billing_engine::domain::account::{Account, AccountEvent};
use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::transaction::Transaction;
use billing_engine::partition::placement::partition_of;
use billing_engine::wire::Wire;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::events::Written;
use crate::stage::PARTITIONS;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::scratch;
use crate::tale;
use crate::world::id;

const LIMIT: Duration = Duration::from_secs(30);

/// Writes in transactions, as an engine does.
struct Owner<'a> {
    producer: BaseProducer,
    setup: &'a Setup,
}

impl Owner<'_> {
    fn new<'a>(kafka: &Kafka, setup: &'a Setup) -> Owner<'a> {
        let id = format!("{}-owner", setup.prefix());
        let producer: BaseProducer = kafka.client().set("transactional.id", &id).create().unwrap();
        producer.init_transactions(LIMIT).unwrap();
        Owner { producer, setup }
    }

    fn begin(&self) {
        self.producer.begin_transaction().unwrap();
    }

    fn write<A: Wire>(&self, aggregate: &AggregateId, event: &Recorded<A::Event>) {
        let name = if A::AGGREGATE == Account::AGGREGATE { "account.events" } else { "transaction.events" };
        let (topic, written) = (self.setup.topic(name), Written::of::<A>(aggregate, event));
        let headers = written.headers.iter().fold(OwnedHeaders::new(), |all, (name, value)| {
            all.insert(Header { key: str::from_utf8(name).unwrap(), value: value.as_deref() })
        });
        let partition = partition_of(aggregate.as_str(), PARTITIONS).cast_signed();
        let record = BaseRecord::to(&topic).partition(partition).key(aggregate.as_str());
        self.producer.send(record.payload(&written.value).headers(headers)).map_err(|(error, _)| error).unwrap();
    }

    /// Everything lies on the log then, and not all who read see it.
    fn flush(&self) {
        self.producer.flush(LIMIT).unwrap();
    }

    fn commit(&self) {
        self.producer.commit_transaction(LIMIT).unwrap();
    }
}

#[test]
fn a_transaction_whose_last_posting_is_not_committed_yet_has_lost_no_money() {
    let kafka = Kafka::shared();
    let url = format!("sqlite:{}", scratch::directory().join("uncommitted.db").display());
    let roles = ["--roles", "projections,http"].map(String::from);
    let setup = Setup::new(kafka, "uncommitted").with("BILLING__READ_STORE__URL", &url).with_arguments(&roles);
    let setup = setup.with_topics();
    let world = tale::topped_up();
    let credited = id("new");
    let (last, before) = world.accounts[&credited].history.split_last().unwrap();
    assert!(matches!(&last.body, AccountEvent::BalanceChanged(posted) if posted.leg.is_some()), "{last:?}");

    let owner = Owner::new(kafka, &setup);
    owner.begin();
    for (account, kept) in &world.accounts {
        let history = if *account == credited { before } else { &kept.history[..] };
        history.iter().for_each(|event| owner.write::<Account>(account, event));
    }
    for (transaction, kept) in &world.transactions {
        kept.history.iter().for_each(|event| owner.write::<Transaction>(transaction, event));
    }
    owner.commit();
    owner.begin();
    owner.write::<Account>(&credited, last);
    owner.flush();

    let engine = setup.start();
    let finished = setup.call(&["verify", "--json", "--timeout", "5"], "");
    assert!(finished.code == 1 && finished.errors.contains("READ_STORE_BEHIND"), "{finished:?}");
    assert!(finished.errors.contains("is committed"), "{}", finished.errors);
    owner.commit();
    let report = setup.call(&["verify", "--json", "--drained"], "").expect_success();
    assert!(report.contains(r#""inFlight":"0.00""#), "{report}");
    engine.stop();
}
