//! JSON values that know when they are equal, and can be written in many ways.

use std::fmt::Write;

use proptest::prelude::*;

/// A JSON value as far as commands have them.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    /// `mantissa` times ten to the power of `exponent`.
    Number {
        mantissa: i64,
        exponent: i32,
    },
    Text(String),
    /// No two keys are equal.
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    /// The same value in the one form that all equal values share.
    pub fn canonical(&self) -> Json {
        match self {
            Json::Number { mantissa: 0, .. } => Json::Number { mantissa: 0, exponent: 0 },
            Json::Number { mantissa, exponent } if mantissa % 10 == 0 => {
                Json::Number { mantissa: mantissa / 10, exponent: exponent + 1 }.canonical()
            }
            Json::Object(members) => {
                let mut members: Vec<_> = members.iter().map(|(key, value)| (key.clone(), value.canonical())).collect();
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                Json::Object(members)
            }
            other => other.clone(),
        }
    }

    /// The same object without its members that are null.
    pub fn without_nulls(&self) -> Json {
        match self {
            Json::Object(members) => {
                Json::Object(members.iter().filter(|(_, value)| *value != Json::Null).cloned().collect())
            }
            other => other.clone(),
        }
    }

    /// The value as text, in a way that `style` decides.
    pub fn write(&self, style: &mut Style) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(value) => value.to_string(),
            Json::Number { mantissa, exponent } => write_number(*mantissa, *exponent, style),
            Json::Text(text) => write_text(text, style),
            Json::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                style.shuffle(&mut members);
                let members = members.iter().map(|(key, value)| {
                    let (key, value) = (write_text(key, style), value.write(style));
                    format!("{}{key}{}:{}{value}{}", style.space(), style.space(), style.space(), style.space())
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn write_number(mantissa: i64, exponent: i32, style: &mut Style) -> String {
    let sign = if mantissa < 0 || (mantissa == 0 && style.choose(2) == 1) { "-" } else { "" };
    let digits = mantissa.unsigned_abs().to_string();
    // The point moves to the left of some digits, and the exponent moves with it.
    let behind_point = style.choose(digits.len());
    let (integer, fraction) = digits.split_at(digits.len() - behind_point);
    let zeros = "0".repeat(style.choose(3));
    let fraction = if behind_point > 0 || !zeros.is_empty() { format!(".{fraction}{zeros}") } else { String::new() };
    match exponent + behind_point as i32 {
        0 if style.choose(2) == 0 => format!("{sign}{integer}{fraction}"),
        exponent => {
            let letter = ["e", "E"][style.choose(2)];
            let plus = if exponent >= 0 { ["", "+", "+00"][style.choose(3)] } else { "" };
            format!("{sign}{integer}{fraction}{letter}{plus}{exponent}")
        }
    }
}

fn write_text(text: &str, style: &mut Style) -> String {
    let mut out = "\"".to_owned();
    for char in text.chars() {
        match (char, style.choose(4)) {
            ('\n', 1) => out.push_str("\\n"),
            ('/', 1) => out.push_str("\\/"),
            ('"' | '\\', 1..) => out.extend(['\\', char]),
            ('\0'..='\x1f' | '"' | '\\', _) | (_, 0) => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    if style.choose(2) == 0 { write!(out, "\\u{unit:04x}") } else { write!(out, "\\u{unit:04X}") }
                        .unwrap();
                }
            }
            _ => out.push(char),
        }
    }
    out + "\""
}

/// Decides how things are written, from one number.
pub struct Style(u64);

impl Style {
    pub fn new(seed: u64) -> Style {
        Style(seed | 1)
    }

    /// A number below `ways`.
    fn choose(&mut self, ways: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % ways as u64) as usize
    }

    fn space(&mut self) -> &'static str {
        ["", "", "", " ", "\n\t", "\r\n  "][self.choose(6)]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.choose(end + 1));
        }
    }
}

/// Any way of writing.
pub fn style() -> impl Strategy<Value = u64> {
    any::<u64>()
}

/// Texts that are hard to write, easy to confuse, or both.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,2}",
        "[ -~]{1,12}",
        "[\u{1}-\u{1f}\"\\\\/\u{7f}äß–😀\u{10ffff}\u{fffd}\u{2028}]{1,6}",
        Just("null".to_owned()),
    ]
}

/// Metadata of a few members.
pub fn metadata() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Json::Bool),
        (-2..=2i64, -2..=2i32).prop_map(|(mantissa, exponent)| Json::Number { mantissa, exponent }),
        (any::<i64>(), -30..=30i32).prop_map(|(mantissa, exponent)| Json::Number { mantissa, exponent }),
        text().prop_map(Json::Text),
        "[0-2]{0,1}".prop_map(Json::Text),
    ];
    proptest::collection::btree_map(prop_oneof!["[ab]{0,1}".boxed(), text().boxed()], scalar, 0..4)
        .prop_map(|members| Json::Object(members.into_iter().collect()))
}
