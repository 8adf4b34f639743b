#![allow(clippy::unwrap_used, reason = "a test may panic")]
use super::*;

fn used(yaml: &str, kind: StoreKind) -> Result<Lookup, String> {
    let sources = counterfoil_settings::Sources { yaml: yaml.into(), overlays: Vec::new() };
    let written: WrittenLookup = sources.written().map_err(|problems| problems.to_string())?;
    let mut problems = Problems::default();
    let lookup = written.used("maps[0]", kind, Rows::Value, &mut problems);
    assert_eq!(lookup.is_some(), problems.0.is_empty());
    lookup.ok_or_else(|| problems.to_string())
}

fn plain(query: &str) -> Lookup {
    Lookup::Sql { query: query.into(), key_type: None, shape: Shape::Value }
}

fn scan(yaml: &str, kind: StoreKind) -> Result<Option<Scan>, String> {
    let sources = counterfoil_settings::Sources { yaml: yaml.into(), overlays: Vec::new() };
    let written: WrittenLookup = sources.written().map_err(|problems| problems.to_string())?;
    let mut problems = Problems::default();
    let scan = written.scan("maps[0]", kind, Rows::Columns, &mut problems);
    problems.none_or(scan).map_err(|problems| problems.to_string())
}

#[test]
fn an_sql_store_is_scanned_by_its_own_query_and_the_others_as_they_are_looked_up() {
    for (kind, dialect) in
        [(StoreKind::Sqlite, SQLITE), (StoreKind::Postgres, POSTGRES), (StoreKind::Mysql, MYSQL)]
    {
        let yaml = format!("{{query: q, scan: '{}', version_column: n}}", dialect.scan);
        let shape = Shape::Columns { version: Some("n".into()) };
        let expected = Lookup::Sql { query: dialect.scan.into(), key_type: None, shape };
        assert_eq!(scan(&yaml, kind).unwrap(), Some(Scan(expected)), "{kind:?}");
        assert_eq!(scan("query: q", kind).unwrap(), None, "{kind:?}");
        let refused = scan("{query: q, scan: SELECT k FROM t}", kind).unwrap_err();
        assert!(refused.contains("maps[0].scan") && refused.contains(dialect.scan), "{refused}");
    }
    assert_eq!(scan("hash: h", StoreKind::Redis).unwrap(), Some(Scan(Lookup::Hash("h".into()))));
    let collection = Scan(Lookup::Collection("c".into()));
    assert_eq!(scan("collection: c", StoreKind::Grpc).unwrap(), Some(collection));
}

#[test]
fn a_lookup_that_fits_its_store_is_taken() {
    let sqlite = used("{query: SELECT k FROM t WHERE k IN rarray(?1), key_type: bytes}", StoreKind::Sqlite);
    let query = "SELECT k FROM t WHERE k IN rarray(?1)".into();
    assert_eq!(sqlite.unwrap(), Lookup::Sql { query, key_type: Some(KeyType::Bytes), shape: Shape::Value });
    let postgres = used("query: SELECT $1", StoreKind::Postgres);
    assert_eq!(postgres.unwrap(), plain("SELECT $1"));
    assert_eq!(used("query: k IN (?)", StoreKind::Mysql).unwrap(), plain("k IN (?)"));
    assert_eq!(used("prefix: ''", StoreKind::Redis).unwrap(), Lookup::Prefix("".into()));
    assert_eq!(used("hash: h", StoreKind::Redis).unwrap(), Lookup::Hash("h".into()));
    assert_eq!(used("collection: c", StoreKind::Grpc).unwrap(), Lookup::Collection("c".into()));
}

#[test]
fn a_lookup_that_does_not_fit_names_every_key_and_what_to_write() {
    for (yaml, kind, expected) in [
        ("{}", StoreKind::Sqlite, &["maps[0].query", "rarray(?1)"][..]),
        ("query: SELECT 1", StoreKind::Postgres, &["maps[0].query", "ANY($1)"]),
        (
            "{query: q, prefix: p, hash: h}",
            StoreKind::Sqlite,
            &["maps[0].prefix", "maps[0].hash", "maps[0].query"],
        ),
        (
            "{query: q, key_type: text}",
            StoreKind::Redis,
            &["maps[0].query", "maps[0].key_type", "maps[0].prefix"],
        ),
        ("{prefix: p, hash: h}", StoreKind::Redis, &["maps[0].hash", "not both"]),
        ("query: k = ?", StoreKind::Mysql, &["maps[0].query", "IN (?)"]),
        ("{query: k IN (?), collection: c}", StoreKind::Mysql, &["maps[0].collection"]),
        ("{query: $1, version_column: n}", StoreKind::Postgres, &["maps[0].version_column", "columns"]),
        ("{hash: h}", StoreKind::Grpc, &["maps[0].hash", "maps[0].collection"]),
        ("{query: q, key_type: number}", StoreKind::Sqlite, &["key_type", "integer"]),
        ("{table: t}", StoreKind::Redis, &["table", "unknown key"]),
    ] {
        let problems = used(yaml, kind).unwrap_err();
        for part in expected {
            assert!(problems.contains(part), "{part} in:\n{problems}");
        }
    }
}

#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct Contract {
    name: String,
    #[serde(flatten)]
    lookup: WrittenLookup,
}

#[test]
fn a_lookup_can_be_a_flat_part_of_a_contract_and_unknown_keys_are_still_refused() {
    let contract = |yaml: &str| {
        counterfoil_settings::Sources { yaml: yaml.into(), overlays: Vec::new() }.written::<Contract>()
    };
    let good = contract("{name: cart, hash: h}").unwrap();
    assert_eq!((good.name.as_str(), good.lookup.hash.as_deref()), ("cart", Some("h")));
    let bad = contract("{name: cart, hush: h}").unwrap_err().to_string();
    assert!(bad.contains("hush: unknown key") && bad.contains("hash"), "{bad}");
}
