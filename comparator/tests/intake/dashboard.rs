//! The comparator's own pages over HTTP: what they show, to whom, and what forms do.

use super::divergences::{ALICE, BOB, id, opened, start_with_tokens, with_divergences};
use super::{acknowledged, batch, ended, header, store};
use crate::support::{Answer, Running, prepared, start, start_in, start_with};
use counterfoil_comparator::ledger::{Ledger, Opened, Transition};
use counterfoil_proto::BatchBuilder;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The most time that a page of a large ledger may take, in milliseconds, where nobody optimised and others are at work.
const PAGE_MS_MAX: i64 = 1_000;

const ORIGIN: &str = "origin: http://test\r\n";

impl Running {
    async fn page(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").await
    }

    /// Signs in, and gives the cookie as a header.
    async fn signed_in(&self, token_header: &str) -> String {
        let token = token_header.trim_start_matches("authorization: Bearer ").trim();
        let answer = self.ask("POST", "/login", ORIGIN, &format!("next=%2Fsources&token={token}")).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert!(answer.head.contains("location: /sources\r\n"), "{}", answer.head);
        format!("cookie: {}\r\n", cookie(&answer))
    }
}

/// What a browser would send back.
fn cookie(answer: &Answer) -> String {
    let (_, rest) = answer.head.split_once("set-cookie: ").expect("a cookie");
    rest.split(';').next().unwrap().to_owned()
}

/// The value of a hidden field.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect("the field is there");
    rest.split('"').next().unwrap()
}

async fn record(running: &Running, divergences: impl Iterator<Item = Opened>) {
    let ledger = Ledger::open(&running.directory.path().join("ledger.db"), |_| ()).unwrap();
    ledger.record(divergences.map(Transition::from).collect()).await.unwrap();
    ledger.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_shows_what_the_api_tells_and_lets_a_browser_load_nothing_from_elsewhere() {
    let running = start().await;
    store(&running, "kept");
    ended(&running, &batch(&running, "cart", 0, &["kept", "lost"])).await;
    let found = running.get("/v1/divergences?state=confirmed").await.1["divergences"][0]["id"].clone();
    let one = format!("/divergences/{}", found.as_str().unwrap());
    for (path, parts) in [
        (
            "/",
            &[
                "1 open divergence; the gate of 0 checks passes, 1 fail",
                ">50.0 %<",
                "1 of 2",
                "bad_ratio",
                "in main, warning",
            ][..],
        ),
        ("/divergences", &[">lost<", ">missing<", ">confirmed<", "cart/a/1", "format=csv\""]),
        (
            &one,
            &[
                "missing in cart",
                ">lost<",
                "<svg",
                "opened: missing",
                "not explained",
                "write a token with the role",
            ],
        ),
        ("/sources", &["cart/a/1", ">ended<", "Clock error", ">2<"]),
        ("/stores", &[">healthy<", "as many as it bears", "write <code>sweep</code>"]),
    ] {
        let page = running.page(path).await;
        assert_eq!(page.status, 200, "{path}");
        for part in parts {
            assert!(page.body.contains(part), "{part} on {path}:\n{}", page.body);
        }
        for line in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: same-origin\r\n",
            "cache-control: no-store\r\n",
            "content-type: text/html; charset=utf-8\r\n",
        ] {
            assert!(page.head.contains(line), "{line} of {path}:\n{}", page.head);
        }
        assert!(
            !page.body.contains("style=") && !page.body.contains("<script>"),
            "{path} has something inline"
        );
    }
    let past = running.get("/dashboard/past").await.1;
    assert_eq!(past["lines"][0]["name"], "cart · main", "{past}");
    assert!(past["at_s"].as_array().is_some_and(|at| !at.is_empty()), "{past}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_from_outside_is_shown_and_never_run() {
    let running = start_in(with_divergences(1).await, "").await;
    let attack = "<script>alert(1)</script>\"'&";
    let names = |number: u32, key: &[u8]| Opened {
        key: key.to_vec(),
        map: attack.into(),
        source: format!("{attack}/pod/1"),
        ..opened(number)
    };
    record(&running, [names(7, attack.as_bytes()), names(8, b"\xff\x00\x1b[2J")].into_iter()).await;
    let mut service = BatchBuilder::default();
    let (uploads, mut replies) = running.stream().await;
    let named = counterfoil_proto::Header { service: attack.into(), ..header(0, counterfoil_clock::now()) };
    uploads.send(running.upload(1, &service.finish(named))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    for path in ["/divergences".to_owned(), format!("/divergences/{}", id(7)), "/sources".to_owned()] {
        let page = running.page(&path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("<script>alert"), "{path}:\n{}", page.body);
        assert!(
            page.body.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;"),
            "{path}:\n{}",
            page.body
        );
    }
    let bytes = running.page(&format!("/divergences/{}", id(8))).await.body;
    assert!(bytes.contains("ff001b5b324a") && !bytes.contains('\u{1b}'), "{bytes}");
    let asked = running.page("/divergences?source=%22%3E%3Cscript%3E&kind=stale").await;
    assert!(asked.status == 200 && !asked.body.contains("\"><script>"), "{}", asked.body);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn divergences_are_filtered_and_paged_as_those_of_the_api() {
    let running = start_in(with_divergences(6).await, "").await;
    for (query, expected) in [
        ("", &[5, 4, 3, 2, 1, 0][..]),
        ("?map=&store=&state=resolved&kind=&key=", &[5]),
        ("?kind=stale&source=shop/pod-1/7", &[1]),
        ("?key=%3Dkey+3", &[3]),
        ("?map=basket", &[]),
        ("?acted=ignored", &[]),
    ] {
        let page = running.page(&format!("/divergences{query}")).await;
        assert_eq!(page.status, 200, "{query}");
        for number in 0..6_u32 {
            let is_shown = page.body.contains(&format!("/divergences/{}\"", id(number)));
            assert_eq!(is_shown, expected.contains(&number), "{number} of {query}");
        }
    }
    let page = running.page("/divergences?kind=stale&limit=2").await.body;
    let (_, rest) =
        page.split_once("<a href=\"/divergences?kind=stale&#38;limit=2&#38;after=").expect("a next page");
    let after = rest.split('"').next().unwrap();
    let next = running.page(&format!("/divergences?kind=stale&limit=2&after={after}")).await.body;
    assert!(next.contains(&id(1).to_string()) && !next.contains(&id(3).to_string()), "{next}");
    assert!(next.contains("<a href=\"/divergences?kind=stale&#38;limit=2\">First page</a>"), "{next}");
    assert!(next.contains("/v1/divergences/export?kind=stale&amp;format=csv"), "{next}");
    assert!(next.contains("<option selected>stale</option>"), "{next}");
    for (query, message) in [
        ("state=odd", "state: is `odd`; write opened, confirmed, resolved"),
        ("limit=0", "limit: is `0`"),
        ("stat=opened", "stat: is no parameter of this path"),
        ("opened_since=now", "opened_since: is `now`"),
    ] {
        let page = running.page(&format!("/divergences?{query}")).await;
        assert_eq!(page.status, 400, "{query}");
        assert!(
            page.body.contains(message) && page.body.contains("role=\"alert\""),
            "{query}:\n{}",
            page.body
        );
    }
    for path in ["/divergences/abc".to_owned(), format!("/divergences/{}", id(99))] {
        let page = running.page(&path).await;
        assert!(page.status == 404 && page.body.contains("no such divergence"), "{path} {}", page.body);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_large_ledger_is_found_without_going_through_it() {
    let running = start_in(prepared(), "").await;
    record(&running, (0..100_000).map(|number| Opened { map: format!("m{}", number % 7), ..opened(number) }))
        .await;
    for query in ["", "?kind=stale&state=opened&acted=none", "?map=m3&limit=1000", "?source=shop/pod-2/7"] {
        let begun = counterfoil_clock::now();
        let page = running.page(&format!("/divergences{query}")).await;
        let took_ms = counterfoil_clock::now().since(begun) / 1_000_000;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Next page"), "{query}");
        assert!(took_ms < PAGE_MS_MAX, "{query} took {took_ms} ms");
        eprintln!("{query:40} {took_ms} ms");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_or_token_a_page_leads_to_where_one_signs_in() {
    let running = start_with_tokens(with_divergences(1).await).await;
    let one = format!("/divergences/{}", id(0));
    for (path, next) in
        [("/", "%2F"), ("/divergences?map=a%26b", "%2Fdivergences%3Fmap%3Da%2526b"), ("/stores", "%2Fstores")]
    {
        let answer = running.page(path).await;
        assert_eq!(answer.status, 303, "{path}");
        let to = format!("location: /login?next={}\r\n", next.to_ascii_lowercase());
        assert!(answer.head.contains(&to), "{to} of {}", answer.head);
        assert!(answer.head.contains("content-security-policy: "), "{}", answer.head);
    }
    for path in ["/dashboard/live", "/dashboard/past"] {
        assert_eq!(running.page(path).await.status, 401, "{path}");
    }
    assert_eq!(running.ask("POST", &format!("{one}/act"), ORIGIN, "what=ignore").await.status, 401);
    assert_eq!(
        running.ask("GET", "/", "authorization: Bearer somebody-0123456789\r\n", "").await.status,
        401
    );
    assert_eq!(running.ask("GET", "/", BOB, "").await.status, 200, "a token is shown as for the API");
    assert_eq!(running.page("/assets/dashboard.css").await.status, 200);
    let form = running.page("/login?next=/stores").await;
    assert!(form.status == 200 && form.body.contains("name=\"next\" value=\"/stores\""), "{}", form.body);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_begun_with_a_token_reads_and_ends() {
    let running = start_with_tokens(with_divergences(1).await).await;
    for (headers, body, status) in [
        (ORIGIN, "token=somebody-0123456789", 401),
        ("origin: https://evil.example\r\n", "token=bob-9876543210abc", 403),
        ("", "token=bob-9876543210abc", 403),
    ] {
        let answer = running.ask("POST", "/login", headers, body).await;
        assert_eq!(answer.status, status, "{headers} {body}");
        assert!(!answer.head.contains("set-cookie"), "{}", answer.head);
    }
    // The rate of wrong tokens is looked at elsewhere; here the one above is over soon.
    tokio::time::timeout(super::PATIENCE, async {
        while running.ask("POST", "/login", ORIGIN, "token=bob-9876543210abc").await.status == 429 {}
    })
    .await
    .expect("another try is allowed");
    let secure = running.ask("POST", "/login", "origin: https://test\r\n", "token=bob-9876543210abc").await;
    assert!(
        secure.head.contains("path=/; max-age=28800; httponly; samesite=strict; secure\r\n"),
        "{}",
        secure.head
    );
    let bob = running.signed_in(BOB).await;
    assert!(!bob.contains("bob-"), "the token is not in the cookie");
    let page = running.ask("GET", "/", &bob, "").await;
    assert!(page.status == 200 && page.body.contains("bob (reads)"), "{}", page.body);
    assert_eq!(running.ask("GET", "/v1/divergences/export?format=csv", &bob, "").await.status, 200);
    let act = format!("/v1/divergences/{}/acknowledge", id(0));
    assert_eq!(running.ask("POST", &act, &bob, "{\"why\":\"w\",\"revision\":2}").await.status, 401);
    let token = hidden(&page.body, "form_token").to_owned();
    for (headers, body, status) in [
        (format!("{bob}{ORIGIN}"), "form_token=0".to_owned(), 403),
        (format!("{bob}origin: https://evil.example\r\n"), format!("form_token={token}"), 403),
        (format!("{bob}{ORIGIN}"), format!("form_token={token}"), 303),
    ] {
        assert_eq!(running.ask("POST", "/logout", &headers, &body).await.status, status, "{headers} {body}");
    }
    assert_eq!(running.ask("GET", "/", &bob, "").await.status, 303, "the session is over");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_acts_on_what_he_saw_and_nobody_else_does() {
    let running = start_with_tokens(with_divergences(2).await).await;
    let (alice, bob) = (running.signed_in(ALICE).await, running.signed_in(BOB).await);
    let one = format!("/divergences/{}", id(0));
    let (path, alice_sends) = (format!("{one}/act"), format!("{alice}{ORIGIN}"));
    let page = running.ask("GET", &one, &alice, "").await.body;
    assert!(page.contains(&format!("{path}?what=acknowledge")), "{page}");
    let form = running.ask("GET", &format!("{path}?what=ignore"), &alice, "").await.body;
    assert!(form.contains("value=\"ignore\" required checked"), "{form}");
    let (token, revision) = (hidden(&form, "form_token"), hidden(&form, "revision"));
    let sent = |more: &str| format!("form_token={token}&revision={revision}&{more}");

    assert_eq!(running.ask("GET", &path, &bob, "").await.status, 403);
    let bobs = hidden(&running.ask("GET", "/", &bob, "").await.body, "form_token").to_owned();
    let as_bob = running
        .ask(
            "POST",
            &path,
            &format!("{bob}{ORIGIN}"),
            &format!("form_token={bobs}&what=ignore&why=w&revision=1"),
        )
        .await;
    assert!(as_bob.status == 403 && as_bob.body.contains("`bob` is a viewer"), "{}", as_bob.body);
    for (headers, body, status, message) in [
        (
            format!("{alice}origin: http://evil.example\r\n"),
            sent("what=ignore&why=w"),
            403,
            "not sent from this address",
        ),
        (
            alice_sends.clone(),
            format!("form_token={bobs}&revision={revision}&what=ignore&why=w"),
            403,
            "of another session",
        ),
        (alice_sends.clone(), sent("what=ignore&why=+"), 400, "write a reason"),
        (alice_sends.clone(), sent("what=forget&why=w"), 400, "choose acknowledge"),
        (alice_sends.clone(), sent("what=ignore&why=kept%26&until=2000-01-01T00:00"), 400, "still to come"),
        (alice_sends.clone(), format!("form_token={token}&what=ignore&why=w"), 400, "revision: is missing"),
    ] {
        let answer = running.ask("POST", &path, &headers, &body).await;
        assert!(
            answer.status == status && answer.body.contains(message),
            "{status} {message}: {}",
            answer.body
        );
    }
    let told = running.ask("GET", &format!("/v1{one}"), ALICE, "").await.body;
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["acted"], Value::Null, "none of these was done");

    let done = running
        .ask("POST", &path, &alice_sends, &sent("what=ignore&why=test+data&until=2100-01-01T00:00"))
        .await;
    assert!(done.status == 303 && done.head.contains(&format!("location: {one}\r\n")), "{}", done.body);
    let page = running.ask("GET", &one, &alice, "").await.body;
    for part in ["ignored by alice", "until 2100-01-01 00:00:00 UTC", "<q>test data</q>", ">Take back</a>"] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    let late = running.ask("POST", &path, &alice_sends, &sent("what=acknowledge&why=my+words")).await;
    assert_eq!(late.status, 409);
    assert!(
        late.body.contains("Changed meanwhile") && late.body.contains(">my words</textarea>"),
        "{}",
        late.body
    );
    let again = format!("form_token={token}&revision={}&what=reopen&why=w", hidden(&late.body, "revision"));
    assert_eq!(running.ask("POST", &path, &alice_sends, &again).await.status, 303);
    let by_token = "revision=3&what=acknowledge&why=w";
    assert_eq!(
        running.ask("POST", &path, ALICE, by_token).await.status,
        303,
        "a script with a token needs no session"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_shown_under_a_base_path_and_every_link_has_it() {
    let overlays = vec![
        "listen.http_base_path=/watch/it".to_owned(),
        "dashboard.trace_url=https://t.example/{trace_id}".to_owned(),
    ];
    let running = start_with(with_divergences(2).await, "", overlays).await;
    record(&running, [Opened { trace_id: Some([0xab; 16]), ..opened(7) }].into_iter()).await;
    let one = format!("/divergences/{}", id(7));
    for (path, status) in [
        ("/watch/it", 200),
        ("/watch/it/", 308),
        ("/", 200),
        ("/watch/it/divergences", 200),
        (&one, 200),
        ("/watch/it/v1/summary", 200),
        ("/v1/summary", 200),
        ("/watch/it/assets/dashboard.js", 200),
        ("/watch/it/nowhere", 404),
        ("/livez", 200),
    ] {
        let page = running.page(path).await;
        assert_eq!(page.status, status, "{path}");
        let is_page = page.head.contains("content-type: text/html");
        let mut links =
            ["href=\"", "src=\"", "action=\""].into_iter().flat_map(|name| page.body.split(name).skip(1));
        let ours = |link: &str| {
            link.starts_with("/watch/it")
                || link.starts_with("#main")
                || link.starts_with("https://t.example/")
        };
        assert!(!is_page || links.all(ours), "{path}:\n{}", page.body);
    }
    let page = running.page(&one).await.body;
    assert!(page.contains(&format!("href=\"https://t.example/{}\"", "ab".repeat(16))), "{page}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_fetched_once_for_each_version() {
    let running = start().await;
    let page = running.page("/").await.body;
    let (_, rest) = page.split_once("href=\"/assets/dashboard.css").expect("a style sheet");
    let versioned = format!("/assets/dashboard.css{}", rest.split('"').next().unwrap());
    let answer = running.page(&versioned).await;
    assert!(
        answer.head.contains("cache-control: public, max-age=31536000, immutable\r\n"),
        "{}",
        answer.head
    );
    assert!(answer.head.contains("content-type: text/css"), "{}", answer.head);
    let (_, rest) = answer.head.split_once("etag: ").expect("an etag");
    let etag = rest.split("\r\n").next().unwrap();
    let plain = running.ask("GET", "/assets/dashboard.css", &format!("if-none-match: {etag}\r\n"), "").await;
    assert_eq!((plain.status, plain.body.as_str()), (304, ""));
    assert!(plain.head.contains("cache-control: no-cache\r\n"), "{}", plain.head);
    let other = running.ask("GET", "/assets/dashboard.css", "if-none-match: \"0\"\r\n", "").await;
    assert_eq!((other.status, other.body), (200, answer.body));
    for name in ["dashboard.js", "icon.svg", "uPlot.iife.min.js", "uPlot.min.css"] {
        assert_eq!(running.page(&format!("/assets/{name}")).await.status, 200, "{name}");
    }
    assert_eq!(running.page("/assets/..%2Fmod.rs").await.status, 404);
    running.stop().await;
}

/// Connects to the figures as they change; gives events as they come.
async fn watching(running: &Running) -> tokio::io::Lines<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(running.http).await.unwrap();
    stream.write_all(b"GET /dashboard/live HTTP/1.0\r\nHost: test\r\n\r\n").await.unwrap();
    BufReader::new(stream).lines()
}

async fn event(lines: &mut tokio::io::Lines<BufReader<TcpStream>>) -> String {
    let next = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the figures go on");
            if let Some(event) = line.strip_prefix("data: ") {
                return event.to_owned();
            }
        }
    };
    tokio::time::timeout(super::PATIENCE, next).await.expect("an event")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_watch_are_told_the_same_as_it_changes() {
    let running = start().await;
    let (mut one, mut other) = (watching(&running).await, watching(&running).await);
    let (first, mut same) = (event(&mut one).await, event(&mut other).await);
    while same < first {
        same = event(&mut other).await;
    }
    ended(&running, &batch(&running, "cart", 0, &["lost"])).await;
    let is_there = |event: &str| {
        let told: Value = serde_json::from_str(event).unwrap();
        let figures = &told["figures"];
        figures["open-warning"][0] == "1" && figures["c0-events"][0] == "1" && figures["c0-gate"][0] == "fail"
    };
    for viewer in [&mut one, &mut other] {
        let mut told = event(viewer).await;
        while !is_there(&told) {
            told = event(viewer).await;
        }
        assert!(told.contains("1 open divergence;"), "{told}");
    }
    // Whoever watches is let go first: else the stop would wait for him.
    let stopped = tokio::spawn(running.stop());
    while one.next_line().await.is_ok_and(|line| line.is_some()) {}
    stopped.await.unwrap();
}
