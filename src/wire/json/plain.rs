//! A shortcut for the JSON that almost everybody writes: on one line, objects of some strings without escapes, words
//! and whole numbers. What it takes apart is JSON for certain; about everything else it says nothing, and a parser decides.

use memchr::memchr;

/// Most members that are held.
const MOST: usize = 12;

/// Deepest nesting that is followed.
const DEEPEST: usize = 4;

/// The members of one object.
pub(super) struct Plain<'a> {
    members: [(&'a str, &'a str); MOST],
    len: usize,
}

impl<'a> Plain<'a> {
    /// The members of `text`, when it is an object of this kind and nothing else.
    pub(super) fn object(text: &'a str) -> Option<Self> {
        if text.as_bytes().chunks(256).any(has_other_than_plain) {
            return None;
        }
        let mut plain = Plain { members: [("", ""); MOST], len: 0 };
        let mut cursor = Cursor { text, at: 0 };
        cursor.skip_space();
        cursor.object(DEEPEST, &mut |key, value| {
            *plain.members.get_mut(plain.len)? = (key, value);
            plain.len += 1;
            Some(())
        })?;
        cursor.skip_space();
        (cursor.at == text.len()).then_some(plain)
    }

    /// Key and value of each, as they were sent.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.members.iter().take(self.len).copied()
    }
}

/// Backslashes and control characters. Looking at all bytes without stopping is done many at once.
fn has_other_than_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | (*byte < b' ') | (*byte == b'\\'))
}

/// Every step answers `None` at the first thing it does not know.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while self.expect(b' ').is_some() {}
    }

    fn object(&mut self, depth: usize, each: &mut dyn FnMut(&'a str, &'a str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        self.skip_space();
        if self.expect(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let start = self.at;
            self.value(depth)?;
            each(&key[1..key.len() - 1], &self.text[start..self.at])?;
            self.skip_space();
            if self.expect(b',').is_none() {
                return self.expect(b'}');
            }
            self.skip_space();
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(depth.checked_sub(1)?, &mut |_, _| Some(())),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'0'..=b'9' => self.whole_number(),
            _ => None,
        }
    }

    /// Without escapes the next quote is the end. The quotes are included.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.expect(b'"')?;
        self.at += memchr(b'"', &self.text.as_bytes()[self.at..])? + 1;
        Some(&self.text[start..self.at])
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn whole_number(&mut self) -> Option<()> {
        let digits = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let leads_with_zero = self.peek() == Some(b'0') && digits > 1;
        self.at += digits;
        // Behind it must come what ends a value; a fraction or an exponent is for the parser.
        let ends = matches!(self.peek(), Some(b',' | b'}' | b' '));
        (ends && !leads_with_zero).then_some(())
    }
}
