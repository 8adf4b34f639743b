//! The floor: the reads that a comparator makes, by the same client libraries, and nothing but each byte of a value looked at.

use super::KEYS_PER_READ;
use super::shop::{KEYS, Kind, Shop, reads};
use counterfoil_clock::now;
use mysql_async::prelude::Queryable;
use rusqlite::types::Value;
use rusqlite::vtab::array::load_module;
use std::hint::black_box;
use std::rc::Rc;
use tokio_postgres::NoTls;

/// Reads all keys over one connection; gives keys per second.
pub(crate) async fn keys_per_s(shop: &Shop) -> f64 {
    let reads = reads(KEYS_PER_READ);
    let spent_ns = match shop.kind {
        Kind::Sqlite => sqlite(shop, &reads),
        Kind::Postgres => postgres(shop, &reads).await,
        Kind::Mariadb => mariadb(shop, &reads).await,
        Kind::Redis => redis(shop, &reads).await,
    };
    KEYS as f64 * 1e9 / spent_ns as f64
}

/// What was read, and since when.
struct Looked {
    begun: counterfoil_judge::Time,
    values: u64,
    sum: u64,
}

impl Looked {
    fn begin() -> Self {
        Self { begun: now(), values: 0, sum: 0 }
    }

    fn at(&mut self, value: &[u8]) {
        self.values += 1;
        self.sum += value.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }

    /// Nanoseconds since the begin.
    fn end(self) -> i64 {
        assert_eq!(self.values, KEYS, "each key has a value");
        black_box(self.sum);
        now().since(self.begun)
    }
}

fn sqlite(shop: &Shop, reads: &[Vec<String>]) -> i64 {
    let path = shop.url.trim_start_matches("sqlite://");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = rusqlite::Connection::open_with_flags(path, flags).expect("the file opens");
    load_module(&file).expect("rarray");
    let mut statement = file.prepare(&shop.place.1).expect("the query");
    let mut looked = Looked::begin();
    for keys in reads {
        let keys: Vec<_> = keys.iter().cloned().map(Value::Text).collect();
        let mut rows = statement.query([Rc::new(keys)]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            looked.at(row.get_ref(1).and_then(|value| Ok(value.as_bytes()?)).expect("a value"));
        }
    }
    looked.end()
}

async fn postgres(shop: &Shop, reads: &[Vec<String>]) -> i64 {
    let (client, connection) = tokio_postgres::connect(&shop.url, NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let statement = client.prepare(&shop.place.1).await.expect("the query");
    let mut looked = Looked::begin();
    for keys in reads {
        for row in client.query(&statement, &[keys]).await.expect("rows") {
            looked.at(row.get::<_, &str>(1).as_bytes());
        }
    }
    looked.end()
}

async fn mariadb(shop: &Shop, reads: &[Vec<String>]) -> i64 {
    // Left to itself the library would go over to the server's own socket.
    let options = mysql_async::Opts::from_url(&shop.url).expect("a MariaDB URL");
    let options = mysql_async::OptsBuilder::from_opts(options).prefer_socket(false);
    let mut connection = mysql_async::Conn::new(options).await.expect("MariaDB answers");
    let places = vec!["?"; KEYS_PER_READ].join(", ");
    let statement = connection.prep(shop.place.1.replace('?', &places)).await.expect("the query");
    let mut looked = Looked::begin();
    for keys in reads {
        let keys: Vec<_> = keys.iter().map(mysql_async::Value::from).collect();
        let rows: Vec<mysql_async::Row> = connection.exec(&statement, keys).await.expect("rows");
        for row in &rows {
            match row.as_ref(1) {
                Some(mysql_async::Value::Bytes(value)) => looked.at(value),
                other => panic!("{other:?} is no text"),
            }
        }
    }
    let spent = looked.end();
    connection.disconnect().await.expect("goodbye");
    spent
}

async fn redis(shop: &Shop, reads: &[Vec<String>]) -> i64 {
    let client = redis::Client::open(shop.url.as_str()).expect("a Redis URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let mut looked = Looked::begin();
    for keys in reads {
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(format!("{}{key}", shop.place.1));
        }
        let redis::Value::Array(values) = command.query_async(&mut connection).await.expect("values") else {
            panic!("MGET gives an array");
        };
        for value in &values {
            match value {
                redis::Value::BulkString(value) => looked.at(value),
                other => panic!("{other:?} is no string"),
            }
        }
    }
    looked.end()
}
