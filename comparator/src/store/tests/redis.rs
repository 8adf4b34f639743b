use super::*;

pub(super) fn url() -> String {
    server("COUNTERFOIL_TEST_REDIS")
}

pub(super) async fn run(command: &[&[u8]]) -> ::redis::Value {
    let client = ::redis::Client::open(url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut packed = ::redis::Cmd::new();
    for part in command {
        packed.arg(*part);
    }
    packed.query_async(&mut connection).await.unwrap()
}

/// A store with one string `<prefix>a` = `x`.
async fn prefixed() -> Lookup {
    let prefix = format!("{}:", fresh_name());
    run(&[b"SET", format!("{prefix}a").as_bytes(), b"x"]).await;
    Lookup::Prefix(prefix.into())
}

#[tokio::test]
async fn string_values_are_read_as_bytes_in_the_order_of_the_keys() {
    let prefix = fresh_name();
    run(&[b"SET", &[prefix.as_bytes(), b"\xff\x00"].concat(), b"\x00\xfe"]).await;
    run(&[b"SET", &[prefix.as_bytes(), b"empty"].concat(), b""]).await;
    run(&[b"HSET", &[prefix.as_bytes(), b"hash"].concat(), b"f", b"v"]).await;
    let keys: [&[u8]; 5] = [b"empty", b"\xff\x00", b"none", b"hash", b"empty"];
    let answers = read(&reader(&WrittenStore::new(url())), &Lookup::Prefix(prefix.into()), &keys).await;
    assert_eq!(answers, Ok(vec![value(""), value(b"\x00\xfe"), ABSENT, ABSENT, value("")]));
}

#[tokio::test]
async fn the_fields_of_a_hash_are_read_and_what_is_no_hash_is_an_error() {
    let reader = reader(&WrittenStore::new(url()));
    let hash = fresh_name();
    let lookup = Lookup::Hash(hash.as_str().into());
    assert_eq!(read(&reader, &lookup, &["a"]).await, Ok(vec![ABSENT]));
    run(&[b"HSET", hash.as_bytes(), b"a", b"1", b"\xff", b"2"]).await;
    let keys: [&[u8]; 4] = [b"\xff", b"b", b"a", b"a"];
    assert_eq!(read(&reader, &lookup, &keys).await, Ok(vec![value("2"), ABSENT, value("1"), value("1")]));
    run(&[b"SET", hash.as_bytes(), b"a string"]).await;
    let error = read(&reader, &lookup, &keys).await.unwrap_err();
    assert_eq!((error.label(), error.to_string().contains("WRONGTYPE")), ("query", true), "{error}");
    run(&[b"DEL", hash.as_bytes()]).await;
    assert_eq!(read(&reader, &lookup, &["a"]).await, Ok(vec![ABSENT]));
}

#[tokio::test]
async fn keys_of_every_slot_of_a_cluster_are_read_at_once_and_its_hashes_are_gone_through() {
    let (name, place) = (fresh_name(), server("COUNTERFOIL_TEST_REDIS_CLUSTER"));
    let reader = reader(&WrittenStore::new(place.replace("redis://", "redis+cluster://")));
    let client = ::redis::Client::open(place.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (mut keys, mut expected) = (Vec::new(), Vec::new());
    for number in 0..100 {
        let () = ::redis::cmd("SET")
            .arg(format!("{name}{number}"))
            .arg(number)
            .query_async(&mut connection)
            .await
            .unwrap();
        let () = ::redis::cmd("HSET")
            .arg(&name)
            .arg(number)
            .arg(number)
            .query_async(&mut connection)
            .await
            .unwrap();
        keys.extend([format!("{number}"), format!("none{number}")]);
        expected.extend([value(number.to_string()), ABSENT]);
    }
    let strings = Lookup::Prefix(name.as_str().into());
    assert_eq!(read(&reader, &strings, &keys).await, Ok(expected.clone()));
    let fields = Lookup::Hash(name.as_str().into());
    assert_eq!(read(&reader, &fields, &keys).await, Ok(expected));
    let page = reader.scan(&Scan(fields), None, 500).await.told.unwrap();
    assert_eq!((page.rows.len(), page.next), (100, None));
    let refused = reader.scan(&Scan(strings.clone()), None, 500).await.told.unwrap_err();
    assert!(refused.to_string().contains("hash"), "{refused}");
    let one = super::reader(&WrittenStore::new(place));
    let refused = read(&one, &strings, &keys).await.unwrap_err();
    assert!(refused.to_string().contains("redis+cluster://"), "{refused}");
}

#[tokio::test]
async fn the_password_comes_from_its_file_at_each_connect() {
    let (user, lookup) = (fresh_name(), prefixed().await);
    run(&[b"ACL", b"SETUSER", user.as_bytes(), b"on", b">secret", b"~*", b"+@read", b"+@connection"]).await;
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    let url = url().replace("redis://", &format!("redis://{user}@"));
    let written = WrittenStore { password_file: Some(password_file.clone()), ..WrittenStore::new(url) };
    let reader = reader(&written);
    let missing = read(&reader, &lookup, &["a"]).await.unwrap_err();
    assert_eq!(
        (missing.label(), missing.to_string().contains("password_file")),
        ("connect", true),
        "{missing}"
    );
    std::fs::write(&password_file, "wrong").unwrap();
    let wrong = read(&reader, &lookup, &["a"]).await.unwrap_err();
    assert_eq!((wrong.label(), wrong.to_string().contains("wrong")), ("connect", false), "{wrong}");
    std::fs::write(&password_file, "secret\n").unwrap();
    assert_eq!(read(&reader, &lookup, &["a"]).await, Ok(vec![value("x")]));
    run(&[b"ACL", b"DELUSER", user.as_bytes()]).await;
}

#[tokio::test]
async fn a_server_that_is_down_at_start_goes_away_and_falls_silent_is_read_whenever_it_answers() {
    is_read_whenever_it_answers(&url(), &prefixed().await).await;
}
