//! Values above `value_bytes_max`: each is an error of its key, whichever store it comes from, looked up or gone through.

use super::*;
use super::{grpc, mysql, postgres, redis, sqlite};

const BYTES_MAX: u32 = 8;

/// Rows of SQL stores; what is to be read of them is the same everywhere.
const ROWS: &str = "('a', '12345678', 1), ('b', '123456789', 1)";

/// Holds the store of `written`, which has a value of eight bytes for `a` and one of nine for `b`, to its bound.
async fn is_bounded(written: WrittenStore, lookup: Lookup, scan: Scan) {
    let reader = reader(&WrittenStore { value_bytes_max: BYTES_MAX, ..written });
    let too_large = || Err(KeyError::ValueTooLarge { value_bytes_max: 8 });
    let fits = || value("12345678");
    let answers = read(&reader, &lookup, &["b", "a", "none", "b"]).await;
    assert_eq!(answers, Ok(vec![too_large(), fits(), ABSENT, too_large()]), "{reader:?}");
    let page = reader.scan(&scan, None, 10).await.told.unwrap();
    assert_eq!(page.rows, [(b"a".to_vec(), fits()), (b"b".to_vec(), too_large())], "{reader:?}");
    assert_eq!(too_large().unwrap_err().label(), "value_too_large");
}

fn scan(query: impl AsRef<str>) -> Scan {
    Scan(sql(query))
}

#[tokio::test]
async fn a_value_of_sqlite_above_the_bound_is_an_error_of_its_key() {
    let (_folder, path) = sqlite::file("TEXT", ROWS);
    let rows = scan("SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2");
    is_bounded(sqlite::written(&path), sql(sqlite::QUERY), rows).await;
}

#[tokio::test]
async fn a_value_of_postgres_above_the_bound_is_an_error_of_its_key() {
    let table = postgres::table("text", ROWS).await;
    let rows = scan(format!("SELECT k, v FROM {table} WHERE k >= $1 ORDER BY k LIMIT $2"));
    is_bounded(WrittenStore::new(postgres::url()), postgres::by_key(&table), rows).await;
}

#[tokio::test]
async fn a_value_of_mysql_above_the_bound_is_an_error_of_its_key() {
    let table = mysql::table("varchar(9) COLLATE utf8mb4_bin", ROWS).await;
    let rows = scan(format!("SELECT k, v FROM {table} WHERE k >= ? ORDER BY k LIMIT ?"));
    is_bounded(WrittenStore::new(mysql::url()), mysql::by_key(&table), rows).await;
}

#[tokio::test]
async fn a_value_of_redis_above_the_bound_is_an_error_of_its_key() {
    let (prefix, hash) = (format!("{}:", fresh_name()), fresh_name());
    for (key, value) in [("a", "12345678"), ("b", "123456789")] {
        redis::run(&[b"SET", format!("{prefix}{key}").as_bytes(), value.as_bytes()]).await;
        redis::run(&[b"HSET", hash.as_bytes(), key.as_bytes(), value.as_bytes()]).await;
    }
    let written = || WrittenStore::new(redis::url());
    let strings = Lookup::Prefix(prefix.as_str().into());
    // One step of a scan gives some of the strings; those of the hash come at once.
    let fields = Lookup::Hash(hash.as_str().into());
    is_bounded(written(), strings, Scan(fields.clone())).await;
    is_bounded(written(), fields.clone(), Scan(fields)).await;
}

#[tokio::test]
async fn a_value_of_a_reader_service_above_the_bound_is_an_error_of_its_key() {
    let rows = "(x'61', x'3132333435363738', NULL), (x'62', x'313233343536373839', NULL)";
    let (_folder, serving) = grpc::example_over(rows).await;
    is_bounded(WrittenStore::new(serving.url.as_str()), grpc::cart(), Scan(grpc::cart())).await;
}
