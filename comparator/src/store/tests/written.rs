use super::*;

fn problems(yaml: &str) -> String {
    let sources = counterfoil_settings::Sources { yaml: yaml.into(), overlays: Vec::new() };
    let written = sources.written::<WrittenStore>();
    match written.and_then(|written| Reader::new("main", &written)) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn a_store_needs_only_its_url() {
    for (url, kind) in [
        ("sqlite:///var/lib/cart.db", StoreKind::Sqlite),
        ("sqlite:cart.db", StoreKind::Sqlite),
        ("postgres://me@localhost:5432/cart", StoreKind::Postgres),
        ("postgresql://me@localhost/cart?sslmode=disable", StoreKind::Postgres),
        ("mysql://me@localhost:3306/cart", StoreKind::Mysql),
        ("mariadb://me@localhost/cart", StoreKind::Mysql),
        ("redis://localhost:6379/1", StoreKind::Redis),
        ("redis+unix:///run/redis.sock", StoreKind::Redis),
        ("redis+cluster://redis.shop:6379", StoreKind::Redis),
        ("grpc://reader.shop:7500", StoreKind::Grpc),
    ] {
        let sources = counterfoil_settings::Sources { yaml: format!("url: '{url}'"), overlays: Vec::new() };
        let written: WrittenStore = sources.written().unwrap();
        assert_eq!(written, WrittenStore::new(url));
        let reader = reader(&written);
        assert_eq!((reader.kind(), reader.name()), (kind, "main"), "{url}");
        let bounds = reader.bounds();
        assert_eq!((bounds.concurrency, bounds.keys_per_read_max), (2, 500));
        assert!(bounds.keys_per_s.is_infinite(), "as many as the store bears");
    }
}

#[test]
fn what_is_wrong_with_a_store_is_told_with_what_to_write() {
    for (yaml, expected) in [
        ("url: oracle://localhost", &["url: ", "postgres://"][..]),
        ("url: 'mysql://'", &["url: ", "mysql://user@host:port/database"]),
        ("url: 'mysql://h/d?require_ssl=true'", &["url: ", "without parameters"]),
        ("url: 'sqlite:'", &["url: ", "sqlite:///absolute/path"]),
        ("url: 'sqlite://relative'", &["url: ", "sqlite:relative/path"]),
        ("url: 'sqlite:///a?mode=rw'", &["url: ", "without parameters"]),
        ("url: 'sqlite::memory:'", &["url: ", "sqlite:///absolute/path"]),
        ("{url: 'sqlite:///a', password_file: /p}", &["password_file: ", "remove"]),
        ("url: 'postgres://me@:nonsense:/'", &["url: ", "postgres://user@host"]),
        ("url: 'postgres://me@h/d?sslmode=require'", &["tls: ", "ca_file"]),
        ("{url: 'postgres://h/d?sslmode=disable', tls: {ca_file: /c}}", &["tls: ", "sslmode"]),
        ("{url: 'redis://h', tls: {ca_file: /c}}", &["tls: ", "rediss://"]),
        ("{url: 'grpc://h:1', tls: {ca_file: /c}}", &["tls: ", "grpcs://"]),
        ("{url: 'sqlite:///a', tls: {ca_file: /c}}", &["tls: ", "remove"]),
        ("{url: 'rediss://h', tls: {ca_file: /c, name: 'not a name'}}", &["tls.name: "]),
        ("{url: 'rediss://h', tls: {name: n}}", &["ca_file"]),
        ("{url: 'rediss://h/#insecure', tls: {ca_file: /c}}", &["url: "]),
        ("{url: 'redis+cluster://h', tls: {ca_file: /c}}", &["tls: ", "remove"]),
        ("url: 'grpcs://h:1'", &["tls: ", "ca_file"]),
        ("url: 'grpc://h'", &["url: ", "grpc://host:port"]),
        ("url: 'grpc://me@h:1'", &["url: ", "nothing after"]),
        ("url: 'grpc://h:1/path'", &["url: ", "nothing after"]),
        ("url: 'redis://'", &["url: ", "redis://host:port"]),
        ("url: 'rediss://localhost'", &["tls: ", "ca_file"]),
        (
            "{url: 'redis://h', concurrency: 0, keys_per_read_max: 10001, timeout_ms: 60001}",
            &["concurrency: ", "1", "keys_per_read_max: ", "10000", "timeout_ms: ", "60000"],
        ),
        ("{url: 'redis://h', value_bytes_max: 1073741825}", &["value_bytes_max: ", "1073741824"]),
        (
            "{url: 'redis://h', budget: {keys_per_s: 0, latency_ms_target: 60001, open_percent: 41, idle_percent: 0}}",
            &[
                "budget.keys_per_s: ",
                "budget.idle_percent: ",
                "1",
                "budget.latency_ms_target: ",
                "60000",
                "budget.open_percent: ",
                "40",
            ],
        ),
        ("{url: 'redis://h', budget: {keys_per_s: 5}}", &["budget.keys_per_s_min: ", "10 exceeds", "1 to 5"]),
        ("{url: 'redis://h', timeout: 1}", &["timeout: unknown key"]),
    ] {
        let problems = problems(yaml);
        for part in expected {
            assert!(problems.contains(part), "{part} missing for {yaml}:\n{problems}");
        }
    }
}

#[test]
fn bounds_hold_without_the_schema_too() {
    let budget = WrittenBudget { open_percent: 41, keys_per_s: Some(0), ..WrittenBudget::default() };
    let bad =
        WrittenStore { concurrency: 65, keys_per_read_max: 0, budget, ..WrittenStore::new("oracle://h") };
    let bad = WrittenStore { value_bytes_max: (1 << 30) + 1, ..bad };
    let problems = Reader::new("main", &bad).unwrap_err().to_string();
    for part in [
        "budget.open_percent: 41",
        "1 to 40",
        "budget.keys_per_s: 0",
        "url",
        "concurrency: 65",
        "1 to 64",
        "keys_per_read_max: 0",
        "1 to 10000",
        "value_bytes_max: 1073741825",
        "1 to 1073741824",
    ] {
        assert!(problems.contains(part), "{part}:\n{problems}");
    }
}

#[test]
fn a_password_is_never_shown() {
    for url in [
        "postgres://me:hunter2@h:5432/d",
        "postgres://h/d?user=me&password=hunter2",
        "postgres://me:hunter2@:nonsense:/",
        "mysql://me:hunter2@h:3306/d",
        "mysql://me:hunter2@:nonsense:/",
        "redis://:hunter2@h:6379/0",
        "redis+unix:///run/redis.sock?pass=hunter2",
        "redis://:hunter2@",
        "hunter2",
    ] {
        let written = WrittenStore::new(url);
        let shown = format!("{written:?} {} {:?}", written.url, Reader::new("main", &written));
        assert!(!shown.contains("hunter2"), "{url}: {shown}");
    }
    assert_eq!(StoreUrl::from("postgres://me:pw@h:1/d?x=y").to_string(), "postgres://***@h:1/d");
    assert_eq!(StoreUrl::from("sqlite:///a/b").to_string(), "sqlite:///a/b");
}

#[tokio::test]
async fn more_keys_than_a_read_may_have_are_refused_and_none_are_answered_at_once() {
    let reader = reader(&WrittenStore { keys_per_read_max: 1, ..WrittenStore::new("sqlite:///no/such") });
    let query = sql("SELECT k, v FROM t WHERE k IN rarray(?1)");
    let refused = read(&reader, &query, &["a", "b"]).await.unwrap_err();
    assert_eq!(refused, StoreError::TooManyKeys { keys: 2, keys_per_read_max: 1 });
    assert_eq!(read::<&str>(&reader, &query, &[]).await, Ok(vec![]));
}

#[tokio::test]
async fn a_lookup_for_another_kind_of_store_is_an_error() {
    for (url, lookup) in [
        ("sqlite:///no/such", Lookup::Hash("h".into())),
        ("postgres://me@127.0.0.1:1/d", Lookup::Prefix("p".into())),
        ("mysql://me@127.0.0.1:1/d", Lookup::Hash("h".into())),
        ("redis://127.0.0.1:1", sql("SELECT 1")),
        ("grpc://127.0.0.1:1", sql("SELECT 1")),
    ] {
        let got = read(&reader(&WrittenStore::new(url)), &lookup, &["a"]).await.unwrap_err();
        assert_eq!(got.label(), "query", "{url}");
    }
}
