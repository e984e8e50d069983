//! Compact JSON, written by hand straight into the bytes of a record.

use super::push_timestamp;
use crate::domain::ids::Timestamp;
use crate::domain::money::Amount;

/// Writes one object, fields in the order of the calls.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl<'a> Object<'a> {
    /// Begins an object; [`Object::close`] ends it.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        Object { out, separator: b'{' }
    }

    /// Ends the object.
    pub fn close(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    /// A string.
    #[inline]
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        push_string(self.out, text);
    }

    /// A string of ours, which needs no escape: an id, or one of a few words.
    #[inline(always)]
    pub fn word(&mut self, name: &'static str, word: &str) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A string, when there is one.
    pub fn optional_text(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A value that is JSON already.
    pub fn json(&mut self, name: &'static str, json: &str) {
        self.name(name);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A value that is JSON already, when there is one.
    pub fn optional_json(&mut self, name: &'static str, json: Option<&str>) {
        if let Some(json) = json {
            self.json(name, json);
        }
    }

    /// A number.
    #[inline]
    pub fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        push_number(self.out, number.into(), 0);
    }

    /// A time, as a string.
    #[inline]
    pub fn timestamp(&mut self, name: &'static str, at: Timestamp) {
        self.name(name);
        self.out.push(b'"');
        push_timestamp(self.out, at);
        self.out.push(b'"');
    }

    /// An amount, as a string, with exactly its decimals.
    #[inline]
    pub fn amount(&mut self, name: &'static str, amount: Amount) {
        self.name(name);
        self.out.push(b'"');
        push_number(self.out, amount.mantissa(), amount.decimals() as usize);
        self.out.push(b'"');
    }

    /// An amount, when there is one.
    pub fn optional_amount(&mut self, name: &'static str, amount: Option<Amount>) {
        if let Some(amount) = amount {
            self.amount(name, amount);
        }
    }

    /// An amount, or null.
    pub fn nullable_amount(&mut self, name: &'static str, amount: Option<Amount>) {
        match amount {
            Some(amount) => self.amount(name, amount),
            None => self.json(name, "null"),
        }
    }

    /// An object in this object.
    pub fn object(&mut self, name: &'static str) -> Object<'_> {
        self.name(name);
        Object::open(self.out)
    }

    /// An array of objects, each written by `write`.
    pub fn objects<T>(&mut self, name: &'static str, items: &[T], write: impl Fn(&T, &mut Object<'_>)) {
        self.name(name);
        self.out.push(b'[');
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            let mut object = Object::open(self.out);
            write(item, &mut object);
            object.close();
        }
        self.out.push(b']');
    }

    // Names are ours: none needs an escape. Their length is known where this ends up, and copying them is cheap then.
    #[inline(always)]
    fn name(&mut self, name: &'static str) {
        self.out.extend_from_slice(&[self.separator, b'"']);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.separator = b',';
    }
}

/// Appends a JSON string with the fewest escapes.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    let needs_escape = |byte: &u8| matches!(byte, 0..=0x1F | b'"' | b'\\');
    let mut rest = text.as_bytes();
    out.push(b'"');
    // Looking at all of it without stopping is done many bytes at once, and almost always enough.
    if rest.iter().fold(false, |found, byte| found | needs_escape(byte)) {
        while let Some(at) = rest.iter().position(needs_escape) {
            out.extend_from_slice(&rest[..at]);
            push_escape(out, rest[at]);
            rest = &rest[at + 1..];
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        b'"' | b'\\' => byte,
        _ => {
            out.extend_from_slice(b"\\u00");
            return out.extend(crate::wire::hash::hex_digits(byte));
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends `mantissa` with its last `decimals` digits behind a point.
pub fn push_number(out: &mut Vec<u8>, mantissa: i128, decimals: usize) {
    let mut digits = [b'0'; 48];
    let mut start = digits.len();
    let mut long = mantissa.unsigned_abs();
    while long > u128::from(u64::MAX) {
        start -= 1;
        digits[start] = b'0' + (long % 10) as u8;
        long /= 10;
    }
    // Almost every number fits here, where dividing is fast, and fastest two digits at a time.
    let mut rest = long as u64;
    while rest >= 10 {
        start -= 2;
        let pair = (rest % 100) as usize * 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        rest /= 100;
    }
    if rest > 0 {
        start -= 1;
        digits[start] = b'0' + rest as u8;
    }
    // At least one digit before the point; the array is full of zeros.
    start = start.min(digits.len() - decimals - 1);
    if mantissa < 0 {
        out.push(b'-');
    }
    let (integer, fraction) = digits[start..].split_at(digits.len() - start - decimals);
    out.extend_from_slice(integer);
    if decimals > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

/// `00` to `99`.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[number * 2] = b'0' + (number / 10) as u8;
        pairs[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_decimals_and_a_digit_before_the_point() {
        for (mantissa, decimals, text) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (7, 2, "0.07"),
            (-7, 2, "-0.07"),
            (10, 0, "10"),
            (100, 2, "1.00"),
            (12_345, 2, "123.45"),
            (-9_999, 0, "-9999"),
            (1, 10, "0.0000000001"),
            (i128::from(u64::MAX), 0, "18446744073709551615"),
            (i128::from(u64::MAX) * 10 + 5, 1, "18446744073709551615.5"),
            (100_000_000_000_000_000_000_000, 3, "100000000000000000000.000"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            let mut out = Vec::new();
            push_number(&mut out, mantissa, decimals);
            assert_eq!(str::from_utf8(&out).unwrap(), text);
        }
    }
}
