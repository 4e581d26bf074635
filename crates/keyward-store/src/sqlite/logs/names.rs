//! Texts that many entries share.

use std::collections::{BTreeSet, HashMap};

use sqlx::{QueryBuilder, Sqlite, query_builder::Separated, sqlite::SqliteConnection};

use crate::{column::list, failure::Failure};

/// The most texts that are shared. A client that makes up a new path for every request would fill the disk with texts that
/// nobody shares.
const MOST: i64 = 10_000;

/// SQL that gives the text of a column of `log`, which stands under the name `l`.
pub(super) fn text_of(column: &str) -> String {
    format!(
        "coalesce((SELECT n.text FROM log_name AS n WHERE n.id = l.{column}), CAST(l.{column} AS TEXT))"
    )
}

/// How texts stand in `log`.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, i64>);

impl Names {
    /// Finds texts, and makes those that are not there as long as there is room.
    pub(super) async fn of(
        connection: &mut SqliteConnection,
        texts: BTreeSet<String>,
    ) -> Result<Self, Failure> {
        let mut known = HashMap::new();
        let found: Vec<(String, i64)> = sqlx::query_as(
            "SELECT n.text, n.id FROM json_each($1) AS j CROSS JOIN log_name AS n ON n.text = j.value",
        )
        .bind(list(texts.iter().cloned()))
        .fetch_all(&mut *connection)
        .await?;
        known.extend(found);
        let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM log_name")
            .fetch_one(&mut *connection)
            .await?;
        let new = texts.into_iter().filter(|text| !known.contains_key(text));
        let new: Vec<(String, i64)> = new.zip(newest.saturating_add(1)..=MOST).collect();
        for (text, id) in new {
            sqlx::query("INSERT INTO log_name (id, text) VALUES ($1, $2)")
                .bind(id)
                .bind(text.as_str())
                .execute(&mut *connection)
                .await?;
            known.insert(text, id);
        }
        Ok(Self(known))
    }

    /// Writes the value of a column.
    pub(super) fn push(
        &self,
        values: &mut Separated<'_, Sqlite, &'static str>,
        text: Option<&str>,
    ) {
        match text.map(|text| (text, self.0.get(text))) {
            None => values.push_bind(None::<i64>),
            Some((_, Some(id))) => values.push_bind(*id),
            Some((text, None)) => values.push_bind(text.as_bytes().to_vec()),
        };
    }
}

/// Writes how a text stands in a column, where it is looked for: once for the whole query.
pub(super) fn push_value(sql: &mut QueryBuilder<Sqlite>, text: &str) {
    sql.push("coalesce((SELECT id FROM log_name WHERE text = ")
        .push_bind(text.to_owned())
        .push("), ")
        .push_bind(text.as_bytes().to_vec())
        .push(")");
}
