//! What happened to a transaction, in a line for people.

use crate::cli::output::time;
use crate::domain::account::ChangeType;
use crate::domain::transaction::{
    Authorization, Compensated, Failed, LegPosted, Movement, Payment, Refund, TransactionCommand, TransactionEvent,
};

/// What an event says, but for its name and its time. Metadata is for programs.
pub fn told(event: &TransactionEvent) -> String {
    match event {
        TransactionEvent::Requested(requested) => asked(&requested.command),
        TransactionEvent::LegPosted(LegPosted { leg, account_id, change_type, amount, new_balance }) => {
            format!("leg {leg}: {}{amount} on {account_id}, balance {new_balance}", sign(*change_type))
        }
        TransactionEvent::TopupCompleted(done) | TransactionEvent::WithdrawalCompleted(done) => {
            format!("{}, balance of {} {}", done.amount, done.account_id, done.new_balance)
        }
        TransactionEvent::TransferCompleted(done) => format!(
            "{}, balances {} {} and {} {}",
            done.amount,
            done.source_account_id,
            done.source_new_balance,
            done.destination_account_id,
            done.destination_new_balance
        ),
        TransactionEvent::PaymentCompleted(done) => {
            let fee = done.fee_new_balance.map(|balance| format!(", fees {balance}")).unwrap_or_default();
            let (customer, merchant) = (done.customer_new_balance, done.merchant_new_balance);
            format!("{} paid, balances customer {customer}, merchant {merchant}{fee}", done.captured_amount)
        }
        TransactionEvent::RefundCompleted(done) => {
            format!("balances merchant {}, customer {}", done.merchant_new_balance, done.customer_new_balance)
        }
        TransactionEvent::PaymentAuthorized(hold) => format!("{} held until {}", hold.amount, time(hold.expires_at)),
        TransactionEvent::PaymentVoided(voided) => {
            let reason = voided.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} is free again{reason}", voided.amount)
        }
        TransactionEvent::PaymentExpired { amount, .. } => format!("{amount} is free again: time is over"),
        TransactionEvent::RefundReserved(reserved) => format!("{} for {}", reserved.amount, reserved.refund_id),
        TransactionEvent::RefundSettled(reserved) => format!("{} by {}", reserved.amount, reserved.refund_id),
        TransactionEvent::RefundReservationReleased(reserved) => {
            format!("{} of {}", reserved.amount, reserved.refund_id)
        }
        TransactionEvent::Failed(failed) => failure(failed),
        TransactionEvent::Compensated(compensated) => undone(compensated),
    }
}

fn asked(command: &TransactionCommand) -> String {
    match command {
        TransactionCommand::Topup(movement)
        | TransactionCommand::Withdrawal(movement)
        | TransactionCommand::Transfer(movement) => moved(movement),
        TransactionCommand::Payment(payment) => paid(payment),
        TransactionCommand::Refund(Refund { original_payment, amount, currency, reason, .. }) => {
            let amount = amount.as_ref().map_or("all that is left", |amount| &amount.text);
            let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{amount} {currency} of {original_payment}{reason}")
        }
        TransactionCommand::Authorize(Authorization { payment, expires_at }) => {
            let until = expires_at.as_ref().map(|at| format!(", until {}", at.text)).unwrap_or_default();
            paid(payment) + &until
        }
        TransactionCommand::Capture(capture) => match &capture.amount {
            Some(amount) => amount.text.to_string(),
            None => "all that is held".to_owned(),
        },
        TransactionCommand::Void(void) => void.reason.as_deref().unwrap_or_default().to_owned(),
    }
}

fn moved(movement: &Movement) -> String {
    let Movement { debited, credited, amount, currency, reference, .. } = movement;
    let reference = reference.as_deref().map(|reference| format!(", reference {reference}")).unwrap_or_default();
    format!("{} {currency} from {debited} to {credited}{reference}", amount.text)
}

fn paid(payment: &Payment) -> String {
    let Payment { customer, merchant, amount, currency, fee, .. } = payment;
    let fee = fee.as_ref().map(|fee| format!(", {} of it to {}", fee.amount.text, fee.account)).unwrap_or_default();
    format!("{} {currency} from {customer} to {merchant}{fee}", amount.text)
}

fn failure(Failed { reason, leg, .. }: &Failed) -> String {
    let whose = leg.as_ref().map(|(leg, account)| format!(" (leg {leg} on {account})")).unwrap_or_default();
    format!("{}: {}{whose}", reason.code, reason.message)
}

fn undone(Compensated { reason, actions, .. }: &Compensated) -> String {
    let actions: Vec<_> = actions
        .iter()
        .map(|action| format!("{}{} on {}", sign(action.action), action.amount, action.account_id))
        .collect();
    format!("{}: {}; undone by {}", reason.code, reason.message, actions.join(", "))
}

fn sign(change_type: ChangeType) -> char {
    match change_type {
        ChangeType::Credit => '+',
        ChangeType::Debit => '-',
    }
}
