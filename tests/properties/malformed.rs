//! Bytes that are bad as a whole, whatever their fields.

use billing_engine::domain::account::{Account, AccountCommand};
use billing_engine::wire::{Reason, command};

use crate::read;

/// A credit with more text at the top, in data and in metadata.
fn credit(top: &str, data: &str, metadata: &str) -> String {
    format!(
        r#"{{"commandType":"Credit","commandId":"c-1","aggregateId":"a-1","data":{{"amount":"1.00","currency":"USD",
            "reason":"r","metadata":{{"m":1{metadata}}}{data}}}{top}}}"#
    )
}

fn plain() -> String {
    credit("", "", "")
}

fn is_read(value: &str) -> bool {
    match read(value.as_bytes()) {
        Ok(_) => true,
        Err(reason) => {
            assert_eq!(reason, Reason::Malformed, "{value}");
            false
        }
    }
}

#[test]
fn what_is_no_json_object_is_malformed() {
    assert!(is_read(&plain()));
    assert!(is_read(&format!(" \r\n\t{}\n ", plain())), "white space around it is JSON");
    for bad in [
        String::new(),
        " ".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        "1".to_owned(),
        format!("[{}]", plain()),
        format!("\u{feff}{}", plain()),
        format!("{}x", plain()),
        format!("{}{}", plain(), plain()),
        format!("{}\0", plain()),
        plain().replace('"', "'"),
        plain().replace("\"reason\"", "reason"),
        plain().replace(":1}", ":01}"),
        plain().replace(":1}", ":1,}"),
        plain().replace(":1}", ":+1}"),
        plain().replace(":1}", ":.5}"),
        plain().replace(":1}", ":NaN}"),
        plain().replace("\"r\"", "\"r\n\""),
        plain().replace("\"r\"", "\"\\x\""),
        plain().replace("\"r\"", "\"\\u12\""),
        plain()[..plain().len() - 1].to_owned(),
        credit(",", "", ""),
        credit(",\"x\":[1,]", "", ""),
        credit(",\"x\":{\"a\":1,}", "", ""),
        credit(",\"x\":tru", "", ""),
        credit(",\"x\":1e", "", ""),
        credit(",\"x\"", "", ""),
        credit(",1:2", "", ""),
        credit("/* no */", "", ""),
    ] {
        assert!(!is_read(&bad), "{bad}");
    }
}

#[test]
fn what_is_no_utf8_or_nothing_at_all_is_malformed() {
    for bytes in [&b"\xff"[..], b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"] {
        for place in ["\"r\"", "\"m\""] {
            let (head, tail) =
                plain().split_once(place).map(|(head, tail)| (head.to_owned(), tail.to_owned())).unwrap();
            let value = [head.as_bytes(), b"\"", bytes, b"\"", tail.as_bytes()].concat();
            assert_eq!(read(&value).unwrap_err(), Reason::Malformed);
        }
    }
    let error = command::decode::<Account>(None, 10).unwrap_err();
    assert_eq!((error.reason, error.error.as_str()), (Reason::Malformed, "no value"));
}

#[test]
fn size_is_judged_before_anything_else() {
    let limit = plain().len();
    assert!(command::decode::<Account>(Some(plain().as_bytes()), limit).is_ok());
    for value in [format!("{} ", plain()).into_bytes(), vec![0xFF; limit + 1]] {
        let error = command::decode::<Account>(Some(&value), limit).unwrap_err();
        let text = format!("Event too large: {} bytes", limit + 1);
        assert_eq!((error.reason, error.error), (Reason::TooLarge, text));
    }
}

#[test]
fn the_type_is_judged_after_the_envelope_and_before_the_data() {
    let kredit = plain().replace("Credit", "Kredit");
    assert_eq!(read(kredit.as_bytes()).unwrap_err(), Reason::UnknownType);
    assert_eq!(read(kredit.replace("1.00", "no amount").as_bytes()).unwrap_err(), Reason::UnknownType);
    assert_eq!(read(kredit.replace("c-1", "c 1").as_bytes()).unwrap_err(), Reason::Malformed);
    assert_eq!(read(kredit.replace("a-1", "").as_bytes()).unwrap_err(), Reason::Malformed);
    for unknown in ["RequestTopup", "credit", "Credit ", "AccountCreated", &"K".repeat(10_000)] {
        let value = plain().replace("Credit", unknown);
        assert_eq!(read(value.as_bytes()).unwrap_err(), Reason::UnknownType);
    }
}

#[test]
fn equal_keys_are_malformed_also_when_written_differently_or_null() {
    for (top, data, metadata) in [
        (r#","commandId":"c-1""#, "", ""),
        (r#","\u0063ommandId":"c-1""#, "", ""),
        (r#","commandId":null"#, "", ""),
        (r#","x":1,"x":2"#, "", ""),
        (r#","x":1,"y":0,"\u0078":null"#, "", ""),
        ("", r#","amount":"1.00""#, ""),
        ("", r#","\u0061mount":"1.00""#, ""),
        ("", r#","reference":null,"reference":"f""#, ""),
        ("", "", r#","m":1"#),
        ("", "", r#","\u006d":2"#),
        ("", "", r#","n":1,"o":1,"n":1"#),
    ] {
        assert!(!is_read(&credit(top, data, metadata)), "{top}{data}{metadata}");
    }
    assert!(is_read(&credit(r#","x":1,"X":2,"":3," ":4,"x ":5"#, "", r#","M":1,"n":1"#)));
    assert!(is_read(&credit(r#","x":{"y":1,"y":2}"#, "", "")), "only top, data and metadata");
}

#[test]
fn forbidden_characters_are_malformed_everywhere() {
    for bad in [
        r"\u0000",
        r"\ud800",
        r"\uDBFFx",
        r"\uDC00",
        r"\uDFFF",
        r"\uD83D\uD83D",
        r"\uD83D\n\uDE00",
        r"\uDE00\uD83D",
        r"\\\u0000",
    ] {
        for value in [
            credit(&format!(r#","x":"a{bad}""#), "", ""),
            credit(&format!(r#","a{bad}":1"#), "", ""),
            credit(&format!(r#","x":[{{"a":["{bad}"]}}]"#), "", ""),
            credit(&format!(r#","x":[{{"{bad}":1}}]"#), "", ""),
            credit("", &format!(r#","reference":"{bad}""#), ""),
            credit("", "", &format!(r#","n":"{bad}""#)),
            credit("", "", &format!(r#","{bad}":1"#)),
        ] {
            assert!(!is_read(&value), "{value}");
        }
    }
    for good in
        [r"\u0001", r"\uD83D\uDE00", r"\ud83d\ude00\\", r"\\u0000", r"\\\\ud800", r"\uFFFF\uE000", "\u{7f}\u{10ffff}"]
    {
        assert!(
            is_read(&credit(&format!(r#","x{good}":"{good}""#), &format!(r#","reference":"{good}""#), "")),
            "{good}"
        );
    }
}

#[test]
fn nesting_ends_at_127_levels() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    for (levels, read) in [(126, true), (127, false), (500_000, false)] {
        assert_eq!(is_read(&credit(&format!(r#","x":{}"#, nested(levels)), "", "")), read, "{levels}");
        assert_eq!(is_read(&credit(&format!(r#","x":{}"#, objects(levels)), "", "")), read, "{levels}");
    }
    let wide = vec![r#"{"a":[[]]}"#; 1000].join(",");
    assert!(is_read(&credit(&format!(r#","x":[{wide}]"#), "", "")), "many brackets are not deep");
    let text = r#"[{\"[\\"#.repeat(200);
    assert!(is_read(&credit(&format!(r#","x":"{text}""#), "", "")), "brackets in strings are not nesting");
    let hidden = format!(r#","x":["\\",{}]"#, nested(126));
    assert!(!is_read(&credit(&hidden, "", "")), "a string ends behind an escaped backslash");
    assert!(!is_read(&"[".repeat(1 << 20)));
}

#[test]
fn fields_are_refused_in_data_and_ignored_at_the_top() {
    assert!(is_read(&credit(r#","amout":1e400,"reason":[],"null":null"#, "", "")));
    assert!(!is_read(&credit("", r#","amout":null"#, "")));
    let limits = |data: &str| {
        let value =
            format!(r#"{{"commandType":"ChangeAccountLimits","commandId":"c","aggregateId":"a","data":{data}}}"#);
        read(value.as_bytes()).is_ok()
    };
    assert!(limits(r#"{"minBalance":null}"#) && limits(r#"{"maxBalance":"1"}"#));
    assert!(!limits("{}") && !limits(r#"{"reason":null}"#));
}

#[test]
fn versions_are_plain_integers() {
    let with = |version: &str| is_read(&credit(&format!(r#","expectedVersion":{version}"#), "", ""));
    for good in ["0", "1", "9223372036854775807", "null"] {
        assert!(with(good), "{good}");
    }
    for bad in ["4.0", "4e0", "-0", "-1", "9223372036854775808", "18446744073709551616", "\"4\"", "true"] {
        assert!(!with(bad), "{bad}");
    }
}

#[test]
fn metadata_are_flat_and_finite_and_at_most_4_kib_as_compact_json() {
    for good in ["1e308", "-1.7976931348623157e308", "1e-400", "0.10", "true", "\"\"", "12345678901234567890123"] {
        assert!(is_read(&credit("", "", &format!(r#","n":{good}"#))), "{good}");
    }
    for bad in ["null", "1e400", "-1e309", "[]", "{}", "[1]"] {
        assert!(!is_read(&credit("", "", &format!(r#","n":{bad}"#))), "{bad}");
    }
    // `{"m":1,"n":…}` leaves 4084 bytes.
    let verdicts =
        |member: &dyn Fn(usize) -> String| [4084, 4085].map(|bytes| is_read(&credit("", "", &member(bytes))));
    assert_eq!(verdicts(&|bytes| format!(r#","n":"{}""#, "x".repeat(bytes - 2))), [true, false]);
    assert_eq!(
        verdicts(&|bytes| format!(r#" , "n" : "{}" "#, r"\u0078".repeat(bytes - 2))),
        [true, false],
        "fewest escapes"
    );
    assert_eq!(
        verdicts(&|bytes| format!(r#","n":"x{}""#, r"\/".repeat(bytes - 3))),
        [true, false],
        "a slash needs none"
    );
    assert_eq!(verdicts(&|bytes| format!(r#","n":"{}""#, "\\\"".repeat((bytes - 2) / 2) + "x")), [false, false]);
    assert_eq!(
        verdicts(&|bytes| format!(r#","n":"{}""#, "ä".repeat((bytes - 2) / 2))),
        [true, true],
        "bytes, not characters"
    );
    assert_eq!(
        verdicts(&|bytes| format!(r#","n":1.{}"#, "0".repeat(bytes - 2))),
        [true, false],
        "numbers as they were sent"
    );
    let members: String = (0..100_000).map(|key| format!(r#","{key}":1"#)).collect();
    assert!(!is_read(&credit("", "", &members)));
}

#[test]
fn metadata_are_carried_compact_in_their_order_with_their_numbers() {
    let value = credit("", "", r#" , "b" : 1.50 , "\u0061":"\u0009\/\u00e4\ud83d\ude00\u0001\"" , "E":-0e+0,"":false"#);
    let AccountCommand::Credit(posting) = read(value.as_bytes()).unwrap().command.body else { panic!("a credit") };
    let expected = r#"{"m":1,"b":1.50,"a":"\t/ä😀\u0001\"","E":-0e+0,"":false}"#;
    assert_eq!(posting.metadata.as_deref(), Some(expected));
}
