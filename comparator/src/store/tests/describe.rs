//! What stores tell about themselves, to whom sets a contract up.

use super::*;

async fn described(url: &str, query: &str, keys: &[&str]) -> Result<Description, StoreError> {
    let keys: Vec<_> = keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
    reader(&WrittenStore::new(url)).describe(&sql(query), &keys).await
}

async fn scanned(url: &str, query: &str, keys: &[&str]) -> Vec<String> {
    described(url, query, keys).await.unwrap().tables_scanned.unwrap()
}

#[tokio::test]
async fn sqlite_tells_whether_an_index_serves_the_query() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT, other TEXT)").unwrap();
    let url = format!("sqlite://{}", path.display());
    for (query, expected) in [
        ("SELECT k, v FROM t WHERE k IN rarray(?1)", &[][..]),
        ("SELECT other, v FROM t WHERE other IN rarray(?1)", &["t"]),
        ("SELECT k, v FROM t WHERE lower(k) IN rarray(?1)", &["t"]),
    ] {
        for keys in [&["a", "b"][..], &[]] {
            assert_eq!(scanned(&url, query, keys).await, expected, "{query}");
        }
    }
    let told = described(&url, "SELECT k, v FROM t WHERE k IN rarray(?1)", &[]).await.unwrap();
    assert!(told.server.unwrap().starts_with("SQLite 3."));
    assert_eq!((told.is_primary, told.may_write), (Some(true), Some(Vec::new())));
    let missing = described(&url, "SELECT k, v FROM nothing WHERE k IN rarray(?1)", &[]).await;
    assert_eq!(missing.unwrap_err().label(), "query");
}

#[tokio::test]
async fn postgres_tells_whether_an_index_serves_the_query_however_small_the_table() {
    let (url, name) = (super::postgres::url(), fresh_name());
    super::postgres::run(&format!(
        "CREATE TABLE {name} (k text PRIMARY KEY, n bigint, v text); INSERT INTO {name} VALUES ('a', 1, 'x');
         CREATE TABLE {name}_parts (k text, v text) PARTITION BY HASH (k);
         CREATE TABLE {name}_0 PARTITION OF {name}_parts (PRIMARY KEY (k)) FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE {name}_1 PARTITION OF {name}_parts FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
    ))
    .await;
    let whole = format!("public.{name}");
    for (query, keys, expected) in [
        (format!("SELECT k, v FROM {name} WHERE k = ANY($1)"), &["a", "b"][..], vec![]),
        (format!("SELECT k, v FROM {name} WHERE k = ANY($1)"), &[], vec![]),
        (format!("SELECT n, v FROM {name} WHERE n = ANY($1)"), &["1"], vec![whole.clone()]),
        (format!("SELECT k, v FROM {name} WHERE lower(k) = ANY($1)"), &["a"], vec![whole.clone()]),
        // An index that has all the columns is not enough: it must be entered by the key.
        (format!("SELECT k, k FROM {name} WHERE lower(k) = ANY($1)"), &["a"], vec![whole.clone()]),
        (
            format!("SELECT k, v FROM {name}_parts WHERE k = ANY($1)"),
            &["a", "b", "c", "d", "e", "f", "g", "h"],
            vec![format!("public.{name}_1")],
        ),
    ] {
        assert_eq!(scanned(&url, &query, keys).await, expected, "{query}");
    }
}

#[tokio::test]
async fn postgres_tells_what_a_role_might_write_and_nothing_was_tried() {
    let name = fresh_name();
    super::postgres::run(&format!(
        "CREATE TABLE {name} (k text PRIMARY KEY, v text);
         CREATE TABLE {name}_parts (k text PRIMARY KEY, v text) PARTITION BY HASH (k);
         CREATE TABLE {name}_0 PARTITION OF {name}_parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE ROLE {name}_r LOGIN; CREATE ROLE {name}_w LOGIN; CREATE ROLE {name}_c LOGIN;
         GRANT SELECT ON {name}, {name}_parts TO {name}_r, {name}_w, {name}_c;
         GRANT DELETE ON {name}, {name}_parts TO {name}_w; GRANT UPDATE (v) ON {name} TO {name}_c"
    ))
    .await;
    let (own, part) = (format!("public.{name}"), format!("public.{name}_0"));
    for (role, expected, expected_part) in [
        ("r", vec![], vec![]),
        ("w", vec![own.clone()], vec![part]),
        ("c", vec![own], vec![]),
        ("", vec!["everything, as a superuser".to_owned()], vec!["everything, as a superuser".to_owned()]),
    ] {
        let mut url = url::Url::parse(&super::postgres::url()).unwrap();
        if !role.is_empty() {
            url.set_username(&format!("{name}_{role}")).unwrap();
        }
        for (table, expected) in [(name.clone(), expected), (format!("{name}_parts"), expected_part)] {
            let query = format!("SELECT k, v FROM {table} WHERE k = ANY($1)");
            let told = described(url.as_str(), &query, &["a"]).await.unwrap();
            assert_eq!(told.may_write, Some(expected), "{role} of {table}");
            assert!(told.server.unwrap().starts_with("PostgreSQL ") && told.is_primary == Some(true));
        }
    }
}

#[tokio::test]
async fn a_store_that_is_asked_about_itself_is_read_as_before() {
    let name = fresh_name();
    super::postgres::run(&format!(
        "CREATE TABLE {name} (k text PRIMARY KEY, v text); INSERT INTO {name} VALUES ('a', 'x')"
    ))
    .await;
    let reader = reader(&WrittenStore { concurrency: 1, ..WrittenStore::new(super::postgres::url()) });
    let lookup = sql(format!("SELECT k, v FROM {name} WHERE k = ANY($1)"));
    let setting = sql("SELECT k, current_setting('enable_seqscan') FROM unnest($1::text[]) AS k");
    assert_eq!(read(&reader, &lookup, &["a"]).await, Ok(vec![value("x")]));
    reader.describe(&lookup, &[Bytes::from_static(b"a")]).await.unwrap();
    assert_eq!(read(&reader, &setting, &["a"]).await, Ok(vec![value("on")]));
    assert_eq!(read(&reader, &lookup, &["a"]).await, Ok(vec![value("x")]));
}

/// What is not told, in order.
fn untold(told: &Description) -> Vec<About> {
    told.untold.iter().map(|it| it.about).collect()
}

/// A user with these rights, and the server's URL as that user.
async fn mariadb_user(grants: &str) -> String {
    let user = fresh_name();
    super::mysql::run(&format!("CREATE USER {user}; {}", grants.replace("USER", &user))).await;
    super::mysql::url().replace("counterfoil@", &format!("{user}@"))
}

#[tokio::test]
async fn mariadb_tells_whether_an_index_serves_the_query_however_small_the_table() {
    let (url, name) = (super::mysql::url(), fresh_name());
    super::mysql::run(&format!(
        "CREATE TABLE {name} (k varchar(9) PRIMARY KEY, n bigint, v text); INSERT INTO {name} VALUES ('a', 1, 'x'), ('b', 2, 'y')"
    ))
    .await;
    for (query, expected) in [
        (format!("SELECT k, v FROM {name} WHERE k IN (?)"), vec![]),
        (format!("SELECT n, v FROM {name} WHERE n IN (?)"), vec![name.clone()]),
        (format!("SELECT k, v FROM {name} WHERE lower(k) IN (?)"), vec![name.clone()]),
        // An index that is read from end to end.
        (format!("SELECT k, k FROM {name} WHERE lower(k) IN (?)"), vec![name.clone()]),
    ] {
        for keys in [&["a"][..], &["a", "b", "c"], &[]] {
            assert_eq!(scanned(&url, &query, keys).await, expected, "{query} {keys:?}");
        }
    }
    let told = described(&url, &format!("SELECT k, v FROM {name} WHERE k IN (?)"), &["a"]).await.unwrap();
    assert!(told.server.unwrap().starts_with("MariaDB "));
    assert_eq!(told.is_primary, Some(true));
    let missing = described(&url, "SELECT k, v FROM nothing WHERE k IN (?)", &["a"]).await.unwrap();
    assert_eq!((missing.tables_scanned.clone(), untold(&missing)), (None, vec![About::Index]));
}

#[tokio::test]
async fn mariadb_tells_what_a_user_might_write_and_what_it_may_not_ask() {
    let name = fresh_name();
    super::mysql::run(&format!("CREATE TABLE {name} (k varchar(9) PRIMARY KEY, v text)")).await;
    let table = format!("`counterfoil`.`{name}`");
    for (grants, may_write, is_primary) in [
        ("GRANT SELECT ON counterfoil.* TO USER".to_owned(), vec![], None),
        ("GRANT SELECT, SLAVE MONITOR ON *.* TO USER".to_owned(), vec![], Some(true)),
        (format!("GRANT SELECT, DELETE ON {table} TO USER"), vec![table.clone()], None),
        (
            format!(
                "CREATE ROLE USER_role; GRANT SELECT, INSERT ON {table} TO USER_role; GRANT USER_role TO USER; \
                 SET DEFAULT ROLE USER_role FOR USER"
            ),
            vec![table.clone()],
            None,
        ),
    ] {
        let url = mariadb_user(&grants).await;
        let told = described(&url, &format!("SELECT k, v FROM {name} WHERE k IN (?)"), &["a"]).await.unwrap();
        assert_eq!((told.may_write.clone(), told.is_primary), (Some(may_write), is_primary), "{grants}");
        let expected = if is_primary.is_none() { vec![About::Role] } else { vec![] };
        assert_eq!(untold(&told), expected, "{told:?}");
    }
}

#[tokio::test]
async fn redis_tells_what_a_user_may_ask_for_and_says_what_it_may_not() {
    let (name, url) = (fresh_name(), super::redis::url());
    let (strings, hash) = (Lookup::Prefix(name.as_str().into()), Lookup::Hash(name.as_str().into()));
    let reading = "+@read +@connection";
    let asking = "+acl|whoami +acl|dryrun +info";
    let (some, everything) = (format!("the strings `{name}*`"), "everything, by FLUSHALL".to_owned());
    for (rights, lookup, may_write, open) in [
        (String::new(), &strings, Some(vec![some.clone(), everything.clone()]), vec![]),
        (String::new(), &hash, Some(vec![format!("the hash `{name}`"), everything]), vec![]),
        (format!("~* {reading}"), &strings, None, vec![About::Rights, About::Eviction]),
        (format!("~* {reading} {asking}"), &strings, Some(vec![]), vec![]),
        (format!("~* {reading} {asking}"), &hash, Some(vec![]), vec![]),
        (format!("~* {reading} {asking} +del"), &strings, Some(vec![some]), vec![]),
        (format!("%R~* {reading} {asking} +set"), &strings, Some(vec![]), vec![]),
    ] {
        let mut url = url.clone();
        if !rights.is_empty() {
            let user = fresh_name();
            let words = format!("ACL SETUSER {user} on nopass {rights}");
            super::redis::run(&words.split(' ').map(str::as_bytes).collect::<Vec<_>>()).await;
            url = url.replace("redis://", &format!("redis://{user}:any@"));
        }
        let told =
            reader(&WrittenStore::new(url)).describe(lookup, &[Bytes::from_static(b"a")]).await.unwrap();
        assert_eq!((told.may_write.clone(), untold(&told)), (may_write, open.clone()), "{rights}: {told:?}");
        assert!(told.server.as_deref().unwrap().starts_with("Redis "), "{told:?}");
        assert_eq!((told.is_primary, told.is_cluster), (Some(true), Some(false)));
        let evicts = told.eviction.map(|it| it.drops_values());
        assert_eq!(evicts, (!open.contains(&About::Eviction)).then_some(false), "{rights}");
    }
    let read = super::redis::run(&[b"EXISTS", format!("{name}a").as_bytes()]).await;
    assert_eq!(read, ::redis::Value::Int(0), "nothing was tried");
}

#[tokio::test]
async fn a_cluster_says_that_it_is_one() {
    let url = server("COUNTERFOIL_TEST_REDIS_CLUSTER").replace("redis://", "redis+cluster://");
    let told = reader(&WrittenStore::new(url)).describe(&Lookup::Hash("h".into()), &[]).await.unwrap();
    assert_eq!((told.is_primary, told.is_cluster, untold(&told)), (Some(true), Some(true), vec![]));
}
