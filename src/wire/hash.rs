//! The commandHash: equal exactly when type and data of two commands are equal as JSON values.
//!
//! Hashed is a form that each value has only once: key order, white space and escapes are gone, numbers stand
//! for their exact value, and every part is tagged and names its length, so that none can be taken for
//! another. The form is kept in every event and therefore final: a new field of a command may only be
//! one that older commands do not have.

use sha2::{Digest, Sha256};

use super::json::{self, Fault, Field};
use crate::domain::ids::CommandHash;

/// What a null in a command's data means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Null {
    /// The same as no field.
    Absent,
    /// Something of its own.
    Value,
}

/// The hash of a command of that type with these fields, in the fixed order of the type's field list.
///
/// # Errors
/// A value that no field of a command may have.
pub fn command_hash(command_type: &str, fields: &[Field<'_>], null: Null) -> Result<CommandHash, Fault> {
    let mut form = Vec::with_capacity(256);
    push_text(&mut form, command_type);
    for field in fields {
        let sent = match null {
            Null::Absent => field.present(),
            Null::Value => field.sent(),
        };
        if let Some(sent) = sent {
            push_text(&mut form, field.name());
            push_value(&mut form, *field, sent)?;
        }
    }
    let digest = Sha256::digest(&form);
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    Ok(CommandHash(hash))
}

fn push_value(form: &mut Vec<u8>, field: Field<'_>, sent: &str) -> Result<(), Fault> {
    match sent.as_bytes().first() {
        Some(b'"') => push_text(form, &json::string(sent).ok_or_else(|| field.must_be("a string"))?),
        Some(b'{') => {
            let mut members = json::members(field.name(), sent, Vec::new(), |members, key, value| {
                members.push((key, value));
            })?;
            members.sort_unstable();
            push_part(form, b'O', &(members.len() as u64).to_le_bytes());
            for (key, value) in members {
                push_text(form, &key);
                push_value(form, field, value)?;
            }
        }
        Some(b'-' | b'0'..=b'9') => push_part(form, b'N', json::exact(sent).as_bytes()),
        Some(b't') => form.push(b'T'),
        Some(b'f') => form.push(b'F'),
        Some(b'n') => form.push(b'Z'),
        _ => return Err(field.must_be("no array")),
    }
    Ok(())
}

fn push_text(form: &mut Vec<u8>, text: &str) {
    push_part(form, b'S', text.as_bytes());
}

fn push_part(form: &mut Vec<u8>, tag: u8, part: &[u8]) {
    form.push(tag);
    form.extend_from_slice(&(part.len() as u64).to_le_bytes());
    form.extend_from_slice(part);
}

/// The hash as the text of a header.
pub fn hex(hash: &CommandHash) -> [u8; 32] {
    let mut text = [0; 32];
    for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(hash.0) {
        *pair = hex_digits(byte);
    }
    text
}

/// The two lower-case digits of a byte.
pub fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// The hash of that header text.
pub fn parse_hex(text: &[u8]) -> Option<CommandHash> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let mut hash = [0; 16];
    if pairs.len() != hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(CommandHash(hash))
}
