//! The rules as tables: given what happened, when this comes, then that follows.

use super::{
    Authorization, Capture, Compensated, Failed, Fee, LegPosted, Movement, Payment, Refund, Transaction,
    TransactionCommand, TransactionEvent, TransactionMessage, Void,
};
use crate::domain::account::{AccountMessage, ChangeType, LegFailure};
use crate::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp, Version};
use crate::domain::message::{Content, Delivery, Effect, Ending, FinalReply, Letter, Participant, Reason};
use crate::domain::money::{Amount, AsSent, Currencies, Currency, RequestedAmount, SentAmount};
use crate::domain::{Aggregate, Cause, Command, Decision, Rules, record};
use std::time::Duration;

mod authorized;
mod history;
mod order;
mod payments;
mod refunds;

fn rules() -> Rules {
    let currencies = [("USD", 2), ("EUR", 2), ("JPY", 0)];
    let currencies = currencies.map(|(code, decimals)| Currency::new(code, decimals).unwrap());
    Rules {
        currencies: Currencies::from_iter(currencies),
        idempotency_window: 3,
        default_hold: Duration::from_millis(1000),
    }
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn sent(text: &str) -> SentAmount {
    AsSent { text: text.into(), value: RequestedAmount::parse(text).unwrap() }
}

/// `from` and `to` are account ids.
fn movement(from: &str, to: &str, amount: &str, currency: &str) -> Movement {
    Movement {
        debited: id(from),
        credited: id(to),
        amount: sent(amount),
        currency: currency.into(),
        reference: None,
        metadata: None,
    }
}

fn transfer(amount: &str) -> TransactionCommand {
    TransactionCommand::Transfer(movement("ann", "bob", amount, "USD"))
}

/// Of customer `ann` to merchant `shop`; the fee goes to `house`.
fn payment_of(amount: &str, fee: Option<&str>) -> Payment {
    Payment {
        customer: id("ann"),
        merchant: id("shop"),
        amount: sent(amount),
        currency: "USD".into(),
        fee: fee.map(|fee| Fee { account: id("house"), amount: sent(fee) }),
        payment_metadata: None,
        metadata: None,
    }
}

fn payment(amount: &str, fee: Option<&str>) -> TransactionCommand {
    TransactionCommand::Payment(payment_of(amount, fee))
}

fn authorize(amount: &str, fee: Option<&str>, expires_at: Option<i64>) -> TransactionCommand {
    let expires_at = expires_at.map(|at| AsSent { text: at.to_string().into(), value: Timestamp(at) });
    TransactionCommand::Authorize(Authorization { payment: payment_of(amount, fee), expires_at })
}

fn capture(amount: Option<&str>) -> TransactionCommand {
    TransactionCommand::Capture(Capture { amount: amount.map(sent), metadata: None })
}

fn void() -> TransactionCommand {
    TransactionCommand::Void(Void { reason: Some("changed my mind".into()), metadata: None })
}

/// Of the payment `p`.
fn refund(amount: Option<&str>) -> TransactionCommand {
    TransactionCommand::Refund(Refund {
        original_payment: id("p"),
        amount: amount.map(sent),
        currency: "USD".into(),
        reason: None,
        refund_metadata: None,
        metadata: None,
    })
}

fn command(command_id: &str, body: TransactionCommand) -> Command<TransactionCommand> {
    let mut hash = [0u8; 16];
    let content = format!("{body:?}");
    content.bytes().enumerate().for_each(|(at, byte)| hash[at % 16] = hash[at % 16].rotate_left(3) ^ byte);
    Command { id: CommandId::parse(command_id).unwrap(), hash: CommandHash(hash), expected_version: None, body }
}

/// The transaction `t`, to which things happen at certain times.
#[derive(Clone)]
struct Story {
    transaction: Transaction,
    cause: Cause,
    /// The causes of its events.
    causes: Vec<Cause>,
}

impl Story {
    fn new() -> Self {
        let cause = Cause {
            command_id: CommandId::parse("elsewhere").unwrap(),
            command_hash: CommandHash([1; 16]),
            correlation_id: CorrelationId::parse("elsewhere").unwrap(),
        };
        Story { transaction: Transaction::default(), cause, causes: Vec::new() }
    }

    /// After this command, at time 0.
    fn of(body: TransactionCommand) -> Self {
        let mut story = Story::new();
        let then = story.ask(0, "first", body);
        assert!(then.contains(" → "), "what is given must be accepted: {then}");
        story
    }

    /// The transaction's history goes on with these events; what follows from them.
    fn happened(&mut self, events: Vec<TransactionEvent>, cause: &Cause, now: i64) -> Vec<String> {
        let mut shown: Vec<String> = events.iter().map(event).collect();
        let mut effects = Vec::new();
        for event in record(&self.transaction, events, cause, Timestamp(now)) {
            self.transaction.apply(&event).unwrap();
            self.causes.push(event.cause());
            effects.extend(self.transaction.react(&id("t"), &event, &rules()));
        }
        shown.extend(effects.iter().map(effect));
        shown
    }

    fn ask(&mut self, now: i64, command_id: &str, body: TransactionCommand) -> String {
        self.ask_at(now, command_id, body, None)
    }

    /// The event of a command and what it sets in motion, or how it was answered.
    fn ask_at(&mut self, now: i64, command_id: &str, body: TransactionCommand, version: Option<u64>) -> String {
        let command = Command { expected_version: version.map(Version), ..command(command_id, body) };
        match self.transaction.decide(&command, &rules(), Timestamp(now)) {
            Decision::Accepted(events) => {
                let correlation_id = CorrelationId::from(&command.id);
                let cause = Cause { command_id: command.id, command_hash: command.hash, correlation_id };
                self.cause = cause.clone();
                self.happened(events, &cause, now).join(" ")
            }
            Decision::Duplicate(version) => format!("duplicate of {version}"),
            Decision::Rejected(rejection) => format!("{}: {rejection}", rejection.code()),
        }
    }

    /// What is done about a message: events, messages, the last reply.
    fn hear(&mut self, now: i64, from: &str, body: TransactionMessage) -> String {
        let delivery = Delivery { to: id("t"), from: id(from), cause: self.cause.clone(), body };
        match self.transaction.receive(&delivery, &rules(), Timestamp(now)) {
            Ok(receipt) => {
                assert!(receipt.letters.iter().all(|letter| letter.from == delivery.to));
                let mut shown = self.happened(receipt.events, &delivery.cause, now);
                shown.extend(receipt.letters.iter().map(letter));
                shown.join(" ")
            }
            Err(unexpected) => format!("unexpected: {unexpected}"),
        }
    }

    /// What time alone brings about.
    fn sweep(&mut self, now: i64) -> String {
        let events = self.transaction.expire(Timestamp(now));
        let cause = self.cause.clone();
        self.happened(events, &cause, now).join(" ")
    }

    fn status(&self) -> String {
        let progress = Participant::progress(&self.transaction).unwrap();
        let code = progress.error_code.map_or_else(String::new, |code| format!(" {code}"));
        format!("{}{code}", progress.status)
    }
}

/// An event by its name on the wire, shortened.
fn event(event: &TransactionEvent) -> String {
    match event {
        TransactionEvent::Requested(requested) => format!("{}:", requested.command.operation()),
        TransactionEvent::LegPosted(leg) => format!("posted({} {} {})", leg.leg, leg.account_id, leg.new_balance),
        TransactionEvent::TopupCompleted(done) | TransactionEvent::WithdrawalCompleted(done) => {
            format!("moved({} {} = {} at {})", done.account_id, done.amount, done.new_balance, done.completed_at.0)
        }
        TransactionEvent::TransferCompleted(done) => format!(
            "transferred({} {} = {}, {} = {})",
            done.amount,
            done.source_account_id,
            done.source_new_balance,
            done.destination_account_id,
            done.destination_new_balance
        ),
        TransactionEvent::PaymentCompleted(done) => {
            let fee = done.fee_new_balance.map_or_else(String::new, |fee| format!(", {fee}"));
            let (customer, merchant) = (done.customer_new_balance, done.merchant_new_balance);
            format!("paid({} {} = {customer}, {merchant}{fee})", done.transaction_id, done.captured_amount)
        }
        TransactionEvent::RefundCompleted(done) => {
            format!("refunded({} = {}, {})", done.refund_id, done.merchant_new_balance, done.customer_new_balance)
        }
        TransactionEvent::PaymentAuthorized(hold) => {
            format!("authorized({} {} until {})", hold.hold_id, hold.amount, hold.expires_at.0)
        }
        TransactionEvent::PaymentVoided(voided) => {
            format!("voided({} {} {:?})", voided.hold_id, voided.amount, voided.reason)
        }
        TransactionEvent::PaymentExpired { hold_id, amount } => format!("expired({hold_id} {amount})"),
        TransactionEvent::RefundReserved(reserved) => format!("reserved({} {})", reserved.refund_id, reserved.amount),
        TransactionEvent::RefundSettled(reserved) => format!("settled({} {})", reserved.refund_id, reserved.amount),
        TransactionEvent::RefundReservationReleased(reserved) => {
            format!("released({} {})", reserved.refund_id, reserved.amount)
        }
        TransactionEvent::Failed(Failed { reason, leg, failed_at }) => {
            let leg = leg.as_ref().map_or_else(|| "-".to_owned(), |(leg, account)| format!("{leg} {account}"));
            format!("failed({leg} {} at {})", reason.code, failed_at.0)
        }
        TransactionEvent::Compensated(Compensated { transaction_id, reason, actions, compensated_at }) => {
            let actions: Vec<_> = actions
                .iter()
                .map(|action| format!("{} {} {} {}", action.action, action.account_id, action.amount, action.reason))
                .collect();
            format!("compensated({transaction_id} {} [{}] at {})", reason.code, actions.join(", "), compensated_at.0)
        }
    }
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Message(message) => letter(message),
        Effect::Reply(FinalReply { operation, cause, version, ending }) => {
            let ending = match ending {
                Ending::Completed => "COMPLETED".to_owned(),
                Ending::Failed(reason) => format!("FAILED {}", reason.code),
                Ending::Compensated(reason) => format!("COMPENSATED {}", reason.code),
            };
            format!("⇒ {operation} {} {ending} at {version}", cause.command_id)
        }
    }
}

fn letter(letter: &Letter) -> String {
    let said = match &letter.body {
        Content::Account(AccountMessage::Post(leg)) => {
            let next = leg.next_account.as_ref().map_or_else(String::new, |next| format!(", next {next}"));
            let (change, amount) = (leg.change_type, &leg.amount.text);
            format!("{} {change} {amount} {} {} {}{next}", leg.leg, leg.currency, leg.reason, leg.admitted)
        }
        Content::Account(AccountMessage::PlaceHold(hold)) => {
            format!("hold {} {} until {} {}", hold.amount.text, hold.currency, hold.expires_at.0, hold.admitted)
        }
        Content::Account(AccountMessage::CaptureHold { amount }) => format!("capture {}", amount.text),
        Content::Account(AccountMessage::ReleaseHold(release)) => format!("release {}", release.reason()),
        Content::Account(AccountMessage::Reverse(reversal)) => {
            format!("reverse {} {} {}", reversal.leg, reversal.change_type, reversal.amount)
        }
        Content::Transaction(TransactionMessage::Reserve { amount, currency }) => {
            format!("reserve {} {currency}", amount.as_ref().map_or("all", |amount| &*amount.text))
        }
        Content::Transaction(TransactionMessage::ReservationMade { amount, merchant, customer }) => {
            format!("reserved {amount} from {merchant} to {customer}")
        }
        Content::Transaction(TransactionMessage::ReservationRefused(reason)) => {
            format!("refused {}: {}", reason.code, reason.message)
        }
        Content::Transaction(message) => format!("{message:?}").chars().take_while(|c| *c != ' ').collect(),
    };
    format!("→ {}: {said}", letter.to)
}

fn posted(leg: u8, account: &str, change_type: ChangeType, text: &str, new_balance: &str) -> TransactionMessage {
    let (amount, new_balance) = (amount(text), amount(new_balance));
    let posted = LegPosted { leg, account_id: id(account), change_type, amount, new_balance };
    TransactionMessage::Posted { posted, next_account: None }
}

fn reason() -> Reason {
    Reason { code: "ACCOUNT_INACTIVE".into(), message: "account is CLOSED".into() }
}

fn refused(leg: u8) -> TransactionMessage {
    TransactionMessage::Refused { leg, reason: reason() }
}

fn failure(leg: u8, account: &str) -> LegFailure {
    LegFailure { leg, account_id: id(account), reason: reason() }
}

fn reversed(leg: u8, because: LegFailure) -> TransactionMessage {
    TransactionMessage::Reversed { leg, failure: because }
}
