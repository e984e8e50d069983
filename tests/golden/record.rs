//! A record as text: its key, a line for each header, an empty line and its value, byte by byte.

use std::fmt;

pub type Header = (Vec<u8>, Option<Vec<u8>>);

/// The parts of one record.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    pub value: Option<Vec<u8>>,
}

impl Record {
    /// Reads what [`Record`] displays.
    pub fn parse(text: &[u8]) -> Record {
        let text = str::from_utf8(text).unwrap();
        let (head, value) = text.split_once("\n\n").map_or((text, None), |(head, value)| (head, Some(value)));
        let mut lines = head.lines();
        let key = part(lines.next().unwrap().strip_prefix("key ").unwrap());
        let headers = lines.map(|line| {
            let (name, value) = line.strip_prefix("header ").unwrap().split_once(' ').unwrap();
            (part(name).unwrap(), part(value))
        });
        Record { key, headers: headers.collect(), value: value.map(|value| value.as_bytes().to_vec()) }
    }

    pub fn headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone {
        self.headers.iter().map(|(name, value)| (&**name, value.as_deref()))
    }
}

fn part(text: &str) -> Option<Vec<u8>> {
    (text != "null").then(|| text.strip_prefix('"').unwrap().strip_suffix('"').unwrap().as_bytes().to_vec())
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |part: Option<&[u8]>| match part {
            Some(part) => format!("\"{}\"", str::from_utf8(part).unwrap()),
            None => "null".to_owned(),
        };
        write!(f, "key {}", shown(self.key.as_deref()))?;
        for (name, value) in self.headers() {
            write!(f, "\nheader {} {}", shown(Some(name)), shown(value))?;
        }
        match &self.value {
            Some(value) => write!(f, "\n\n{}", str::from_utf8(value).unwrap()),
            None => Ok(()),
        }
    }
}

/// The bytes with one of them changed, each in turn, to what means something to JSON, to ids and to UTF-8.
pub fn damages(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).flat_map(move |place| {
        b"\"\\{}[,0x \xff".iter().map(move |byte| {
            let mut damaged = bytes.to_vec();
            damaged[place] = *byte;
            damaged
        })
    })
}
