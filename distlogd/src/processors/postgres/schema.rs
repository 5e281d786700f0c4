//! The tables: made, and changed from version to version, by whoever connects first.

use tokio_postgres::types::ToSql;

use super::connection::Connection;
use crate::processor::Error;

/// What leads from each version to the next, beginning with nothing. `{schema}` is the name of the schema. What was
/// released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The newest version.
pub(crate) const VERSION: usize = MIGRATIONS.len();

/// One daemon at a time changes the tables of a schema. Until the transaction ends.
pub(super) fn lock(schema: &str) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('distlog {schema}', 0))")
}

/// Makes the tables what this program knows.
pub(super) async fn prepare(connection: &Connection, schema: &str, at: &str) -> Result<(), Error> {
    check_encoding(connection, at).await?;
    if version(connection, schema).await? == MIGRATIONS.len() {
        return Ok(());
    }
    connection
        .run("locking the schema", &format!("BEGIN; {}", lock(schema)))
        .await?;
    let result = migrate(connection, schema, at).await;
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.run("making the tables", end).await?;
    result
}

async fn migrate(connection: &Connection, schema: &str, at: &str) -> Result<(), Error> {
    // Another daemon may have been faster.
    let version = version(connection, schema).await?;
    let newest = MIGRATIONS.len();
    if version > newest {
        return Err(Error::retry(format_args!(
            "{at}: the tables in schema {schema} have version {version}, and this distlogd knows none beyond {newest}: \
             use a newer distlogd, or another `schema:`"
        )));
    }
    for (number, statements) in MIGRATIONS.iter().enumerate().skip(version) {
        let number = number + 1;
        if number == 1 {
            make_schema(connection, schema).await?;
        }
        let statements = statements.replace("{schema}", schema);
        connection
            .run(
                &format!("making version {number} of the tables"),
                &statements,
            )
            .await?;
        let note = format!("INSERT INTO {schema}.versions (version) VALUES ({number})");
        connection.run("noting the version", &note).await?;
    }
    Ok(())
}

/// A schema that is there already needs no right to make one.
async fn make_schema(connection: &Connection, schema: &str) -> Result<(), Error> {
    const ASK: &str = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let parameters: [&(dyn ToSql + Sync); 1] = [&schema];
    let asking = connection.client.query_one(ASK, &parameters);
    let row = connection.step("looking for the schema", asking).await?;
    if row.get::<_, i64>(0) == 0 {
        connection
            .run("making the schema", &format!("CREATE SCHEMA {schema}"))
            .await?;
    }
    let versions = format!(
        "CREATE TABLE {schema}.versions (version integer PRIMARY KEY, made timestamptz NOT NULL DEFAULT now())"
    );
    connection.run("making the tables", &versions).await
}

/// The version of the tables; 0 if there are none.
///
/// # Errors
/// If the server does not say it.
pub(crate) async fn version(connection: &Connection, schema: &str) -> Result<usize, Error> {
    const ASK: &str = "SELECT to_regclass($1) IS NOT NULL";
    let table = format!("{schema}.versions");
    let parameters: [&(dyn ToSql + Sync); 1] = [&table];
    let asking = connection.client.query_one(ASK, &parameters);
    let row = connection.step("looking for the tables", asking).await?;
    if !row.get::<_, bool>(0) {
        return Ok(0);
    }
    let ask = format!("SELECT coalesce(max(version), 0) FROM {table}");
    let asking = connection.client.query_one(&ask, &[]);
    let row = connection.step("reading the version", asking).await?;
    Ok(usize::try_from(row.get::<_, i32>(0)).unwrap_or_default())
}

/// A database in another encoding refuses texts in other alphabets.
async fn check_encoding(connection: &Connection, at: &str) -> Result<(), Error> {
    let asking = connection
        .client
        .query_one("SELECT current_setting('server_encoding')", &[]);
    let row = connection.step("asking for the encoding", asking).await?;
    match row.get(0) {
        "UTF8" => Ok(()),
        other => Err(Error::retry(format_args!(
            "{at}: the database is encoded in {other}, and records in UTF8: make one with `CREATE DATABASE … ENCODING \
             'UTF8' TEMPLATE template0`"
        ))),
    }
}
