//! What pages load: one style sheet, pictures and scripts, all of them in the binary.
//!
//! Each stands under a path that names its content, so that a browser may keep it for good.

use std::{io::Write, sync::OnceLock};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY},
};

use super::nonce;

/// One thing that pages load.
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
    /// The content as gzip, once a browser asked for it.
    gzip: OnceLock<Bytes>,
}

/// A file of `assets/`.
macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset {
            name: $name,
            kind: $kind,
            content: include_bytes!(concat!("../../assets/", $name)),
            gzip: OnceLock::new(),
        }
    };
}

static STYLE: Asset = asset!("dashboard.css", "text/css; charset=utf-8");
static ICONS: Asset = asset!("icons.svg", "image/svg+xml");
static LOGO: Asset = asset!("logo.svg", "image/svg+xml");
/// Ours.
static SCRIPT: Asset = asset!("dashboard.js", "text/javascript; charset=utf-8");
/// htmx 2.0.11 as npm has it; its licence lies beside it.
static HTMX: Asset = asset!("htmx.min.js", "text/javascript; charset=utf-8");

/// The path of everything that pages load.
#[derive(Clone, Debug)]
pub(crate) struct Assets {
    pub(crate) style: String,
    pub(crate) icons: String,
    pub(crate) logo: String,
    pub(crate) script: String,
    pub(crate) htmx: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        Self {
            style: STYLE.path(),
            icons: ICONS.path(),
            logo: LOGO.path(),
            script: SCRIPT.path(),
            htmx: HTMX.path(),
        }
    }

    /// What stands under a path, as the browser takes it; none where the path names another content.
    pub(crate) fn find(&self, path: &str, asked: &HeaderMap) -> Option<Response> {
        let known = [
            (&self.style, &STYLE),
            (&self.icons, &ICONS),
            (&self.logo, &LOGO),
            (&self.script, &SCRIPT),
            (&self.htmx, &HTMX),
        ];
        let (_, asset) = known.into_iter().find(|(known, _)| *known == path)?;
        let gzip = takes_gzip(asked).then(|| asset.gzip()).flatten();
        let is_gzip = gzip.is_some();
        let content = gzip.unwrap_or(Bytes::from_static(asset.content));
        let mut response = Response::new(Body::from(content));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(CACHE_CONTROL, kept);
        headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
        if is_gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Some(response)
    }
}

impl Asset {
    fn path(&self) -> String {
        let digest = data_encoding::HEXLOWER.encode(&nonce::digest(self.content));
        let (digest, _) = digest.split_at(16);
        format!("/assets/{digest}/{}", self.name)
    }

    /// Pages themselves are not compressed: what stands in a form beside its token would show in their length.
    fn gzip(&self) -> Option<Bytes> {
        let compress = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(self.content)?;
            encoder.finish()
        };
        if let Some(done) = self.gzip.get() {
            return Some(done.clone());
        }
        // Memory is written to: it does not fail.
        let done = compress().ok()?;
        Some(self.gzip.get_or_init(|| done.into()).clone())
    }
}

/// Whether `Accept-Encoding` names gzip, with a weight that is not nought (RFC 9110 §12.5.3). A `*` is no such name.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(ACCEPT_ENCODING).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut codings = texts.flat_map(|text| text.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}
