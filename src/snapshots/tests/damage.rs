//! Files that were overwritten, cut off or put in the way, and a database that fails while it is in use.

use std::array;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_set_aside_counted_and_begun_anew() {
    let place = Place::new();
    for (round, config) in [b"XXXXXXXXXXXXXXXXXXXX".as_slice(), b"YYYYYYYYYYYYYYYYYYYY"].into_iter().enumerate() {
        filled(&place).await;
        overwrite(&place.files(round as u64 + 1).join("conf"), 0, config);
        assert!(matches!(Store::look(place.path(), CACHE), Err(Error::Unusable { .. })), "looking changes nothing");
        assert!(!place.aside().exists() || round > 0);
        let store = place.open();
        assert_eq!(place.discarded(), round + 1);
        let shelf = store.shelf("account", 0);
        assert_eq!((shelf.position().await, everything(&*shelf).await), (Ok(None), vec![]));
        let mut kept = Vec::new();
        File::open(place.aside().join("conf")).unwrap().read_to_end(&mut kept).unwrap();
        assert!(kept.starts_with(config), "the last one is kept, and no more than one");
    }
    assert!(!place.files(1).exists() && !place.files(2).exists() && place.files(3).exists());
    drop(place.open());
    assert!(!place.files(4).exists(), "one that is sound is gone on with");
}

#[tokio::test]
async fn a_database_that_ends_too_early_is_a_beginning_or_set_aside() {
    let place = Place::new();
    filled(&place).await;
    let whole = fs::metadata(place.database()).unwrap().len();
    let mut random = StdRng::seed_from_u64(7);
    let (mut older, mut discarded) = (0, 0);
    for part in 0..24 {
        let torn = Place::new();
        fs::create_dir_all(torn.files(1)).unwrap();
        for entry in fs::read_dir(place.database().parent().unwrap()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), torn.files(1).join(entry.file_name())).unwrap();
            }
        }
        let length = if part == 0 { whole } else { random.random_range(0..whole) };
        File::options().write(true).open(torn.database()).unwrap().set_len(length).unwrap();
        let store = torn.open();
        let checked = check_beginning(&*store.shelf("account", 0), 4_000).await;
        assert!(part > 0 || checked == Ok(Some(6)), "{checked:?}");
        older += usize::from(checked != Ok(Some(6)));
        assert_serves_again(&store).await;
        discarded += torn.discarded();
    }
    assert!(older > 12, "{older} lost something, {discarded} of them everything");
}

#[tokio::test]
async fn bytes_overwritten_on_disk_are_errors_and_never_a_panic_or_an_older_value() {
    let mut random = StdRng::seed_from_u64(11);
    let (mut failures, mut discarded) = (0, 0);
    for round in 0..16 {
        let place = Place::new();
        filled(&place).await;
        let whole = fs::metadata(place.database()).unwrap().len();
        let scribble = |random: &mut StdRng| {
            for _ in 0..40 {
                let noise: [u8; 64] = array::from_fn(|_| random.random());
                overwrite(&place.database(), random.random_range(0..whole - 64), &noise);
            }
        };
        if round % 2 == 0 {
            scribble(&mut random);
        }
        let store = place.open();
        let shelf = store.shelf("account", 0);
        if round % 2 == 1 && shelf.position().await.is_ok() {
            scribble(&mut random);
        }
        let is_settled = shelf.position().await == Ok(Some(vec![6]));
        for number in 0..4_000 {
            let loaded = shelf.load(vec![key(number)]).await;
            failures += usize::from(loaded.is_err());
            if let Ok(loaded) = loaded
                && is_settled
            {
                assert_eq!(loaded, [Some(value(number, 6))], "what was overwritten is never an older value");
            }
        }
        assert_serves_again(&store).await;
        discarded += place.discarded();
    }
    assert!(failures > 0, "reading what was overwritten is noticed");
    assert!(discarded > 0, "what was damaged is discarded");
}

/// What of the tree itself is turned back, or lost; the value that is asked for then, or none for a page.
type Harm = (fn(&sled::Tree), Option<u64>, &'static str);

fn place_of(tree: &sled::Tree, end: &[u8]) -> sled::IVec {
    tree.iter().keys().map(Result::unwrap).find(|place| place.ends_with(end)).unwrap()
}

/// The first record of what changed.
const FIRST_CHANGE: &[u8] = b"/changes/\0\0\0\0\0\0\0\0";

#[tokio::test]
async fn what_the_database_turns_back_or_loses_without_a_word_is_noticed() {
    let harms: [Harm; 9] = [
        (|tree| drop(tree.insert(place_of(tree, &key(3)), value(3, 1)).unwrap()), Some(3), "an older value"),
        (|tree| drop(tree.remove(place_of(tree, &key(3))).unwrap()), Some(3), "no value"),
        (
            |tree| drop(tree.insert(place_of(tree, &key(603)), value(603, 1)).unwrap()),
            Some(603),
            "an older value, not settled",
        ),
        (|tree| drop(tree.insert(place_of(tree, &key(3)), value(3, 1)).unwrap()), None, "an older value on a page"),
        (|tree| drop(tree.remove(place_of(tree, &key(3))).unwrap()), None, "no value on a page"),
        (|tree| drop(tree.remove(FIRST_CHANGE).unwrap()), Some(3), "no record of a change"),
        (|tree| drop(tree.insert(FIRST_CHANGE, b"nonsense").unwrap()), Some(3), "a record that is none"),
        (|tree| drop(tree.insert(POSITION, b"\0\0\0\0\0\0\0\0older").unwrap()), Some(3), "an older position"),
        (|tree| drop(tree.insert(POSITION, b"short").unwrap()), Some(3), "a position that is none"),
    ];
    for ((harm, wanted, what), is_alone) in harms.into_iter().flat_map(|harm| [(harm, true), (harm, false)]) {
        let place = Place::new();
        let store = place.open();
        let shelf = store.shelf("account", 0);
        for round in 1..=2 {
            shelf.save(generation(0..600, round)).await.unwrap();
            shelf.settle(vec![round as u8]).await.unwrap();
            shelf.save(generation(600..1200, round)).await.unwrap();
        }
        drop(store);
        let store = place.open();
        let harmed = probe(&store, 9).ask(move |database, _| {
            harm(&database.sled.open_tree("account/0")?);
            Ok(())
        });
        harmed.await.unwrap();
        let shelf = store.shelf("account", 0);
        let answer = match wanted {
            Some(number) if is_alone => shelf.load(vec![key(number)]).await.map(drop),
            Some(_) => shelf.load((0..1200).map(key).collect()).await.map(drop),
            None => shelf.page(None, 5_000).await.map(drop),
        };
        assert!(matches!(answer, Err(Error::Failed { .. })), "{what}: {answer:?}");
        assert_eq!(store.shelf("account", 0).position().await, Ok(None), "{what}: begun anew");
        assert_eq!(place.discarded(), 1, "{what}");
    }
}

#[tokio::test]
async fn after_a_panic_every_handle_hears_that_its_values_are_lost_and_fresh_ones_begin_anew() {
    let place = Place::new();
    let store = place.open();
    let (known, unseen) = (store.shelf("account", 1), store.shelf("account", 2));
    known.save(generation(0..10, 1)).await.unwrap();
    let broken = probe(&store, 0);
    broken.position().await.unwrap();
    let answer = broken.ask::<()>(|_, _| panic!("on purpose")).await;
    assert_eq!(answer, Err(lost(0)));
    assert_eq!(broken.position().await, Err(lost(0)));
    assert_eq!(known.load(vec![key(1)]).await, Err(lost(1)), "never an older value, never none");
    assert!(!lost(1).is_retriable());
    let first = probe(&store, 3).ask::<()>(|_, _| panic!("on purpose")).await;
    assert_eq!(first, Err(failed(3, "the database panicked")), "nothing of it was relied on");
    assert_eq!(unseen.position().await, Ok(None), "who relied on nothing has lost nothing");
    assert_eq!(place.discarded(), 2);
    assert_eq!(known.load(vec![key(1)]).await, Err(lost(1)));
    assert_eq!(everything(&*store.shelf("account", 1)).await, vec![]);
    assert_serves_again(&store).await;
    assert_eq!(place.discarded(), 2, "one that is sound is not begun anew");
}

#[tokio::test]
async fn a_database_that_refuses_is_asked_again_and_replaced_when_somebody_comes_new() {
    let place = Place::new();
    let store = place.open();
    let known = store.shelf("account", 1);
    known.save(generation(0..10, 1)).await.unwrap();
    let full = probe(&store, 0);
    full.position().await.unwrap();
    let refuse = || full.ask::<()>(|_, _| Err(sled::Error::from(io::Error::from(ErrorKind::StorageFull)).into()));
    let error = refuse().await.unwrap_err();
    assert!(error.is_retriable() && matches!(error, Error::Failed { .. }), "{error:?}");
    assert!(refuse().await.unwrap_err().is_retriable());
    assert_eq!(full.position().await, Ok(None), "who tries again may be served");
    assert_eq!(known.load(vec![key(1)]).await, Ok(vec![Some(value(1, 1))]), "what was acknowledged is there");
    assert_eq!(store.shelf("account", 2).position().await, Ok(None));
    assert_eq!((place.discarded(), place.aside().exists()), (1, false), "nothing is damaged");
    assert_eq!(known.load(vec![key(1)]).await, Err(lost(1)));
    assert_serves_again(&store).await;
}
