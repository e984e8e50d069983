//! What this engine asks of JSON beyond its grammar, in one look at the whole text: fields that are ignored
//! count too, and parsers that skip them would not tell.

use memchr::memchr_iter;

use super::Fault;

/// Most levels of nesting, the top one counted as 1.
pub const MAX_DEPTH: usize = 127;

/// The text of `value`: UTF-8, not nested too deep, without escapes of U+0000 or of half a surrogate pair.
/// Whether it is JSON at all remains for a parser to say.
///
/// # Errors
/// The first of these that does not hold.
pub fn document(value: &[u8]) -> Result<&str, Fault> {
    let text = str::from_utf8(value).map_err(|error| Fault::NotUtf8 { at: error.valid_up_to() })?;
    escapes(text)?;
    // Counting alone is ten times faster, and almost always enough.
    if openings(value) > MAX_DEPTH && deepest(value) > MAX_DEPTH { Err(Fault::TooDeep) } else { Ok(text) }
}

/// How many brackets open, strings included. Pieces whose count fits a byte are counted many bytes at once.
fn openings(json: &[u8]) -> usize {
    let of_piece = |piece: &[u8]| piece.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    json.chunks(255).map(|piece| usize::from(of_piece(piece))).sum()
}

/// In JSON a backslash stands inside a string and begins an escape, so no more of the grammar is needed.
fn escapes(text: &str) -> Result<(), Fault> {
    let mut behind_escape = 0;
    for at in memchr_iter(b'\\', text.as_bytes()) {
        if at >= behind_escape {
            behind_escape = at + escape_len(text, at).ok_or(Fault::ForbiddenCharacter { at })?;
        }
    }
    Ok(())
}

/// The length of the escape at that place, or of two that make a pair; `None` when it is forbidden.
fn escape_len(text: &str, at: usize) -> Option<usize> {
    match utf16_unit(text, at) {
        None => Some(2),
        Some(0 | 0xDC00..=0xDFFF) => None,
        Some(0xD800..=0xDBFF) => matches!(utf16_unit(text, at + 6)?, 0xDC00..=0xDFFF).then_some(12),
        Some(_) => Some(6),
    }
}

/// The number in the escape `\uXXXX` at that place, if it is one.
fn utf16_unit(text: &str, at: usize) -> Option<u32> {
    let digits = text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

fn deepest(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}
