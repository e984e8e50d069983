//! The directory of a node: one owner at a time, and in it a database that is sound or set aside.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;

const LOCK: &str = "lock";
/// Databases by number. There is one; the next has another number, so that what is left of one that failed, and may
/// still hold on to its path, cannot write into it.
const DATABASES: &str = "snapshots";
/// The last database that could not be used, for whoever wants to know why.
const ASIDE: &str = "snapshots.damaged";
const PROBE: &str = "probe";

/// More than a database needs to begin.
const PROBE_BYTES: usize = 2 << 20;

/// After this, what was acknowledged is on the disk at the latest. Until then a crash makes it older, not wrong.
const FLUSH: Duration = Duration::from_millis(500);

/// A database that was just closed by this process may hold its files a moment longer.
const LINGERING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// A directory that nobody else has; dropping it gives it back.
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
    /// Of the database in it.
    number: u64,
}

/// Why a database is not there.
#[derive(Clone, Debug)]
pub(super) enum Ailment {
    /// The system refuses: no space, no permission. Another database would fare no better.
    Refused(String),
    /// Its files make no sense, or make it panic.
    Damaged(String),
}

impl Directory {
    /// Takes the directory, which has to be there.
    ///
    /// # Errors
    /// [`Error::Locked`] when another engine has it, [`Error::Unusable`] when the system refuses.
    pub(super) fn take(path: &Path) -> Result<Directory, Error> {
        let unusable = |error: io::Error| unusable(path, &error.to_string());
        let lock = File::options().create(true).write(true).truncate(false).open(path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {
                Ok(Directory { path: path.to_owned(), lock, number: highest_in(&path.join(DATABASES)).unwrap_or(1) })
            }
            Err(TryLockError::WouldBlock) => Err(Error::Locked { directory: path.display().to_string() }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn database(&self) -> PathBuf {
        self.path.join(DATABASES).join(self.number.to_string())
    }

    /// True when there is a database to be opened.
    pub(super) fn has_database(&self) -> bool {
        self.database().exists()
    }

    /// Opens the database, and makes it first when it is not there.
    pub(super) fn open(&self, cache_bytes: NonZeroUsize) -> Result<sled::Db, Ailment> {
        let config = sled::Config::new()
            .path(self.database())
            .cache_capacity(cache_bytes.get() as u64)
            .flush_every_ms(Some(FLUSH.as_millis() as u64));
        let patient_until = Instant::now() + LINGERING;
        loop {
            match catch_unwind(AssertUnwindSafe(|| config.open())) {
                Ok(Ok(database)) => return Ok(database),
                Ok(Err(error)) if is_held(&error) && Instant::now() < patient_until => thread::sleep(PAUSE),
                Ok(Err(error)) => return Err(Ailment::of(&error)),
                Err(_) => return Err(Ailment::Damaged("opening it panics".to_owned())),
            }
        }
    }

    /// Puts the database out of the way, in the place of the one that was put there before.
    pub(super) fn set_aside(&mut self) -> io::Result<()> {
        let aside = self.path.join(ASIDE);
        remove_if_there(&aside)?;
        fs::rename(self.database(), &aside)?;
        self.number += 1;
        Ok(())
    }

    /// Removes the database.
    pub(super) fn discard(&mut self) -> io::Result<()> {
        remove_if_there(&self.database())?;
        self.number += 1;
        Ok(())
    }

    /// Removes every database, also the one that was set aside.
    pub(super) fn clear(&self) -> io::Result<()> {
        remove_if_there(&self.path.join(DATABASES))?;
        remove_if_there(&self.path.join(ASIDE))
    }

    /// True when a file of some size can be written here.
    pub(super) fn takes_writes(&self) -> bool {
        let probe = self.path.join(PROBE);
        let written = File::create(&probe).and_then(|mut file| {
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_all()
        });
        let removed = remove_file_if_there(&probe);
        written.and(removed).is_ok()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file would not do while a process that is just being started has a copy of it.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(directory = %self.path.display(), %error, "could not give the data directory back");
        }
    }
}

impl Ailment {
    pub(super) fn of(error: &sled::Error) -> Ailment {
        let text = error.to_string();
        match error {
            sled::Error::Io(io) if is_the_systems(io) || is_held(error) => Ailment::Refused(text),
            _ => Ailment::Damaged(text),
        }
    }

    pub(super) fn reason(&self) -> &str {
        let (Ailment::Refused(reason) | Ailment::Damaged(reason)) = self;
        reason
    }
}

impl From<sled::Error> for Ailment {
    fn from(error: sled::Error) -> Self {
        Ailment::of(&error)
    }
}

pub(super) fn unusable(path: &Path, reason: &str) -> Error {
    Error::Unusable { directory: path.display().to_string(), reason: reason.to_owned() }
}

/// Errors that say nothing about what is in the files.
fn is_the_systems(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::FileTooLarge
            | ErrorKind::OutOfMemory
            | ErrorKind::Interrupted
    ) || error.raw_os_error() == Some(TOO_MANY_OPEN_FILES)
}

/// `EMFILE`, which the standard library has no kind for.
const TOO_MANY_OPEN_FILES: i32 = 24;

/// True for the lock of the database itself. Nobody else has the directory, so it is this process that holds it.
fn is_held(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(io) if io.to_string().starts_with("could not acquire lock"))
}

fn remove_file_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The highest number that is the name of something there.
fn highest_in(directory: &Path) -> Option<u64> {
    let names = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).max()
}
