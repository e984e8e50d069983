//! The commands an aggregate remembers, so that the same one again is answered and not done again.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::Unfit;
use super::ids::{CommandHash, CommandId, Version};

/// A command id with the number that tells it apart from most others at one glance.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprinted<'a> {
    id: &'a CommandId,
    fingerprint: u32,
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
        Fingerprinted { id, fingerprint: (spread >> 32) as u32 }
    }
}

/// What is remembered of one accepted command.
#[derive(Clone, PartialEq, Debug)]
pub struct Remembered {
    id: CommandId,
    /// Its content.
    pub hash: CommandHash,
    /// Where the aggregate stood after its last event.
    pub version: Version,
}

/// The last accepted commands of one aggregate, oldest first.
///
/// The fingerprints lie apart: looking through all 256 of them touches memory in a row and follows no pointer.
#[derive(Clone, PartialEq, Debug)]
pub struct Window {
    size: usize,
    fingerprints: VecDeque<u32>,
    commands: VecDeque<Remembered>,
}

impl Window {
    /// Remembers the last `size` commands; takes memory as they come.
    pub fn new(size: usize) -> Self {
        Window { size, fingerprints: VecDeque::new(), commands: VecDeque::new() }
    }

    /// The command of that id, if it is remembered.
    pub fn find(&self, wanted: &Fingerprinted<'_>) -> Option<&Remembered> {
        let (older, newer) = self.fingerprints.as_slices();
        // Almost every command is new.
        if !contains(older, wanted.fingerprint) && !contains(newer, wanted.fingerprint) {
            return None;
        }
        self.fingerprints
            .iter()
            .zip(&self.commands)
            .find(|(fingerprint, known)| **fingerprint == wanted.fingerprint && known.id == *wanted.id)
            .map(|(_, known)| known)
    }

    /// Remembers a command, or moves its version when this is a further event of the one remembered last.
    /// The oldest is forgotten when there are too many.
    pub fn remember(&mut self, id: &CommandId, hash: CommandHash, version: Version) {
        if let Some(last) = self.commands.back_mut()
            && last.id == *id
        {
            last.version = version;
            return;
        }
        if self.commands.len() >= self.size {
            self.fingerprints.pop_front();
            self.commands.pop_front();
        }
        if self.size > 0 {
            self.fingerprints.push_back(Fingerprinted::new(id).fingerprint);
            self.commands.push_back(Remembered { id: id.clone(), hash, version });
        }
    }

    /// Every remembered command, oldest first: its id, its content, and where the aggregate stood after its last event.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, CommandHash, Version)> {
        self.commands.iter().map(|known| (Cow::Borrowed(known.id.as_str()), known.hash, known.version))
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
fn contains(fingerprints: &[u32], wanted: u32) -> bool {
    fingerprints.chunks(64).any(|piece| piece.iter().fold(false, |found, known| found | (*known == wanted)))
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
