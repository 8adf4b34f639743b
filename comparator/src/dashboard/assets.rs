//! The files that pages load: in the program itself, each known by what is in it.

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// Hex digits of a version: enough to tell files apart.
const VERSION_DIGITS: usize = 16;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        Asset::new("dashboard.css", STYLE, include_bytes!("assets/dashboard.css")),
        Asset::new("dashboard.js", SCRIPT, include_bytes!("assets/dashboard.js")),
        Asset::new("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
        Asset::new("uPlot.iife.min.js", SCRIPT, include_bytes!("assets/uPlot.iife.min.js")),
        Asset::new("uPlot.min.css", STYLE, include_bytes!("assets/uPlot.min.css")),
    ]
});

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    ASSETS.iter().for_each(|asset| {
        hasher.update(asset.bytes);
    });
    digits(hasher.finalize())
});

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    etag: String,
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, kind, bytes, etag: format!("\"{}\"", digits(blake3::hash(bytes))) }
    }
}

fn digits(hash: blake3::Hash) -> String {
    hash.to_hex().chars().take(VERSION_DIGITS).collect()
}

/// Of all files together.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// Answers with a file. Asked for by its version it is never asked for again; else whoever has it asks whether it is the same.
pub(super) async fn asset(
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let is_versioned = query.is_some_and(|query| query.strip_prefix("v=") == Some(version()));
    let keep = if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let about = [(header::ETAG, asset.etag.as_str()), (header::CACHE_CONTROL, keep)];
    let has_it =
        headers.get(header::IF_NONE_MATCH).is_some_and(|etag| etag.as_bytes() == asset.etag.as_bytes());
    if has_it {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, asset.kind)], asset.bytes).into_response()
}
