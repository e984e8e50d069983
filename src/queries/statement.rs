//! Statements in the words of both stores.
//!
//! They differ in one thing: PostgreSQL has a type for moments, SQLite counts milliseconds. So `at "column"` in a
//! [`statement!`] is that column in milliseconds, and `moment "$1"` the parameter, in milliseconds, as something that
//! compares with such a column. Amounts are asked for as text, which keeps their decimals in both.

/// The same question to either store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement {
    pub(super) postgres: &'static str,
    pub(super) sqlite: &'static str,
}

/// Puts a [`Statement`] together from its parts.
macro_rules! statement {
    (@postgres at $column:literal) => { concat!("CAST(EXTRACT(EPOCH FROM ", $column, ") * 1000 AS BIGINT)") };
    (@postgres moment $parameter:literal) => {
        concat!("(TIMESTAMPTZ 'epoch' + CAST(", $parameter, " AS BIGINT) * INTERVAL '1 millisecond')")
    };
    (@sqlite $word:ident $column:literal) => { $column };
    ($($text:literal $($word:ident $of:literal)?)*) => {
        $crate::queries::statement::Statement {
            postgres: concat!($($text, $($crate::queries::statement::statement!(@postgres $word $of),)?)*),
            sqlite: concat!($($text, $($crate::queries::statement::statement!(@sqlite $word $of),)?)*),
        }
    };
}

/// All rows of a [`Statement`] with these arguments, in the moment of a [`super::Look`].
macro_rules! rows {
    ($look:expr, $row:ty, $statement:expr $(, $argument:expr)*) => {{
        let statement: $crate::queries::statement::Statement = $statement;
        let rows: Result<Vec<$row>, sqlx::Error> = match &mut $look.moment {
            $crate::queries::Snapshot::Postgres(moment) => {
                sqlx::query_as(statement.postgres)$(.bind($argument))*.fetch_all(&mut **moment).await
            }
            $crate::queries::Snapshot::Sqlite(moment) => {
                sqlx::query_as(statement.sqlite)$(.bind($argument))*.fetch_all(&mut **moment).await
            }
        };
        rows.map_err($crate::queries::Error::from)
    }};
}

pub(super) use {rows, statement};
