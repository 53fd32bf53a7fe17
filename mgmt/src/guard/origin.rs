//! Whether a request comes from a page of ours: a foreign one may have the browser send it, cookie
//! and all.

use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::request::Parts;
use axum::http::{Method, Uri};

use crate::Problem;

/// A page must be allowed to send it, which only ours are: we answer no preflight.
pub const HEADER: &str = "x-radiusd";

/// Where browsers find us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    /// `https://radius.example:8443`
    origin: String,
    /// `radius.example:8443`
    authority: String,
}

impl PublicUrl {
    pub fn parse(text: &str) -> Result<PublicUrl, String> {
        let wrong =
            || format!("{text}: expected a URL such as https://radius.example, without path");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let fine = ["http", "https"].contains(&scheme)
            && ["", "/"].contains(&uri.path())
            && uri.query().is_none()
            && !authority.as_str().contains('@');
        if !fine {
            return Err(wrong());
        }
        let default = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.as_str().to_ascii_lowercase();
        let authority = authority.strip_suffix(default).unwrap_or(&authority).to_owned();
        Ok(PublicUrl { origin: format!("{scheme}://{authority}"), authority })
    }

    pub fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Whether that is what a browser that found us here says in Host.
    pub fn is_host(&self, host: &str) -> bool {
        host.eq_ignore_ascii_case(&self.authority)
    }
}

/// A change must not come from a foreign page, whoever asks for it: that a browser says.
pub(crate) fn foreign(
    method: &Method,
    headers: &HeaderMap,
    public_url: Option<&PublicUrl>,
) -> Option<Problem> {
    if is_safe(method) {
        return None;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = text("sec-fetch-site");
    let by_site = site.is_none_or(|site| ["same-origin", "none"].contains(&site));
    let by_origin = match (text(ORIGIN.as_str()), public_url, text(HOST.as_str())) {
        (None, ..) => true,
        (Some(origin), Some(url), _) => origin.eq_ignore_ascii_case(&url.origin),
        (Some(origin), None, host) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == host
        }
    };
    let why = "This request comes from a page of another site.";
    (!by_site || !by_origin).then(|| Problem::forbidden(why).of_kind("/problems/foreign-page"))
}

/// A change with a cookie names our header too: a browser that says nothing of where it comes
/// from still asks before it sends that from a foreign page.
pub(super) fn of_a_page_of_ours(parts: &Parts) -> Result<(), Problem> {
    if is_safe(&parts.method) || parts.headers.contains_key(HEADER) {
        return Ok(());
    }
    let why = format!("A change with a cookie takes the header {HEADER}: 1.");
    Err(Problem::forbidden(why).of_kind("/problems/foreign-page"))
}

fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_public_url_is_scheme_host_and_port() {
        let url = PublicUrl::parse("https://Radius.example:443/").unwrap();
        assert!(url.is_secure() && url.is_host("radius.EXAMPLE"));
        assert!(!url.is_host("radius.example:8080") && !url.is_host("evil.example"));
        assert!(!PublicUrl::parse("http://localhost:8080").unwrap().is_secure());
        for wrong in ["radius.example", "ftp://x", "https://x/y", "https://u@x", "https://x/?q"] {
            assert!(PublicUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn foreign_pages_change_nothing() {
        let url = PublicUrl::parse("https://radius.example").unwrap();
        let asks =
            |method: Method, url: Option<&PublicUrl>, pairs: &[(&'static str, &'static str)]| {
                let mut headers = HeaderMap::new();
                headers.insert(HOST, HeaderValue::from_static("radius.example"));
                for (name, value) in pairs {
                    headers.insert(*name, HeaderValue::from_static(value));
                }
                foreign(&method, &headers, url).is_none()
            };
        let post = |url: Option<&PublicUrl>, pairs: &[_]| asks(Method::POST, url, pairs);
        assert!(post(None, &[]));
        assert!(post(None, &[("sec-fetch-site", "same-origin")]));
        assert!(!post(None, &[("sec-fetch-site", "cross-site")]));
        assert!(!post(None, &[("sec-fetch-site", "same-site")]));
        assert!(post(None, &[("origin", "https://radius.example")]));
        assert!(!post(None, &[("origin", "https://evil.example")]));
        assert!(!post(None, &[("origin", "null")]));
        assert!(post(Some(&url), &[("origin", "https://radius.example")]));
        assert!(!post(Some(&url), &[("origin", "http://radius.example")]));
        assert!(asks(Method::GET, None, &[("sec-fetch-site", "cross-site")]));
    }
}
