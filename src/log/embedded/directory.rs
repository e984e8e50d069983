//! The directory: one owner at a time, and in it a database that is whole or not there at all.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use redb::Database;

const LOCK: &str = "lock";

const DATABASE: &str = "log.redb";

/// Where a database is made; one that is killed meanwhile could not be opened again.
const UNFINISHED: &str = "log.redb.unfinished";

/// Pages that the database may keep in memory; the system caches the file as well.
const CACHE: usize = 64 * 1024 * 1024;

/// True when a database lies there.
pub(super) fn has_database(path: &Path) -> bool {
    path.join(DATABASE).is_file()
}

/// A directory that nobody else has; dropping it gives it back.
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Takes the directory, and makes it first when it is not there; `None` when somebody else has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Directory>> {
        fs::create_dir_all(path)?;
        let lock = File::options().create(true).write(true).truncate(false).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Directory { path: path.to_owned(), lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The database in it; when there is none, `fill` makes what a new one holds.
    pub(super) fn database(
        &self,
        fill: impl FnOnce(&Database) -> Result<(), redb::Error>,
    ) -> Result<Database, redb::Error> {
        let path = self.path.join(DATABASE);
        if !path.try_exists()? {
            let unfinished = self.path.join(UNFINISHED);
            if unfinished.try_exists()? {
                fs::remove_file(&unfinished)?;
            }
            let database = Database::create(&unfinished)?;
            fill(&database)?;
            database.close()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.path)?.sync_all()?;
        }
        Ok(Database::builder().set_cache_size(CACHE).open(path)?)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file would not do while a process that is just being started has a copy of it.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(directory = %self.path.display(), %error, "could not give the log's directory back");
        }
    }
}
