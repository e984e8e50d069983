//! Shelves on real directories.

mod damage;
mod killed;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::tree::TreeShelf;
use super::worker::{Handle, QUEUE, UNSEEN};
use super::*;

const CACHE: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();

/// A directory, and how often its snapshots were discarded.
struct Place {
    directory: TempDir,
    discarded: Arc<AtomicUsize>,
}

impl Place {
    fn new() -> Self {
        Place { directory: TempDir::new().unwrap(), discarded: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Store, Error> {
        let discarded = self.discarded.clone();
        let count = move || {
            discarded.fetch_add(1, Ordering::SeqCst);
        };
        let store = Store::open(self.path(), CACHE, Box::new(count))?;
        // On a thread of its own: a test's own runtime is at work.
        let opened = store.opened();
        let waiting = thread::spawn(|| Builder::new_current_thread().build().unwrap().block_on(opened));
        waiting.join().unwrap().map(|()| store)
    }

    fn discarded(&self) -> usize {
        self.discarded.load(Ordering::SeqCst)
    }

    /// The files of the database of that number.
    fn files(&self, number: u64) -> PathBuf {
        self.path().join("snapshots").join(number.to_string())
    }

    fn database(&self) -> PathBuf {
        self.files(1).join("db")
    }

    fn aside(&self) -> PathBuf {
        self.path().join("snapshots.damaged")
    }
}

fn key(number: u64) -> Key {
    format!("acc-{number:05}").into_bytes().into()
}

fn value(number: u64, generation: u64) -> Vec<u8> {
    format!("{generation} {}", "x".repeat(number as usize % 400)).into_bytes()
}

fn generation(numbers: std::ops::Range<u64>, generation: u64) -> Vec<(Key, Vec<u8>)> {
    numbers.map(|number| (key(number), value(number, generation))).collect()
}

fn generation_of(value: &[u8]) -> u64 {
    str::from_utf8(value).unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// Every value, read page by page, in the order of the keys.
async fn everything(shelf: &dyn Shelf) -> Vec<(Key, Vec<u8>)> {
    let mut values: Vec<(Key, Vec<u8>)> = Vec::new();
    loop {
        let page = shelf.page(values.last().map(|(key, _)| key.clone()), 70).await.unwrap();
        assert!(page.len() <= 70);
        if page.is_empty() {
            values.sort_unstable();
            return values;
        }
        values.extend(page);
    }
}

/// A shelf that does what the test asks with the database itself.
fn probe(store: &Store, partition: u32) -> TreeShelf {
    let (aggregate, tree, life) = ("account".into(), format!("account/{partition}").into(), UNSEEN.into());
    store.probe(Handle { aggregate, partition, tree, life })
}

fn failed(partition: u32, reason: &str) -> Error {
    Error::Failed { aggregate: "account".into(), partition, reason: reason.into() }
}

fn lost(partition: u32) -> Error {
    Error::Lost { aggregate: "account".into(), partition }
}

#[tokio::test]
async fn what_is_saved_is_there_after_opening_again_each_shelf_for_itself() {
    let place = Place::new();
    {
        let store = place.open();
        let [first, second] = [0, 1].map(|partition| store.shelf("account", partition));
        assert_eq!(first.position().await, Ok(None));
        first.save(generation(0..450, 1)).await.unwrap();
        first.save(generation(3..4, 2)).await.unwrap();
        first.settle(b"here".to_vec()).await.unwrap();
        second.save(generation(7..8, 5)).await.unwrap();
    }
    let looking = Store::look(place.path(), CACHE).unwrap().unwrap();
    assert_eq!(looking.present(), [("account".to_owned(), 0), ("account".to_owned(), 1)]);
    drop(looking);
    let store = place.open();
    let [first, second] = [0, 1].map(|partition| store.shelf("account", partition));
    assert_eq!(first.position().await, Ok(Some(b"here".to_vec())));
    let loaded = first.load(vec![key(4), key(3), key(999), key(4)]).await.unwrap();
    assert_eq!(loaded, [Some(value(4, 1)), Some(value(3, 2)), None, Some(value(4, 1))]);
    let mut expected = generation(0..450, 1);
    expected[3].1 = value(3, 2);
    assert_eq!(everything(&*first).await, expected, "in order, without the position");
    assert_eq!(second.position().await, Ok(None));
    assert_eq!(everything(&*second).await, generation(7..8, 5));
    assert_eq!(place.discarded(), 0);
}

#[tokio::test]
async fn a_load_sees_every_save_that_was_asked_before_it_however_they_are_awaited() {
    let place = Place::new();
    let store = place.open();
    let shelf = store.shelf("account", 0);
    // Nobody awaits any of them yet.
    let asked: Vec<_> = (0..300)
        .map(|round| (shelf.save(generation(0..3, round)), shelf.load(vec![key(1)]), shelf.settle(vec![round as u8])))
        .collect();
    let position = shelf.position();
    let (mut saves, mut loads, mut settles) = (Vec::new(), Vec::new(), Vec::new());
    for (save, load, settle) in asked {
        saves.push(save);
        loads.push(load);
        settles.push(settle);
    }
    // The last are awaited first.
    loads.reverse();
    let (loaded, saved, settled, position) =
        tokio::join!(join_all(loads), join_all(saves), join_all(settles), position);
    for (answered, round) in loaded.into_iter().zip((0..300).rev()) {
        assert_eq!(answered, Ok(vec![Some(value(1, round))]));
    }
    assert!(saved.iter().chain(&settled).all(Result::is_ok));
    assert_eq!(position, Ok(Some(vec![299u64 as u8])));
}

#[tokio::test]
async fn what_finds_the_queue_full_is_not_done_and_may_be_tried_again() {
    let place = Place::new();
    let store = place.open();
    let shelf = store.shelf("account", 0);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let busy = probe(&store, 0).ask(move |_, _| {
        wait.recv().ok();
        Ok(())
    });
    let answers: Vec<_> = (0..QUEUE + 100).map(|_| shelf.save(generation(0..1, 1))).collect();
    drop(go);
    let (done, refused): (Vec<_>, Vec<_>) = join_all(answers).await.into_iter().partition(Result::is_ok);
    assert_eq!(busy.await, Ok(()));
    assert!(done.len() >= QUEUE - 1 && refused.len() >= 99, "{} done, {} refused", done.len(), refused.len());
    assert!(refused.iter().all(|answer| answer.as_ref().is_err_and(Error::is_retriable)), "{:?}", refused[0]);
    assert_eq!(shelf.save(generation(0..1, 2)).await, Ok(()));
}

#[tokio::test]
async fn what_is_queued_when_the_store_is_dropped_is_still_done_and_nothing_after_it() {
    let place = Place::new();
    let store = place.open();
    let shelf = store.shelf("account", 0);
    let saves: Vec<_> = (0..20).map(|round| shelf.save(generation(round..round + 1, 1))).collect();
    drop(store);
    assert!(join_all(saves).await.iter().all(Result::is_ok));
    assert_eq!(shelf.position().await, Err(Error::Closed));
    assert!(!Error::Closed.is_retriable());
    assert_eq!(everything(&*place.open().shelf("account", 0)).await, generation(0..20, 1));
}

#[tokio::test]
async fn a_cleared_shelf_is_empty_and_its_neighbour_is_not() {
    let place = Place::new();
    let store = place.open();
    let [first, second] = [0, 1].map(|partition| store.shelf("account", partition));
    for shelf in [&first, &second] {
        shelf.save(generation(0..500, 1)).await.unwrap();
        shelf.settle(b"there".to_vec()).await.unwrap();
    }
    first.clear().await.unwrap();
    assert_eq!((first.position().await, everything(&*first).await), (Ok(None), vec![]));
    first.save(generation(5..6, 2)).await.unwrap();
    drop(store);
    let store = place.open();
    let [first, second] = [0, 1].map(|partition| store.shelf("account", partition));
    assert_eq!((first.position().await, everything(&*first).await), (Ok(None), generation(5..6, 2)));
    assert_eq!(second.position().await, Ok(Some(b"there".to_vec())));
    assert_eq!(everything(&*second).await, generation(0..500, 1));
}

#[tokio::test]
async fn a_directory_has_one_owner_at_a_time() {
    let place = Place::new();
    let store = place.open();
    let locked = Error::Locked { directory: place.path().display().to_string() };
    assert_eq!(place.try_open().err(), Some(locked.clone()));
    assert_eq!(Store::look(place.path(), CACHE).err(), Some(locked.clone()));
    assert_eq!(Store::remove(place.path()).err(), Some(locked));
    assert_eq!(place.discarded(), 0, "nobody moved aside what is in use");
    drop(store);
    drop(place.open());
    assert_eq!(Store::remove(place.path()), Ok(true));
    assert_eq!(Store::remove(place.path()), Ok(false));
    assert!(Store::look(place.path(), CACHE).unwrap().is_none());
    assert!(Store::look(&place.path().join("none"), CACHE).unwrap().is_none());
    assert!(!place.path().join("none").exists(), "looking makes nothing");
}

#[test]
fn a_directory_that_cannot_be_one_is_an_error_that_names_it() {
    let place = Place::new();
    let file = place.path().join("file");
    fs::write(&file, "somebody's notes").unwrap();
    let error = Store::open(&file, CACHE, Box::new(|| ())).err().unwrap();
    assert!(matches!(&error, Error::Unusable { directory, .. } if *directory == file.display().to_string()), "{error}");
    assert_eq!(fs::read_to_string(file).unwrap(), "somebody's notes");
    let foreign = place.path().join("snapshots");
    fs::write(&foreign, "somebody's other notes").unwrap();
    assert!(matches!(place.try_open(), Err(Error::Unusable { .. })));
    assert_eq!(fs::read_to_string(foreign).unwrap(), "somebody's other notes");
}

/// Fills a database so that it has values on disk that no cache holds; returns when it is closed.
async fn filled(place: &Place) {
    let store = place.open();
    let shelf = store.shelf("account", 0);
    for round in 1..=6 {
        shelf.save(generation(0..4_000, round)).await.unwrap();
        shelf.settle(vec![round as u8]).await.unwrap();
    }
}

/// What is left must be a beginning of what was written: with a position, everything that was saved before it.
async fn check_beginning(shelf: &dyn Shelf, saved: u64) -> Result<Option<u64>, Error> {
    let position = shelf.position().await?.map(|position| u64::from(position[0]));
    if let Some(settled) = position {
        for from in (0..saved).step_by(500) {
            let keys: Vec<Key> = (from..from + 500).map(key).collect();
            for (value, number) in shelf.load(keys).await?.into_iter().zip(from..) {
                let value = value.unwrap_or_else(|| panic!("value {number} is missing at position {settled}"));
                assert!(generation_of(&value) >= settled, "value {number} is older than position {settled}");
                assert_eq!(value, self::value(number, generation_of(&value)));
            }
        }
    }
    Ok(position)
}

/// Whatever happened before, fresh handles come to a shelf that keeps what it is given.
async fn assert_serves_again(store: &Store) {
    for _ in 0..10 {
        let shelf = store.shelf("account", 3);
        let served = async {
            shelf.clear().await?;
            shelf.save(generation(0..10, 9)).await?;
            shelf.settle(b"again".to_vec()).await?;
            let mut values = shelf.page(None, 100).await?;
            values.sort_unstable();
            Ok::<_, Error>((shelf.position().await?, values))
        };
        if let Ok(served) = served.await {
            return assert_eq!(served, (Some(b"again".to_vec()), generation(0..10, 9)));
        }
    }
    panic!("ten fresh handles in a row came to nothing");
}
