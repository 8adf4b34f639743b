//! What a MySQL or MariaDB server tells about itself, a query and the rights of a user.

use super::super::describe::{About, Description};
use super::super::gather::{Asked, representable};
use super::super::{Lookup, StoreError};
use super::grants::Rights;
use super::{Mysql, Question, Session, classify, expand};
use bytes::Bytes;
use mysql_async::Row;
use mysql_async::prelude::Queryable;

impl Mysql {
    pub(in super::super) async fn describe(
        &self,
        lookup: &Lookup,
        keys: &[Bytes],
    ) -> Result<Description, StoreError> {
        let question = Question::of(lookup, self.value_bytes_max)?;
        let (lease, mut session) = self.session().await?;
        let told = session.describe(&question, keys).await;
        lease.settle(session, told)
    }
}

impl Session {
    async fn describe(&mut self, question: &Question<'_>, keys: &[Bytes]) -> Result<Description, StoreError> {
        let mut description = Description::default();
        let version = self.texts("SELECT VERSION()").await?.concat();
        let is_mariadb = version.contains("MariaDB");
        description.server = Some(server(&version, is_mariadb));
        // A server that is read-only is refused; a replica may take writes all the same.
        let replicas = if is_mariadb { "SHOW ALL SLAVES STATUS" } else { "SHOW REPLICA STATUS" };
        let sources = self.rows(replicas).await;
        description.is_primary = description.take(About::Role, sources)?.map(|sources| sources.is_empty());
        let plan = question.plan(self, keys).await;
        description.tables_scanned = description.take(About::Index, plan)?;
        match Rights::of(&self.texts("SHOW GRANTS").await?) {
            // MariaDB tells what active roles may do, MySQL does not.
            Rights { has_roles: true, .. } if !is_mariadb => {
                description.leave_open(About::Rights, "some come with a role; see SHOW GRANTS … USING it");
            }
            Rights { may_write, .. } => description.may_write = Some(may_write),
        }
        Ok(description)
    }

    /// The first column of each row.
    async fn texts(&mut self, query: &str) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(query).await?;
        Ok(rows.iter().filter_map(|row| row.get_opt::<String, _>(0)?.ok()).collect())
    }

    async fn rows(&mut self, query: &str) -> Result<Vec<Row>, StoreError> {
        self.connection()?.query(query).await.map_err(|error| classify(&error))
    }
}

fn server(version: &str, is_mariadb: bool) -> String {
    let name = if is_mariadb { "MariaDB" } else { "MySQL" };
    format!("{name} {}", version.split('-').next().unwrap_or(version))
}

impl Question<'_> {
    /// The tables that are read from end to end.
    async fn plan(&self, session: &mut Session, keys: &[Bytes]) -> Result<Vec<String>, StoreError> {
        let asked = Asked::new(keys, |key| representable(key, self.key_type));
        let places = expand::places(asked.keys().len().max(1));
        let query = expand::query(self.query, places).ok_or_else(expand::no_place)?;
        let keys = asked.keys().iter().map(|key| self.bound(key));
        let keys = keys.chain(std::iter::repeat(self.least())).take(places).collect();
        let mut tables = Vec::new();
        let take = |(): &(), step: &Row| {
            tables.extend(table_scanned(step));
            Ok(())
        };
        session.ask(format!("EXPLAIN {query}"), keys, |_| Ok(()), take).await?;
        Ok(tables)
    }
}

/// The table that a step of a plan reads from end to end. Small ones are read so even where an index would serve: then there
/// are keys that might be used.
fn table_scanned(step: &Row) -> Option<String> {
    let text = |name: &str| step.get_opt::<String, _>(name)?.ok();
    let table = text("table").filter(|table| !table.starts_with('<'))?;
    let is_whole = matches!(text("type").as_deref(), Some("ALL" | "index"));
    (is_whole && text("possible_keys").is_none()).then_some(table)
}
