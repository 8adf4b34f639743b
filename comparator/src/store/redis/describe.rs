//! What a Redis server tells about itself and the rights of a user.
//!
//! Everybody may ask `HELLO`. The rest takes rights that a reader need not have, and is then not told.

use super::super::describe::{About, Description, Eviction};
use super::super::{Lookup, StoreError};
use super::{Connection, Redis, classify};
use bytes::Bytes;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, FromRedisValue, Value};
use std::collections::HashMap;

/// What the server answers where a user lacks a right.
const NO_RIGHT: &str = "NOPERM";

impl Redis {
    pub(in super::super) async fn describe(
        &self,
        lookup: &Lookup,
        keys: &[Bytes],
    ) -> Result<Description, StoreError> {
        let changes = changes(lookup, keys.first())?;
        let mut read = self.connection().await?;
        let told = read.connection.describe(&changes, self.is_cluster).await;
        read.settle(told)
    }
}

impl Connection {
    async fn describe(&mut self, changes: &[Change], is_cluster: bool) -> Result<Description, StoreError> {
        let mut description = Description::default();
        let hello = self.told(Cmd::new().arg("HELLO")).await;
        if let Some(hello) = description.take(About::Server, hello)? {
            description.greet(&hello, is_cluster);
        }
        let writable = self.writable(changes).await;
        description.may_write = description.take(About::Rights, writable)?;
        let memory: Result<String, _> = self.told(Cmd::new().arg("INFO").arg("memory")).await;
        let eviction = memory.and_then(|info| {
            eviction(&info).ok_or_else(|| StoreError::query("the server does not say what it evicts"))
        });
        description.eviction = description.take(About::Eviction, eviction)?;
        Ok(description)
    }

    /// What of `changes` the user might make, which the server tells without making any.
    async fn writable(&mut self, changes: &[Change]) -> Result<Vec<String>, StoreError> {
        let user: String = self.told(Cmd::new().arg("ACL").arg("WHOAMI")).await?;
        let mut writable = Vec::new();
        for Change { what, command } in changes {
            let mut question = Cmd::new();
            question.arg("ACL").arg("DRYRUN").arg(&user).arg(command);
            // What is not allowed is answered with a sentence.
            if self.told::<Value>(&question).await? == Value::Okay {
                writable.push(what.clone());
            }
        }
        writable.dedup();
        Ok(writable)
    }

    /// What one server, of a cluster any primary, answers.
    async fn told<T: FromRedisValue>(&mut self, question: &Cmd) -> Result<T, StoreError> {
        let told = match self {
            Self::One(connection) => question.query_async(connection).await,
            Self::Cluster(connection) => {
                let anywhere = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
                connection.route_command(question.clone(), anywhere).await
            }
        };
        let told = told.map_err(|error| match error.code() {
            Some(NO_RIGHT) => StoreError::query(format!("the user may not ask for it ({NO_RIGHT})")),
            _ => classify(&error),
        })?;
        redis::from_redis_value(told).map_err(|_| StoreError::query("the answer has another form"))
    }
}

impl Description {
    fn greet(&mut self, hello: &HashMap<String, Value>, is_cluster: bool) {
        let said = |name: &str| {
            let value = hello.get(name)?.clone();
            redis::from_redis_value::<String>(value).ok()
        };
        let (server, version) = (said("server"), said("version"));
        self.server =
            server.zip(version).map(|(server, version)| format!("{} {version}", capitalized(&server)));
        self.is_cluster = said("mode").map(|mode| mode == "cluster");
        // Of a cluster the library asks primaries only.
        self.is_primary = if is_cluster { Some(true) } else { said("role").map(|role| role == "master") };
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What might be changed, and a command that would do it; several after each other where there are several ways.
fn changes(lookup: &Lookup, key: Option<&Bytes>) -> Result<Vec<Change>, StoreError> {
    let key = key.map_or(&[][..], |key| key);
    let (what, commands) = match lookup {
        Lookup::Prefix(prefix) => {
            let name = [prefix.as_bytes(), key].concat();
            (
                format!("the strings `{prefix}*`"),
                vec![command(&[b"SET", &name, b""]), command(&[b"DEL", &name])],
            )
        }
        Lookup::Hash(hash) => {
            let name = hash.as_bytes();
            let of_field = [command(&[b"HSET", name, key, b""]), command(&[b"HDEL", name, key])];
            (format!("the hash `{hash}`"), [&of_field[..], &[command(&[b"DEL", name])]].concat())
        }
        Lookup::Sql { .. } | Lookup::Collection(_) => return Err(Lookup::unfit()),
    };
    let changes = commands.into_iter().map(|command| Change { what: what.clone(), command });
    let all = Change { what: "everything, by FLUSHALL".into(), command: command(&[b"FLUSHALL"]) };
    Ok(changes.chain([all]).collect())
}

struct Change {
    what: String,
    command: Vec<Vec<u8>>,
}

fn command(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    parts.iter().map(|part| part.to_vec()).collect()
}

/// What the section `memory` of the server's own figures says.
fn eviction(info: &str) -> Option<Eviction> {
    let figure = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let limit: u64 = figure("maxmemory")?.trim().parse().ok()?;
    let policy = figure("maxmemory_policy")?.trim().to_owned();
    Some(Eviction { policy, memory_bytes_max: (limit > 0).then_some(limit) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_only_where_there_is_a_limit_and_a_policy() {
        for (limit, policy, drops) in
            [(0, "allkeys-lru", Some(false)), (1, "noeviction", Some(false)), (1, "volatile-ttl", Some(true))]
        {
            let info = format!(
                "# Memory\r\nmaxmemory_human:x\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n"
            );
            assert_eq!(eviction(&info).map(|it| it.drops_values()), drops, "{info}");
        }
        assert_eq!(eviction("maxmemory:1\r\n"), None);
    }
}
