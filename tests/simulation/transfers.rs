//! What upstream asks of transactions: every kind, good and bad, again and again, on accounts that are opened for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use billing_engine::log::Lane;
use billing_engine::partition::placement::partition_of;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::broker::Written;
use crate::faults::Fault;
use crate::fragile;
use crate::traffic::{Expected, TRACE};
use crate::unit::{Kind, Unit};
use crate::world::World;

/// How long a hold lasts that nobody limits.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(4);
/// What the ids of the accounts begin with that transactions move money between.
pub const OF_SAGAS: &str = "s-";
/// What the traces of transaction commands begin with.
pub const SAGA_TRACE: &str = "saga-";

const WORLD: &str = "s-world";
const MERCHANTS: [&str; 2] = ["s-merchant-0", "s-merchant-1"];
const HOUSE: &str = "s-house";

/// Upstream of transactions.
pub struct Transfers {
    world: Arc<World>,
    dice: StdRng,
    partitions: u32,
    users: Vec<String>,
    sent: BTreeMap<String, Expected>,
    settings: usize,
    begun: usize,
    payments: Vec<String>,
    authorizations: Vec<String>,
    memory: Vec<(String, Value)>,
    /// Legs that may still end their partition.
    poison: u32,
}

impl Transfers {
    /// Upstream of that many partitions: between few accounts or some more.
    pub fn new(world: Arc<World>, partitions: u32, seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(!seed.rotate_left(16));
        let users = *[2, 3, 9].choose(&mut dice).unwrap_or(&3);
        Transfers {
            world,
            dice,
            partitions,
            users: (0..users).map(|number| format!("s-user-{number}")).collect(),
            sent: BTreeMap::new(),
            settings: 0,
            begun: 0,
            payments: Vec::new(),
            authorizations: Vec::new(),
            memory: Vec::new(),
            poison: 1,
        }
    }

    /// What must become of each record, by its trace.
    pub fn into_sent(self) -> BTreeMap<String, Expected> {
        self.sent
    }

    /// Opens the accounts, and gives the users something.
    pub fn open_accounts(&mut self) {
        let types = MERCHANTS.iter().map(|id| ((*id).to_owned(), "USER"));
        let house = [(HOUSE.to_owned(), "SYSTEM"), (WORLD.to_owned(), "EXTERNAL")];
        let users: Vec<_> = self.users.iter().map(|id| (id.clone(), "USER")).collect();
        for (account, account_type) in types.chain(house).chain(users) {
            let currency = if self.dice.random_ratio(1, 12) { "JPY" } else { "USD" };
            let data = json!({"ownerId": "o", "ownerType": "T", "accountType": account_type, "currency": currency});
            self.set(&account, "CreateAccount", data);
            if account_type == "USER" {
                self.set(&account, "Credit", json!({"amount": "60", "currency": currency, "reason": "r"}));
            }
        }
    }

    /// Writes some commands.
    pub fn write(&mut self, commands: usize) {
        for _ in 0..commands {
            match self.dice.random_range(0..40) {
                0..2 => self.meddle(),
                2..5 if !self.memory.is_empty() => self.again(),
                5 => self.malformed(),
                6 => self.poisoned(),
                7..14 => self.refund(),
                14..20 => self.authorize(),
                20..27 => self.go_on(),
                27..33 => self.pay(),
                _ => self.move_money(),
            }
        }
    }

    /// A direct command to one of the accounts: what makes legs fail.
    fn meddle(&mut self) {
        let account = self.any_account();
        let (command_type, data) = match self.dice.random_range(0..6) {
            0 => ("ChangeAccountStatus", json!({"status": "SUSPENDED", "reason": "r"})),
            1 | 2 => ("ChangeAccountStatus", json!({"status": "ACTIVE", "reason": "r"})),
            3 => ("ChangeAccountLimits", json!({"maxBalance": "90"})),
            4 => ("Debit", json!({"amount": "15", "currency": "USD", "reason": "r"})),
            _ => ("Credit", json!({"amount": "30", "currency": "USD", "reason": "r"})),
        };
        self.set(&account, command_type, data);
        if self.dice.random_ratio(1, 4) {
            // Closed with a hold or a leg under way, if it happens to be empty.
            self.set(&account, "ChangeAccountStatus", json!({"status": "CLOSED", "reason": "r"}));
        }
    }

    fn set(&mut self, account: &str, command_type: &str, data: Value) {
        self.settings += 1;
        let id = format!("setting-{}", self.settings);
        let command = json!({"commandType": command_type, "commandId": id, "aggregateId": account, "data": data});
        self.append(Kind::Accounts, account, Some(command.to_string().into()), format!("trace-{id}"));
    }

    fn append(&mut self, kind: Kind, aggregate: &str, value: Option<Vec<u8>>, trace: String) {
        let home = partition_of(aggregate, self.partitions);
        let misrouted = kind == Kind::Sagas && self.dice.random_ratio(1, 20) && self.partitions > 1;
        let partition = if misrouted { self.dice.random_range(0..self.partitions) } else { home };
        let record = Written {
            timestamp: self.world.now().0,
            key: Some(aggregate.to_owned().into_bytes()),
            value,
            headers: vec![(TRACE.into(), Some(trace.into_bytes()))],
        };
        let place = Unit { kind, partition }.lane(Lane::Commands);
        self.world.change(|state| state.broker.append(place, None, record));
    }

    fn send(&mut self, aggregate: &str, value: Option<Vec<u8>>, expected: Expected) {
        let trace = format!("{SAGA_TRACE}{}", self.sent.len());
        self.sent.insert(trace.clone(), expected);
        self.append(Kind::Sagas, aggregate, value, trace);
    }

    fn ask(&mut self, aggregate: &str, command_type: &str, data: Value) {
        self.ask_expecting(aggregate, command_type, data, Expected::Answer);
    }

    fn ask_expecting(&mut self, aggregate: &str, command_type: &str, data: Value, expected: Expected) {
        let id = format!("command-{}", self.sent.len());
        let command = json!({"commandType": command_type, "commandId": id, "aggregateId": aggregate, "data": data});
        if expected == Expected::Answer {
            self.memory.push((aggregate.to_owned(), command.clone()));
        }
        self.send(aggregate, Some(command.to_string().into()), expected);
    }

    fn begin(&mut self, word: &str) -> String {
        self.begun += 1;
        format!("{word}-{}", self.begun)
    }

    fn user(&mut self) -> String {
        self.users.choose(&mut self.dice).cloned().unwrap_or_default()
    }

    fn any_account(&mut self) -> String {
        let others = [MERCHANTS[0], MERCHANTS[1], HOUSE, WORLD];
        if self.dice.random_bool(0.6) {
            return self.user();
        }
        others.choose(&mut self.dice).map(|id| (*id).to_owned()).unwrap_or_default()
    }

    fn amount(&mut self) -> &'static str {
        const AMOUNTS: [&str; 8] = ["5", "5", "12.50", "12.50", "20", "40", "0.001", "7"];
        AMOUNTS.choose(&mut self.dice).copied().unwrap_or(AMOUNTS[0])
    }

    fn move_money(&mut self) {
        let (user, amount) = (self.user(), self.amount());
        match self.dice.random_range(0..4) {
            0 => {
                let id = self.begin("topup");
                let data = json!({"accountId": user, "sourceAccountId": WORLD, "amount": amount, "currency": "USD"});
                self.ask(&id, "RequestTopup", data);
            }
            1 => {
                let id = self.begin("withdrawal");
                let data =
                    json!({"accountId": user, "destinationAccountId": WORLD, "amount": amount, "currency": "USD"});
                self.ask(&id, "RequestWithdrawal", data);
            }
            _ => {
                let id = self.begin("transfer");
                // Now and then to the same account, to the house, or to nobody.
                let to = match self.dice.random_range(0..10) {
                    0 => HOUSE.to_owned(),
                    1 => "s-nobody".to_owned(),
                    _ => self.user(),
                };
                self.transfer(&id, &user, &to, amount, None, Expected::Answer);
            }
        }
    }

    fn transfer(&mut self, id: &str, from: &str, to: &str, amount: &str, reference: Option<&str>, expected: Expected) {
        let data = json!({
            "sourceAccountId": from, "destinationAccountId": to, "amount": amount, "currency": "USD",
            "reference": reference,
        });
        self.ask_expecting(id, "RequestTransfer", data, expected);
    }

    fn payment(&mut self) -> Value {
        let merchant = *MERCHANTS.choose(&mut self.dice).unwrap_or(&MERCHANTS[0]);
        let mut data = json!({
            "customerAccountId": self.user(), "merchantAccountId": merchant, "amount": self.amount(),
            "currency": "USD",
        });
        if self.dice.random_bool(0.5) {
            data["feeAccountId"] = HOUSE.into();
            data["feeAmount"] = "1.50".into();
        }
        data
    }

    fn pay(&mut self) {
        let (id, data) = (self.begin("payment"), self.payment());
        self.payments.push(id.clone());
        self.ask(&id, "RequestPayment", data);
    }

    fn refund(&mut self) {
        let Some(payment) = self.payments.choose(&mut self.dice).cloned() else { return };
        // Several at once, which together want more than there is.
        for _ in 0..self.dice.random_range(1..4) {
            let id = self.begin("refund");
            let mut data = json!({"originalPaymentId": payment, "currency": "USD"});
            if self.dice.random_bool(0.7) {
                data["refundAmount"] = self.amount().into();
            }
            self.ask(&id, "RequestRefund", data);
        }
    }

    fn authorize(&mut self) {
        let (id, mut data) = (self.begin("authorized"), self.payment());
        if self.dice.random_bool(0.8) {
            let ends_in = self.dice.random_range(50..4000);
            let at = jiff::Timestamp::from_millisecond(self.world.now().0 + ends_in).unwrap();
            data["expiresAt"] = at.to_string().into();
        }
        self.authorizations.push(id.clone());
        self.payments.push(id.clone());
        self.ask(&id, "AuthorizePayment", data);
    }

    fn go_on(&mut self) {
        let recent = self.authorizations.len().saturating_sub(4);
        let Some(id) = self.authorizations[recent..].choose(&mut self.dice).cloned() else { return };
        match self.dice.random_range(0..4) {
            0 => self.ask(&id, "VoidPayment", json!({"reason": "r"})),
            1 => self.ask(&id, "CapturePayment", json!({"amount": "5"})),
            _ => self.ask(&id, "CapturePayment", json!({})),
        }
    }

    fn again(&mut self) {
        Fault::Duplicate.note();
        let recent = self.memory.len().saturating_sub(40);
        let at = self.dice.random_range(recent..self.memory.len());
        let (aggregate, mut command) = self.memory[at].clone();
        if self.dice.random_ratio(1, 5) && command["data"]["amount"].is_string() {
            command["data"]["amount"] = "3".into();
        }
        self.send(&aggregate, Some(command.to_string().into()), Expected::Answer);
    }

    fn malformed(&mut self) {
        let id = self.begin("malformed");
        match self.dice.random_range(0..3) {
            0 => self.send(&id, None, Expected::DeadLetter("MALFORMED")),
            1 => self.ask_expecting(&id, "RequestTransfer", json!({"amount": 5}), Expected::DeadLetter("MALFORMED")),
            _ => self.ask_expecting(&id, "RequestMiracle", json!({}), Expected::DeadLetter("UNKNOWN_TYPE")),
        }
    }

    fn poisoned(&mut self) {
        let (from, to) = (self.user(), MERCHANTS[0]);
        match self.dice.random_range(0..4) {
            0 if self.poison > 0 => {
                self.poison -= 1;
                Fault::PanicInApplyOfLeg.note();
                let id = self.begin(fragile::IN_APPLYING);
                self.transfer(&id, &from, to, "5", None, Expected::Answer);
            }
            0 | 1 => {
                Fault::PanicInDecide.note();
                let id = self.begin("poisoned");
                self.transfer(&id, &from, to, "5", Some(fragile::IN_DECIDE), Expected::DeadLetter("PANIC"));
            }
            _ => {
                Fault::PanicInHearing.note();
                let id = self.begin(fragile::IN_HEARING);
                self.transfer(&id, &from, to, "5", None, Expected::Answer);
            }
        }
    }
}
