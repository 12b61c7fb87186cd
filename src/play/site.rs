//! The routes: the page, `streams.json`, and the output directory under `/stream/`. Read-only: GET and HEAD.

use super::{page, streams};
use crate::package::content_type;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, IF_MODIFIED_SINCE, LAST_MODIFIED,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tower_http::services::ServeFile;

/// What is served, and where.
pub(super) struct Site {
    /// The output directory, canonical.
    pub(super) root: PathBuf,
    /// The address that the listener got.
    pub(super) address: SocketAddr,
    /// Files of the built page; empty for the fallback.
    pub(super) files: &'static [(&'static str, &'static [u8])],
}

/// All routes of a site.
pub(super) fn router(site: Site) -> Router {
    let site = Arc::new(site);
    Router::new()
        .route("/", get(index))
        .route("/streams.json", get(list))
        .route("/stream/{*path}", get(media))
        .route("/{name}", get(page_file))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// Refuses names that merely resolve to this machine, so that no page elsewhere can read the files by rebinding its name.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if site.address.ip().is_loopback() && !is_loopback_name(host) {
        return (
            StatusCode::FORBIDDEN,
            "open this site as localhost, or by the address that `reelmill play` printed\n",
        )
            .into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_SECURITY_POLICY));
    response
}

/// Whether a `Host` header (RFC 9110 §7.2) names the loopback interface itself.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn index(State(site): State<Arc<Site>>) -> Response {
    match site.file("index.html") {
        Some(response) => response,
        None => {
            let html = page::fallback(&streams::present(&site.root), site.address);
            typed(page::content_type("index.html"), html)
        }
    }
}

async fn page_file(State(site): State<Arc<Site>>, UrlPath(name): UrlPath<String>) -> Response {
    site.file(&name).unwrap_or_else(not_found)
}

/// What there is to play, for the page.
async fn list(State(site): State<Arc<Site>>) -> Response {
    let directory = site.root.file_name().unwrap_or_default().to_string_lossy();
    let list = serde_json::json!({ "directory": directory, "streams": streams::present(&site.root) });
    typed("application/json", list.to_string())
}

/// A file of the output directory, with ranges (RFC 9110 §14).
async fn media(State(site): State<Arc<Site>>, UrlPath(path): UrlPath<String>, mut request: Request) -> Response {
    let Some(file) = site.resolve(&path).await else { return not_found() };
    let manifest = !is_segment(&path);
    if manifest {
        // File times have whole seconds in HTTP: a manifest that changed twice in one would count as unchanged.
        request.headers_mut().remove(IF_MODIFIED_SINCE);
    }
    let Ok(served) = ServeFile::new(file).try_call(request).await else { return not_found() };
    let mut response = served.map(Body::new);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if manifest {
        headers.remove(LAST_MODIFIED);
    }
    if headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&path)));
    }
    response
}

/// Whether the file is written once and then stays as it is.
fn is_segment(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("m4s" | "mp4" | "ts"))
}

impl Site {
    /// A file of the built page.
    fn file(&self, name: &str) -> Option<Response> {
        let (_, bytes) = self.files.iter().find(|(file, _)| *file == name)?;
        Some(typed(page::content_type(name), *bytes))
    }

    /// The file that a decoded request path names; `None` for hidden names (the spool), directories, and whatever
    /// lies outside the output directory, be it by dots or by a link.
    async fn resolve(&self, path: &str) -> Option<PathBuf> {
        let relative = Path::new(path);
        let plain = relative.components().all(|part| match part {
            Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
            _ => false,
        });
        if !plain {
            return None;
        }
        let file = tokio::fs::canonicalize(self.root.join(relative)).await.ok()?;
        let is_file = tokio::fs::metadata(&file).await.ok()?.is_file();
        (is_file && file.starts_with(&self.root)).then_some(file)
    }
}

fn typed(content_type: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], body.into()).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
