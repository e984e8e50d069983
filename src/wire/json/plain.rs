//! A shortcut for the JSON that almost everybody writes: on one line, objects of some strings without escapes, words
//! and whole numbers. What it takes apart is JSON for certain; about everything else it says nothing, and a parser decides.

/// Deepest nesting that is followed.
const DEEPEST: usize = 4;

/// Calls `each` with key and value of every member of `text`, as they were sent, when it is an object of this kind and
/// nothing else. On `None` that was not so, and what `each` was called with means nothing.
pub(super) fn object<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
    if text.as_bytes().chunks(256).any(has_other_than_plain) {
        return None;
    }
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    cursor.expect(b'{')?;
    cursor.skip_space();
    if cursor.expect(b'}').is_none() {
        loop {
            let (key, start) = cursor.key()?;
            cursor.value(DEEPEST)?;
            each(key, &text[start..cursor.at]);
            if !cursor.goes_on()? {
                break;
            }
        }
    }
    cursor.skip_space();
    (cursor.at == text.len()).then_some(())
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
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn skip_space(&mut self) {
        while self.expect(b' ').is_some() {}
    }

    /// The key of a member, and where its value starts.
    #[inline]
    fn key(&mut self) -> Option<(&'a str, usize)> {
        let start = self.at + 1;
        self.string()?;
        let key = &self.text[start..self.at - 1];
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some((key, self.at))
    }

    /// True when another member follows, false at the end of the object.
    #[inline]
    fn goes_on(&mut self) -> Option<bool> {
        self.skip_space();
        if self.expect(b',').is_none() {
            return self.expect(b'}').map(|()| false);
        }
        self.skip_space();
        Some(true)
    }

    #[inline]
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.nested(depth.checked_sub(1)?),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'0'..=b'9' => self.whole_number(),
            _ => None,
        }
    }

    fn nested(&mut self, depth: usize) -> Option<()> {
        self.expect(b'{')?;
        self.skip_space();
        if self.expect(b'}').is_some() {
            return Some(());
        }
        loop {
            self.key()?;
            self.value(depth)?;
            if !self.goes_on()? {
                return Some(());
            }
        }
    }

    /// Without escapes the next quote is the end.
    #[inline]
    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.at = quote(self.text.as_bytes(), self.at)? + 1;
        Some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
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

/// Where the next quote stands. Most strings are short, where eight bytes at a time and no call are fastest.
#[inline]
fn quote(bytes: &[u8], from: usize) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const QUOTES: u64 = EACH * b'"' as u64;
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let difference = u64::from_le_bytes(*word) ^ QUOTES;
        // The lowest byte whose upper bit is set here is the first that was zero; only bytes above it can be wrong.
        let zeros = difference.wrapping_sub(EACH) & !difference & (EACH << 7);
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes[at..].iter().position(|byte| *byte == b'"').map(|behind| at + behind)
}
