//! The commands an aggregate remembers, so that the same one again is answered and not done again.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use super::Unfit;
use super::ids::{CommandHash, CommandId, Version};

/// A command id with the number that tells it apart from most others at one glance.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprinted<'a> {
    id: &'a CommandId,
    fingerprint: u16,
}

impl<'a> Fingerprinted<'a> {
    /// The id with its fingerprint: its two ends, where ids that count and ids drawn at random both differ.
    pub fn new(id: &'a CommandId) -> Self {
        /// An odd number without pattern, which spreads every bit over the upper half of a product.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let bytes = id.as_str().as_bytes();
        let short = || bytes.iter().take(8).fold(0, |word: u64, byte| word.rotate_left(8) ^ u64::from(*byte));
        let head = bytes.first_chunk().map_or_else(short, |head| u64::from_le_bytes(*head));
        let tail = bytes.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail));
        let spread = (head.rotate_left(29) ^ tail).wrapping_mul(SPREAD);
        Fingerprinted { id, fingerprint: (spread >> 48) as u16 }
    }
}

/// What is remembered of one accepted command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// Its content.
    pub hash: CommandHash,
    /// Where the aggregate stood after its last event.
    pub version: Version,
    id_len: u8,
}

/// The last accepted commands of one aggregate, oldest first.
///
/// Fingerprints and ids lie apart, each in a row: looking through all 256 follows no pointer, and remembering one
/// more asks for no memory once the window is full.
#[derive(Clone, PartialEq, Debug)]
pub struct Window {
    size: usize,
    fingerprints: VecDeque<u16>,
    commands: VecDeque<Remembered>,
    /// The ids of all commands, one behind the other.
    ids: VecDeque<u8>,
}

impl Window {
    /// Remembers the last `size` commands; takes memory as they come.
    pub fn new(size: usize) -> Self {
        Window { size, fingerprints: VecDeque::new(), commands: VecDeque::new(), ids: VecDeque::new() }
    }

    /// The command of that id, if it is remembered.
    pub fn find(&self, wanted: &Fingerprinted<'_>) -> Option<&Remembered> {
        let (older, newer) = self.fingerprints.as_slices();
        // Almost every command is new.
        if !contains(older, wanted.fingerprint) && !contains(newer, wanted.fingerprint) {
            return None;
        }
        let ends = self.commands.iter().scan(0usize, |end, known| {
            let start = *end;
            *end = start.saturating_add(known.id_len.into());
            Some((start..*end, known))
        });
        let alike = self.fingerprints.iter().zip(ends).filter(|(fingerprint, _)| **fingerprint == wanted.fingerprint);
        alike.map(|(_, place)| place).find(|(place, _)| self.is_id(place.clone(), wanted.id)).map(|(_, known)| known)
    }

    fn is_id(&self, place: Range<usize>, id: &CommandId) -> bool {
        place.len() == id.as_str().len() && self.ids.range(place).eq(id.as_str().as_bytes())
    }

    fn is_last(&self, wanted: &Fingerprinted<'_>) -> bool {
        let last = self.commands.back().filter(|_| self.fingerprints.back() == Some(&wanted.fingerprint));
        let start = last.and_then(|last| self.ids.len().checked_sub(last.id_len.into()));
        start.is_some_and(|start| self.is_id(start..self.ids.len(), wanted.id))
    }

    /// Remembers a command, or moves its version when this is a further event of the one remembered last.
    /// The oldest is forgotten when there are too many.
    pub fn remember(&mut self, id: &CommandId, hash: CommandHash, version: Version) {
        let remembered = Fingerprinted::new(id);
        if self.is_last(&remembered) {
            self.commands.back_mut().into_iter().for_each(|last| last.version = version);
            return;
        }
        if self.commands.len() >= self.size
            && let Some(oldest) = self.commands.pop_front()
        {
            self.fingerprints.pop_front();
            self.ids.drain(..usize::from(oldest.id_len));
        }
        if self.size > 0 {
            let text = id.as_str().as_bytes();
            // No id is longer than 128 characters.
            let id_len = u8::try_from(text.len()).unwrap_or(u8::MAX);
            self.fingerprints.push_back(remembered.fingerprint);
            self.commands.push_back(Remembered { hash, version, id_len });
            self.ids.extend(text);
        }
    }

    /// Every remembered command, oldest first: its id, its content, and where the aggregate stood after its last event.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, CommandHash, Version)> {
        let mut end = 0usize;
        self.commands.iter().map(move |known| {
            let start = end;
            end = start.saturating_add(known.id_len.into());
            (self.id_at(start..end), known.hash, known.version)
        })
    }

    /// The id that lies there: in one piece, but for one that goes round the end.
    fn id_at(&self, place: Range<usize>) -> Cow<'_, str> {
        let (front, back) = self.ids.as_slices();
        let moved = |at: usize| at.checked_sub(front.len());
        let in_back = || back.get(moved(place.start)?..moved(place.end)?);
        match front.get(place.clone()).or_else(in_back).and_then(|bytes| str::from_utf8(bytes).ok()) {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.ids.range(place).copied().map(char::from).collect()),
        }
    }

    /// The window of this size that remembers these commands, oldest first.
    ///
    /// # Errors
    /// More commands than it has room for, versions that do not rise, and one command twice in a row.
    pub fn restored(
        size: usize,
        commands: impl IntoIterator<Item = (CommandId, CommandHash, Version)>,
    ) -> Result<Self, Unfit> {
        let mut window = Window::new(size);
        let (mut standing, mut last) = (Version::NONE, None);
        for (count, (id, hash, version)) in commands.into_iter().enumerate() {
            if count >= size {
                return Err(Unfit::Contradiction("more commands are remembered than there is room for"));
            }
            if version <= standing {
                return Err(Unfit::Contradiction("the commands that are remembered are not in their order"));
            }
            if last.as_ref() == Some(&id) {
                return Err(Unfit::Contradiction("a command is remembered twice in a row"));
            }
            window.remember(&id, hash, version);
            (standing, last) = (version, Some(id));
        }
        Ok(window)
    }
}

/// Looking at many without stopping is done several at once.
fn contains(fingerprints: &[u16], wanted: u16) -> bool {
    fingerprints.chunks(128).any(|piece| piece.iter().fold(false, |found, known| found | (*known == wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> CommandId {
        CommandId::parse(&format!("command-{number:08}")).unwrap()
    }

    const HASH: CommandHash = CommandHash([7; 16]);

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut window = Window::new(2);
        for number in 1..=3 {
            window.remember(&id(number), HASH, Version(number));
        }
        assert_eq!(window.find(&Fingerprinted::new(&id(1))), None);
        assert_eq!(window.find(&Fingerprinted::new(&id(2))).unwrap().version, Version(2));
        assert_eq!(window.find(&Fingerprinted::new(&id(3))).unwrap().version, Version(3));
    }

    #[test]
    fn a_command_of_two_events_is_remembered_once_at_its_last() {
        let mut window = Window::new(2);
        window.remember(&id(1), HASH, Version(1));
        window.remember(&id(2), HASH, Version(2));
        window.remember(&id(2), HASH, Version(3));
        assert_eq!(window.find(&Fingerprinted::new(&id(1))).unwrap().version, Version(1));
        assert_eq!(window.find(&Fingerprinted::new(&id(2))).unwrap().version, Version(3));
    }

    #[test]
    fn ids_with_equal_ends_are_told_apart() {
        let mut window = Window::new(8);
        let twin = |middle: &str| CommandId::parse(&format!("same-head-{middle}-same-tail")).unwrap();
        window.remember(&twin("a"), HASH, Version(1));
        assert_eq!(window.find(&Fingerprinted::new(&twin("b"))), None);
    }

    #[test]
    fn a_window_is_restored_from_what_it_tells_and_from_nothing_that_it_never_tells() {
        let mut window = Window::new(3);
        for number in 1..=5 {
            window.remember(&id(number), HASH, Version(2 * number));
        }
        let told: Vec<_> = window.iter().map(|(id, hash, at)| (CommandId::parse(&id).unwrap(), hash, at)).collect();
        assert_eq!(told, [3, 4, 5].map(|number| (id(number), HASH, Version(2 * number))));
        assert_eq!(Window::restored(3, told.clone()), Ok(window));
        let remembered = |number, at| (id(number), HASH, Version(at));
        for (size, commands) in [
            (2, told),
            (0, vec![remembered(1, 1)]),
            (3, vec![remembered(1, 0)]),
            (3, vec![remembered(1, 2), remembered(2, 2)]),
            (3, vec![remembered(1, 2), remembered(2, 1)]),
            (3, vec![remembered(1, 1), remembered(1, 2)]),
        ] {
            assert!(Window::restored(size, commands.clone()).is_err(), "{size} {commands:?}");
        }
    }

    #[test]
    fn a_window_of_none_remembers_nothing() {
        let mut window = Window::new(0);
        window.remember(&id(1), HASH, Version(1));
        assert_eq!(window.find(&Fingerprinted::new(&id(1))), None);
    }
}
