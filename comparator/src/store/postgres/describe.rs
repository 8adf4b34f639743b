//! What a Postgres server tells about itself, a query and the rights of a role.

use super::super::describe::Description;
use super::super::gather::Asked;
use super::super::lookup::Sql;
use super::super::{Lookup, StoreError};
use super::parameter::Parameter;
use super::{Postgres, Raw, Session, classify};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;

/// Small tables are read from end to end even where an index would serve; without that way out the plan shows whether
/// there is one.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL enable_seqscan = off";

const ROLE: &str = "SELECT current_setting('server_version'), coalesce(rolsuper, false) \
    FROM (SELECT current_user AS name) AS this LEFT JOIN pg_roles ON rolname = name";

/// Which of some tables, named by schema and name, the role may change; a partition also by way of the table that it is of.
const WRITABLE: &str = "SELECT DISTINCT place || '.' || name \
    FROM unnest($1::text[], $2::text[]) AS asked(place, name), to_regclass(format('%I.%I', place, name)) AS own, \
        unnest(ARRAY[own::oid, pg_partition_root(own)::oid]) AS id \
    WHERE has_table_privilege(id, 'INSERT, UPDATE, DELETE, TRUNCATE') \
        OR has_any_column_privilege(id, 'INSERT, UPDATE') \
    ORDER BY 1";

impl Postgres {
    pub(in super::super) async fn describe(
        &self,
        lookup: &Lookup,
        keys: &[Bytes],
    ) -> Result<Description, StoreError> {
        let sql = lookup.sql()?;
        // It is closed afterwards, and with it end the transaction and its settings.
        let (_lease, session) = self.session().await?;
        let told = session.describe(sql, keys).await;
        told.map_err(|error| match error {
            Failure::Store(error) => error,
            Failure::Client(error) => classify(&error),
        })
    }
}

/// Why a session told nothing.
enum Failure {
    Store(StoreError),
    Client(tokio_postgres::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Client(error)
    }
}

impl Session {
    async fn describe(&self, sql: Sql<'_>, keys: &[Bytes]) -> Result<Description, Failure> {
        self.client.batch_execute(BEGIN).await?;
        let plan = self.plan(sql, keys).await?;
        let role = self.client.query_one(ROLE, &[]).await?;
        let (version, is_superuser): (String, bool) = (role.try_get(0)?, role.try_get(1)?);
        let may_write = match is_superuser {
            true => vec!["everything, as a superuser".to_owned()],
            false => self.writable(&plan.tables).await?,
        };
        Ok(Description {
            server: Some(format!("PostgreSQL {version}")),
            // A connection to a standby is refused.
            is_primary: Some(true),
            tables_scanned: Some(plan.scanned.into_iter().collect()),
            may_write: Some(may_write),
            ..Description::default()
        })
    }

    async fn plan(&self, sql: Sql<'_>, keys: &[Bytes]) -> Result<Plan, Failure> {
        let explain = format!("EXPLAIN (FORMAT JSON, VERBOSE) {}", sql.query);
        let statement = self.client.prepare(&explain).await?;
        let parameter = Parameter::of_keys(&statement, sql.key_type)?;
        let asked = Asked::new(keys, |key| parameter.check(key));
        let bound = parameter.bind(asked.keys());
        let row = self.client.query_one(&statement, &[&*bound]).await?;
        let Raw(json) = row.try_get(0)?;
        let no_plan = |_| StoreError::query("the server's plan is not JSON");
        let told: Value = serde_json::from_slice(json).map_err(no_plan)?;
        let mut plan = Plan::default();
        if let Some(root) = told.pointer("/0/Plan") {
            plan.add(root);
        }
        Ok(plan)
    }

    async fn writable(&self, tables: &BTreeSet<(String, String)>) -> Result<Vec<String>, Failure> {
        let (places, names): (Vec<_>, Vec<_>) = tables.iter().cloned().unzip();
        let rows = self.client.query(WRITABLE, &[&places, &names]).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }
}

/// What counts of a query's plan.
#[derive(Default)]
struct Plan {
    /// Schema and name of each table that is read.
    tables: BTreeSet<(String, String)>,
    /// Those that are read from end to end.
    scanned: BTreeSet<String>,
}

impl Plan {
    fn add(&mut self, node: &Value) {
        let text = |key| node.get(key).and_then(Value::as_str).unwrap_or_default();
        let (schema, table) = (text("Schema"), text("Relation Name"));
        if !table.is_empty() {
            self.tables.insert((schema.to_owned(), table.to_owned()));
            let is_whole = match text("Node Type") {
                "Seq Scan" => true,
                // Without a condition an index is walked from end to end.
                "Index Scan" | "Index Only Scan" => node.get("Index Cond").is_none(),
                "Bitmap Heap Scan" => node.get("Recheck Cond").is_none(),
                _ => false,
            };
            if is_whole {
                self.scanned.insert(format!("{schema}.{table}"));
            }
        }
        for part in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
            self.add(part);
        }
    }
}
