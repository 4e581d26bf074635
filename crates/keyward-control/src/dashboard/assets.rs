//! What pages load: one style sheet, pictures and scripts, all of them in the binary.
//!
//! Each stands under a path that names its content, so that a browser may keep it for good.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use super::nonce;

/// One thing that pages load.
#[derive(Clone, Copy)]
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

/// A file of `assets/`.
macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset {
            name: $name,
            kind: $kind,
            content: include_bytes!(concat!("../../assets/", $name)),
        }
    };
}

const STYLE: Asset = asset!("dashboard.css", "text/css; charset=utf-8");
const ICONS: Asset = asset!("icons.svg", "image/svg+xml");
const LOGO: Asset = asset!("logo.svg", "image/svg+xml");
/// Ours.
const SCRIPT: Asset = asset!("dashboard.js", "text/javascript; charset=utf-8");
/// htmx 2.0.11 as npm has it; its licence lies beside it.
const HTMX: Asset = asset!("htmx.min.js", "text/javascript; charset=utf-8");

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
            style: path(STYLE),
            icons: path(ICONS),
            logo: path(LOGO),
            script: path(SCRIPT),
            htmx: path(HTMX),
        }
    }

    /// What stands under a path; none where the path names another content.
    pub(crate) fn find(&self, path: &str) -> Option<Response> {
        let known = [
            (&self.style, STYLE),
            (&self.icons, ICONS),
            (&self.logo, LOGO),
            (&self.script, SCRIPT),
            (&self.htmx, HTMX),
        ];
        let (_, asset) = known.into_iter().find(|(known, _)| *known == path)?;
        let mut response = Response::new(Body::from(Bytes::from_static(asset.content)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(CACHE_CONTROL, kept);
        Some(response)
    }
}

fn path(asset: Asset) -> String {
    let digest = data_encoding::HEXLOWER.encode(&nonce::digest(asset.content));
    let (digest, _) = digest.split_at(16);
    format!("/assets/{digest}/{}", asset.name)
}
