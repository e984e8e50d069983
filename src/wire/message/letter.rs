//! What aggregates say to each other: the envelope. The key of the record is the receiver's id.

use super::{Error, FORMAT, FORMAT_KNOWN, TYPE, account, newer_type, transaction};
use crate::domain::Cause;
use crate::domain::account::{Account, AccountMessage};
use crate::domain::ids::{AggregateId, CommandId, CorrelationId};
use crate::domain::message::{Content, Delivery, Letter, Participant};
use crate::domain::transaction::{Transaction, TransactionMessage};
use crate::wire::Wire;
use crate::wire::hash::{hex, parse_hex};
use crate::wire::headers::Trace;
use crate::wire::json::{self, Fault, Object, Unknown};

/// An aggregate whose messages can be read.
pub trait Mail: Wire + Participant {
    /// Reads the data of a message of that type.
    ///
    /// # Errors
    /// A type or a field that is not known here, or data that is no message's.
    fn read_message(message_type: &str, data: &str) -> Result<Self::Message, Fault>;
}

impl Mail for Account {
    fn read_message(message_type: &str, data: &str) -> Result<AccountMessage, Fault> {
        account::read(message_type, data)
    }
}

impl Mail for Transaction {
    fn read_message(message_type: &str, data: &str) -> Result<TransactionMessage, Fault> {
        transaction::read(message_type, data)
    }
}

/// Appends the value of a message.
pub fn encode_value(out: &mut Vec<u8>, letter: &Letter) {
    let Delivery { to, from, cause, body } = letter;
    let mut object = Object::open(out);
    object.word("aggregateId", to.as_str());
    object.word("senderId", from.as_str());
    object.word("correlationId", cause.correlation_id.as_str());
    object.word("causationId", cause.command_id.as_str());
    // Hexadecimal digits are ASCII.
    object.word("commandHash", &String::from_utf8_lossy(&hex(&cause.command_hash)));
    let mut data = object.object("data");
    match body {
        Content::Account(message) => account::write(message, &mut data),
        Content::Transaction(message) => transaction::write(message, &mut data),
    }
    data.close();
    object.close();
}

/// Hands the headers of a message to `write`, in their order.
pub fn encode_headers(letter: &Letter, trace: Trace<'_>, mut write: impl FnMut(&[u8], Option<&[u8]>)) {
    let message_type = match &letter.body {
        Content::Account(message) => account::message_type(message),
        Content::Transaction(message) => transaction::message_type(message),
    };
    write(FORMAT.as_bytes(), Some(FORMAT_KNOWN.to_string().as_bytes()));
    write(TYPE.as_bytes(), Some(message_type.as_bytes()));
    for (name, value) in trace.headers() {
        write(name, value);
    }
}

pub(super) fn decode<A: Mail>(message_type: &str, value: Option<&[u8]>) -> Result<Delivery<A::Message>, Error> {
    read::<A>(message_type, value.unwrap_or_default()).map_err(|fault| match fault {
        Fault::UnknownType { .. } => newer_type(message_type),
        Fault::UnknownField { .. } => Error::NewerField { fault: fault.to_string() },
        _ => Error::DamagedValue(fault.to_string()),
    })
}

fn read<A: Mail>(message_type: &str, value: &[u8]) -> Result<Delivery<A::Message>, Fault> {
    const NAMES: [&str; 6] = ["aggregateId", "senderId", "correlationId", "causationId", "commandHash", "data"];
    let text = str::from_utf8(value).map_err(|error| Fault::NotUtf8 { at: error.valid_up_to() })?;
    let [to, from, correlation_id, command_id, hash, data] =
        json::fields("the message", text, NAMES, Unknown::Refused)?;
    let command_hash = parse_hex(hash.string()?.as_bytes());
    Ok(Delivery {
        to: to.id(AggregateId::parse)?,
        from: from.id(AggregateId::parse)?,
        cause: Cause {
            command_id: command_id.id(CommandId::parse)?,
            command_hash: command_hash.ok_or_else(|| hash.must_be("32 hexadecimal digits"))?,
            correlation_id: correlation_id.id(CorrelationId::parse)?,
        },
        body: A::read_message(message_type, data.required()?)?,
    })
}
