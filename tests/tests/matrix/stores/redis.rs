//! The test run's Redis; or two of the test's own, the second a replica of the first.

use super::{Door, Opened, Row, Server, Trouble};
use ::redis::{Client, Connection, cmd};
use counterfoil_tests::stores::{LateRedis, redis_url};
use counterfoil_tests::{Process, unique};
use tempfile::TempDir;
use tokio::runtime::Handle;

/// How long the replica may take to have everything, in milliseconds.
const REPLICATED_MS_MAX: u32 = 60_000;

struct Redis {
    primary: Connection,
    pair: Option<Pair>,
    name: String,
    prefix: String,
}

struct Pair {
    standby: Connection,
    _processes: [Process; 2],
    _folder: TempDir,
}

pub(super) fn open(has_standby: bool, runtime: &Handle) -> Opened {
    let (urls, pair) = if has_standby { pair() } else { ([redis_url(), redis_url()], None) };
    let [primary, standby] = &urls;
    let name = unique("matrix");
    let read_at = |url: &str| url.replacen("redis://", &format!("redis://{name}_reader:any@"), 1);
    let (door, url) = Door::before(&read_at(primary), Some(standby), runtime);
    let prefix = format!("{name}:");
    let lookup = ("prefix", prefix.clone());
    let mut server = Redis { primary: connect(primary), pair, name, prefix };
    server.execute("ACL SETUSER {reader} on nopass ~{seen}* +@connection +@read");
    Opened { server: Box::new(server), door, url, lookup }
}

fn connect(url: &str) -> Connection {
    Client::open(url).and_then(|client| client.get_connection()).expect("Redis answers")
}

fn pair() -> ([String; 2], Option<Pair>) {
    let folder = tempfile::tempdir().expect("a folder");
    let [primary, standby] = [LateRedis::absent(), LateRedis::absent()];
    let processes = [primary.start(folder.path()), standby.start(folder.path())];
    let urls = [primary.url(), standby.url()];
    // Else the first replica waits five seconds for others.
    let at_once = ["CONFIG", "SET", "repl-diskless-sync-delay", "0"];
    run(&mut connect(&urls[0]), &at_once);
    let mut standby = connect(&urls[1]);
    let port = urls[0].rsplit(':').next().expect("a port");
    run(&mut standby, &["REPLICAOF", "127.0.0.1", port]);
    (urls, Some(Pair { standby, _processes: processes, _folder: folder }))
}

fn run(connection: &mut Connection, command: &[&str]) {
    let (name, arguments) = command.split_first().expect("a command has a name");
    cmd(name).arg(arguments).exec(connection).expect("Redis takes it");
}

impl Server for Redis {
    /// Only strings are kept: a version has no place.
    fn set(&mut self, key: &str, row: Option<&Row>) {
        let key = format!("{}{key}", self.prefix);
        match row {
            Some(Row { value, .. }) => run(&mut self.primary, &["SET", &key, value]),
            None => run(&mut self.primary, &["DEL", &key]),
        }
    }

    /// It is promoted once it has all that the primary has.
    fn promote(&mut self) {
        let Some(Pair { standby, .. }) = &mut self.pair else { return };
        let replicas: u32 =
            cmd("WAIT").arg(1).arg(REPLICATED_MS_MAX).query(&mut self.primary).expect("Redis says");
        assert_eq!(replicas, 1, "the replica has everything");
        run(standby, &["REPLICAOF", "NO", "ONE"]);
        std::mem::swap(standby, &mut self.primary);
    }

    fn troubles(&self) -> &'static [Trouble] {
        &[Trouble {
            what: "the right to read is taken away",
            begin: "ACL SETUSER {reader} -@read",
            end: "ACL SETUSER {reader} +@read",
            told: ("refusing", "query"),
        }]
    }

    /// Who may read what is no part of what a replica takes over, so both are told.
    fn execute(&mut self, statement: &str) {
        let reader = format!("{}_reader", self.name);
        let statement = statement.replace("{reader}", &reader).replace("{seen}", &self.prefix);
        let words: Vec<_> = statement.split(' ').collect();
        let standby = self.pair.as_mut().map(|pair| &mut pair.standby);
        [&mut self.primary].into_iter().chain(standby).for_each(|server| run(server, &words));
    }
}
