//! A shortcut for the JSON that almost everybody writes: objects of some strings without escapes, words and whole
//! numbers. What it takes apart is JSON for certain; about everything else it says nothing, and a parser decides.

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
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
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

    /// Quotes included.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.expect(b'"')?;
        self.at += plain_len(&self.text.as_bytes()[self.at..]);
        self.expect(b'"')?;
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
        let ends = matches!(self.peek(), Some(b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t'));
        (ends && !leads_with_zero).then_some(())
    }
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// How many bytes come before the first quote, backslash or control character, looked at eight at a time.
fn plain_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let ends = ends(u64::from_le_bytes(*word));
        if ends != 0 {
            return index * 8 + ends.trailing_zeros() as usize / 8;
        }
    }
    let is_end = |byte: &u8| matches!(byte, 0..=0x1F | b'"' | b'\\');
    words.len() * 8 + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// The high bit of the first byte that ends plain text, and perhaps of bytes behind it.
fn ends(word: u64) -> u64 {
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}
