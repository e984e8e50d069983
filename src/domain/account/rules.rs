//! The rules as tables: given what happened, when this is asked, then that follows.

use super::{
    Account, AccountCommand, AccountEvent, AccountStatus, AccountType, BalanceChanged, Change, CreateAccount,
    HoldReleased, Posting,
};
use crate::domain::ids::{CommandHash, CommandId, CorrelationId, Timestamp, Version};
use crate::domain::money::{Amount, Currencies, Currency, RequestedAmount};
use crate::domain::{Aggregate, Cause, Command, Decision, Rules, record};
use AccountType::{External, System, User};

mod holds;
mod legs;
mod order;

/// What is asked, before it has an id.
#[derive(Clone)]
struct Ask {
    id: Option<&'static str>,
    expected_version: Option<u64>,
    body: AccountCommand,
}

impl From<AccountCommand> for Ask {
    fn from(body: AccountCommand) -> Self {
        Ask { id: None, expected_version: None, body }
    }
}

impl Ask {
    fn id(self, id: &'static str) -> Ask {
        Ask { id: Some(id), ..self }
    }

    fn at(self, version: u64) -> Ask {
        Ask { expected_version: Some(version), ..self }
    }

    fn command(&self, number: usize) -> Command<AccountCommand> {
        let id = self.id.map_or_else(|| format!("command-{number}"), str::to_owned);
        let content = format!("{:?}", self.body);
        let mut hash = [0u8; 16];
        content.bytes().enumerate().for_each(|(at, byte)| hash[at % 16] = hash[at % 16].rotate_left(3) ^ byte);
        Command {
            id: CommandId::parse(&id).unwrap(),
            hash: CommandHash(hash),
            expected_version: self.expected_version.map(Version),
            body: self.body.clone(),
        }
    }
}

fn amount(text: &str) -> RequestedAmount {
    RequestedAmount::parse(text).unwrap()
}

fn open_in(currency: &str, account_type: AccountType, min: Option<&str>, max: Option<&str>) -> Ask {
    let (owner_id, owner_type) = ("owner".into(), "CUSTOMER".into());
    let (min_balance, max_balance) = (min.map(amount), max.map(amount));
    let currency = currency.into();
    AccountCommand::Create(CreateAccount {
        owner_id,
        owner_type,
        account_type,
        currency,
        min_balance,
        max_balance,
        metadata: None,
    })
    .into()
}

fn open(account_type: AccountType) -> Ask {
    open_in("USD", account_type, None, None)
}

fn posting(text: &str, currency: &str) -> Posting {
    Posting { amount: amount(text), currency: currency.into(), reason: "r".into(), reference: None, metadata: None }
}

fn credit(text: &str) -> Ask {
    AccountCommand::Credit(posting(text, "USD")).into()
}

fn debit(text: &str) -> Ask {
    AccountCommand::Debit(posting(text, "USD")).into()
}

fn status(status: AccountStatus) -> Ask {
    AccountCommand::ChangeStatus { status, reason: "r".into() }.into()
}

fn suspend() -> Ask {
    status(AccountStatus::Suspended)
}

fn activate() -> Ask {
    status(AccountStatus::Active)
}

fn close() -> Ask {
    status(AccountStatus::Closed)
}

/// `-` keeps a limit, `null` clears it.
fn limits(min: &str, max: &str) -> Ask {
    let change = |text: &str| match text {
        "-" => Change::Keep,
        "null" => Change::Clear,
        text => Change::Set(amount(text)),
    };
    AccountCommand::ChangeLimits { min_balance: change(min), max_balance: change(max) }.into()
}

fn rules() -> Rules {
    let currencies = [("USD", 2), ("EUR", 2), ("JPY", 0), ("FINE", 10)];
    let currencies = currencies.map(|(code, decimals)| Currency::new(code, decimals).unwrap());
    Rules { currencies: Currencies::from_iter(currencies), idempotency_window: 3, default_hold: Rules::DEFAULT_HOLD }
}

fn shown(event: &AccountEvent) -> String {
    let limit = |limit: Option<_>| limit.map_or_else(|| "none".to_owned(), |limit: Amount| limit.to_string());
    match event {
        AccountEvent::Created(created) => {
            format!(
                "{} {} {} {}",
                created.account_type,
                created.balance,
                limit(created.min_balance),
                limit(created.max_balance)
            )
        }
        AccountEvent::BalanceChanged(posted) => {
            let BalanceChanged { previous_balance, change_type, change_amount, new_balance, .. } = posted;
            let leg = posted.leg.as_ref().map_or_else(String::new, |leg| {
                format!(" {:?} leg {} of {}: {}", leg.force, leg.number, leg.transaction_id, posted.reason)
            });
            format!("{previous_balance} {change_type} {change_amount} = {new_balance}{leg}")
        }
        AccountEvent::StatusChanged(changed) => format!("{} to {}", changed.previous_status, changed.new_status),
        AccountEvent::LimitsChanged(changed) => {
            let from = format!("{} {}", limit(changed.previous_min_balance), limit(changed.previous_max_balance));
            format!("{from} to {} {}", limit(changed.new_min_balance), limit(changed.new_max_balance))
        }
        AccountEvent::HoldPlaced(placed) => {
            format!("hold {} of {} until {}", placed.hold_id, placed.amount, placed.expires_at.0)
        }
        AccountEvent::HoldCaptured(captured) => format!("capture {} of {}", captured.captured_amount, captured.hold_id),
        AccountEvent::HoldReleased(HoldReleased { hold_id, amount, reason }) => {
            format!("release {amount} of {hold_id}: {reason}")
        }
    }
}

fn cause(command: &Command<AccountCommand>) -> Cause {
    let (command_id, correlation_id) = (command.id.clone(), CorrelationId::from(&command.id));
    Cause { command_id, command_hash: command.hash, correlation_id }
}

fn take(account: &mut Account, events: Vec<AccountEvent>, cause: &Cause, now: i64) {
    for event in record(account, events, cause, Timestamp(now)) {
        account.apply(&event).unwrap();
    }
}

/// What follows: the event, `duplicate of` a version, or the code and message of a refusal.
fn follows(given: &[Ask], when: &Ask) -> String {
    let rules = rules();
    let mut account = Account::blank(&rules);
    for (number, ask) in given.iter().enumerate() {
        let command = ask.command(number);
        let decision = account.decide(&command, &rules, Timestamp(0));
        let Decision::Accepted(events) = decision else { panic!("what is given must be accepted: {decision:?}") };
        take(&mut account, events, &cause(&command), 0);
    }
    match account.decide(&when.command(given.len()), &rules, Timestamp(0)) {
        Decision::Accepted(events) => events.iter().map(shown).collect::<Vec<_>>().join("; "),
        Decision::Duplicate(version) => format!("duplicate of {version}"),
        Decision::Rejected(rejection) => format!("{}: {rejection}", rejection.code()),
    }
}

/// One row: given, when, then.
fn row<const N: usize>(given: [Ask; N], when: Ask, then: &str) {
    let found = follows(&given, &when);
    assert_eq!(found, then, "given {:?}, when {:?}", given.map(|ask| ask.body), when.body);
}

#[test]
fn rule_1_a_command_takes_effect_once() {
    let conflict = "IDEMPOTENCY_CONFLICT: this command id was used before with other content, at version 2";
    row([open(User).id("a")], open(User).id("a"), "duplicate of 1");
    row([open(User), credit("5").id("a")], credit("5").id("a"), "duplicate of 2");
    row([open(User), credit("5").id("a"), credit("1")], credit("5").id("a"), "duplicate of 2");
    row([open(User), credit("5").id("a"), debit("5"), close()], credit("5").id("a"), "duplicate of 2");
    row([open(User), credit("5").id("a")], credit("5.00").id("a"), conflict);
    row([open(User), credit("5").id("a")], debit("5").id("a"), conflict);
    row([open(User), credit("5").id("a")], credit("5").id("b"), "5.00 CREDIT 5.00 = 10.00");
    let forgotten = [open(User), credit("5").id("a"), credit("1"), credit("1"), credit("1")];
    row(forgotten, credit("5").id("a"), "8.00 CREDIT 5.00 = 13.00");
}

#[test]
fn rule_2_the_expected_version_must_stand() {
    row([], open(User).at(0), "USER 0.00 none none");
    row([], open(User).at(1), "VERSION_CONFLICT: expected version 1, the aggregate stands at 0");
    row([open(User)], credit("5").at(1), "0.00 CREDIT 5.00 = 5.00");
    row([open(User)], credit("5").at(0), "VERSION_CONFLICT: expected version 0, the aggregate stands at 1");
    row([open(User)], credit("5").at(2), "VERSION_CONFLICT: expected version 2, the aggregate stands at 1");
}

#[test]
fn rule_3_the_account_exists_or_not() {
    let not_found = "ACCOUNT_NOT_FOUND: account does not exist";
    for when in [credit("5"), debit("5"), suspend(), close(), limits("1", "-"), credit("5").at(0)] {
        row([], when, not_found);
    }
    row([open(User)], open(User), "ACCOUNT_ALREADY_EXISTS: account exists already");
    row([open(User), close()], open(User), "ACCOUNT_ALREADY_EXISTS: account exists already");
}

#[test]
fn rule_4_the_currency_is_configured_and_the_accounts_own() {
    let unknown = "INVALID_CURRENCY: currency is not configured";
    let posting_in = |currency| Ask::from(AccountCommand::Credit(posting("5", currency)));
    let debit_in = |currency| Ask::from(AccountCommand::Debit(posting("5", currency)));
    for code in ["XXX", "usd", "", "USD "] {
        row([], open_in(code, User, None, None), unknown);
        row([open(User)], posting_in(code), unknown);
        row([open(User)], debit_in(code), unknown);
    }
    row([open(User)], posting_in("EUR"), "CURRENCY_MISMATCH: account is in USD");
    row([open(User)], debit_in("JPY"), "CURRENCY_MISMATCH: account is in USD");
    row([open_in("JPY", User, None, None)], posting_in("JPY"), "0 CREDIT 5 = 5");
}

#[test]
fn rule_5_amounts_are_positive_and_fit_the_currency() {
    let positive = "INVALID_AMOUNT: amount must be greater than zero";
    let decimals = "INVALID_AMOUNT: amount has 3 decimals, the currency has 2";
    let digits = "INVALID_AMOUNT: amount has 19 integer digits, at most 18 are allowed";
    for ask in [credit, debit] {
        for (amount, refused) in [
            ("0", positive),
            ("-0", positive),
            ("0.00", positive),
            ("-5", positive),
            ("1.000", decimals),
            ("0.001", decimals),
            ("0000000000000000001", digits),
            ("9999999999999999999", digits),
        ] {
            row([open(User)], ask(amount), refused);
        }
    }
    row([open(User)], credit("000000000000000001.5"), "0.00 CREDIT 1.50 = 1.50");
    row([], open_in("USD", User, Some("-1.001"), None), decimals);
    row([], open_in("USD", User, None, Some("1.001")), decimals);
    row([], open_in("USD", User, Some("-9999999999999999999"), None), digits);
    row([], open_in("USD", User, Some("-5"), Some("0")), "USER 0.00 -5.00 0.00");
    row([open(User)], limits("1.001", "-"), decimals);
    row([open(User)], limits("-", "9999999999999999999"), digits);
    row([open(User)], limits("-5", "-0.00"), "none none to -5.00 0.00");
}

#[test]
fn rule_7_status_follows_its_transitions() {
    let refused = |from: &str, to: &str| format!("INVALID_STATUS_TRANSITION: status cannot change from {from} to {to}");
    row([open(User)], suspend(), "ACTIVE to SUSPENDED");
    row([open(User)], close(), "ACTIVE to CLOSED");
    row([open(User), suspend()], activate(), "SUSPENDED to ACTIVE");
    row([open(User), suspend()], close(), "SUSPENDED to CLOSED");
    row([open(User)], activate(), &refused("ACTIVE", "ACTIVE"));
    row([open(User), suspend()], suspend(), &refused("SUSPENDED", "SUSPENDED"));
    for (when, to) in [(activate(), "ACTIVE"), (suspend(), "SUSPENDED"), (close(), "CLOSED")] {
        row([open(User), close()], when, &refused("CLOSED", to));
    }
    row([open(User), credit("5")], close(), "BALANCE_NOT_ZERO: balance is 5.00");
    row([open(External), debit("5"), suspend()], close(), "BALANCE_NOT_ZERO: balance is -5.00");
    row([open(User), credit("5"), debit("5")], close(), "ACTIVE to CLOSED");
}

#[test]
fn rule_7_limits_are_in_order_and_only_where_they_may_be() {
    let crossed =
        |min: &str, max: &str| format!("INVALID_LIMITS: minimum balance {min} is greater than maximum balance {max}");
    let external = "INVALID_LIMITS: an EXTERNAL account has no limits";
    row([], open_in("USD", System, Some("2"), Some("1")), &crossed("2.00", "1.00"));
    row([], open_in("USD", User, Some("1"), Some("1")), "USER 0.00 1.00 1.00");
    row([], open_in("USD", External, Some("1"), None), external);
    row([], open_in("USD", External, None, Some("1")), external);
    row([], open(External), "EXTERNAL 0.00 none none");
    let bounded = || open_in("USD", User, Some("1"), Some("2"));
    row([bounded()], limits("2.01", "-"), &crossed("2.01", "2.00"));
    row([bounded()], limits("-", "0.99"), &crossed("1.00", "0.99"));
    row([bounded()], limits("5", "4"), &crossed("5.00", "4.00"));
    row([bounded()], limits("5", "null"), "1.00 2.00 to 5.00 none");
    row([bounded()], limits("null", "-1"), "1.00 2.00 to none -1.00");
    row([bounded()], limits("1", "2"), "1.00 2.00 to 1.00 2.00");
    row([open(User), credit("5")], limits("6", "7"), "none none to 6.00 7.00");
    for change in [limits("1", "-"), limits("null", "-"), limits("-", "null")] {
        row([open(External)], change, external);
    }
}

#[test]
fn rule_9_only_an_active_account_sends_and_receives() {
    for (given, word) in [(suspend(), "SUSPENDED"), (close(), "CLOSED")] {
        let inactive = format!("ACCOUNT_INACTIVE: account is {word}");
        row([open(User), given.clone()], credit("5"), &inactive);
        row([open(External), given.clone()], debit("5"), &inactive);
        row([open(User), given], limits("-", "5"), "none none to none 5.00");
    }
    row([open(User), suspend(), activate()], credit("5"), "0.00 CREDIT 5.00 = 5.00");
}

#[test]
fn rule_10_a_debit_stays_above_the_minimum() {
    let refused = "INSUFFICIENT_BALANCE: available 5.00, requested 5.01";
    for account_type in [User, System] {
        row([open(account_type), credit("5")], debit("5.01"), refused);
        row([open(account_type), credit("5")], debit("5"), "5.00 DEBIT 5.00 = 0.00");
    }
    row([open(External)], debit("5.01"), "0.00 DEBIT 5.01 = -5.01");
    let overdraft = || open_in("USD", User, Some("-10"), None);
    row([overdraft(), credit("5")], debit("15"), "5.00 DEBIT 15.00 = -10.00");
    row([overdraft(), credit("5")], debit("15.01"), "INSUFFICIENT_BALANCE: available 5.00, requested 15.01");
    let reserve = || open_in("USD", User, Some("2"), None);
    row([reserve(), credit("5")], debit("3.01"), "INSUFFICIENT_BALANCE: available 5.00, requested 3.01");
    row([reserve()], credit("1"), "0.00 CREDIT 1.00 = 1.00");
}

#[test]
fn rule_11_a_credit_stays_below_the_maximum() {
    let bounded = || open_in("USD", User, None, Some("10"));
    row([bounded(), credit("4")], credit("6"), "4.00 CREDIT 6.00 = 10.00");
    row(
        [bounded(), credit("4")],
        credit("6.01"),
        "MAX_BALANCE_EXCEEDED: balance would be 10.01, at most 10.00 is allowed",
    );
    row([bounded(), credit("10"), limits("-", "5")], debit("1"), "10.00 DEBIT 1.00 = 9.00");
}

#[test]
fn rule_12_a_balance_has_at_most_18_integer_digits() {
    let overflow = "AMOUNT_OVERFLOW: balance would have more than 18 integer digits";
    let most = "999999999999999999.99";
    row([open(User), credit(most)], credit("0.01"), overflow);
    row([open(External), debit(most)], debit("0.01"), overflow);
    row(
        [open(User), credit("999999999999999999")],
        credit("0.99"),
        &format!("999999999999999999.00 CREDIT 0.99 = {most}"),
    );
    let fine = |text| Ask::from(AccountCommand::Credit(posting(text, "FINE")));
    let most = "999999999999999999.9999999999";
    row([open_in("FINE", User, None, None), fine(most)], fine(most), overflow);
}
