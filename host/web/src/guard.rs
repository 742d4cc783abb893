//! Who may ask: the names under which this server is known, and the token for triggers.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri};
use planb_model::secret::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The names under which the server is known.
///
/// A page in a browser can be made to reach a loopback address under a name of its own (DNS rebinding), and then
/// reads what it finds. It cannot make the browser send an address or `localhost` as the name.
#[derive(Debug)]
pub(crate) struct Names {
    checked: bool,
    known: Vec<String>,
}

impl Names {
    /// Names are checked on loopback, and wherever some were given.
    pub(crate) fn new(loopback: bool, known: &[String]) -> Self {
        Self { checked: loopback || !known.is_empty(), known: known.iter().map(|name| name.to_lowercase()).collect() }
    }

    /// Whether a request names this server.
    pub(crate) fn admit(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        if !self.checked {
            return true;
        }
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
        self.knows(&host) && uri.authority().is_none_or(|authority| self.knows(authority))
    }

    fn knows(&self, authority: &Authority) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let name = authority.host().trim_matches(['[', ']']).to_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        name.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.known.iter().any(|known| known == name)
    }
}

/// The answer to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is the one.
    Granted,
    /// There is none, or another.
    Wrong,
    /// Nobody has one.
    Closed,
}

/// Compares the token of a request, in a time that says nothing of the right one.
pub(crate) fn admission(token: Option<&Secret>, headers: &HeaderMap) -> Admission {
    let Some(token) = token else { return Admission::Closed };
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return Admission::Wrong };
    let Some((scheme, given)) = given.as_bytes().split_at_checked("Bearer ".len()) else { return Admission::Wrong };
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Admission::Wrong;
    }
    // Digests have one length whatever was given.
    let same = Sha256::digest(given).ct_eq(&Sha256::digest(token.expose().as_bytes()));
    if bool::from(same) { Admission::Granted } else { Admission::Wrong }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use hyper::header::HeaderValue;

    use super::*;

    fn asked(names: &Names, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        names.admit(&headers, &Uri::from_static("/"))
    }

    #[test]
    fn on_loopback_only_addresses_and_known_names_are_answered() {
        let names = Names::new(true, &["Backup.example".to_owned()]);
        let good = [
            "localhost",
            "LOCALHOST:8080",
            "planb.localhost",
            "127.0.0.1:8080",
            "[::1]:8080",
            "backup.example",
            "BACKUP.example.:80",
        ];
        let bad = [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "user@localhost",
            "evil.example:80@localhost",
            "localhost@evil.example",
            "",
            "local host",
            "xn--localhost",
        ];
        for host in good {
            assert!(asked(&names, host), "{host}");
        }
        for host in bad {
            assert!(!asked(&names, host), "{host}");
        }
        assert!(!names.admit(&HeaderMap::new(), &Uri::from_static("/")));
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("localhost"));
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(!names.admit(&two, &Uri::from_static("/")));
        let mut one = HeaderMap::new();
        one.append(HOST, HeaderValue::from_static("localhost"));
        assert!(!names.admit(&one, &Uri::from_static("http://evil.example/")));
        assert!(names.admit(&one, &Uri::from_static("http://127.0.0.1/")));
    }

    #[test]
    fn elsewhere_names_are_checked_if_there_are_any() {
        assert!(asked(&Names::new(false, &[]), "any.example"));
        let names = Names::new(false, &["backup.example".to_owned()]);
        assert!(asked(&names, "backup.example") && asked(&names, "10.0.0.7") && !asked(&names, "any.example"));
    }

    #[test]
    fn only_the_token_itself_is_granted() {
        let token = Secret::new("0123456789abcdef".to_owned());
        let ask = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            admission(Some(&token), &headers)
        };
        assert_eq!(ask("Bearer 0123456789abcdef"), Admission::Granted);
        assert_eq!(ask("bearer 0123456789abcdef"), Admission::Granted);
        for wrong in [
            "Bearer ",
            "Bearer",
            "",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef ",
            "Bearer  0123456789abcdef",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            assert_eq!(ask(wrong), Admission::Wrong, "{wrong:?}");
        }
        assert_eq!(admission(Some(&token), &HeaderMap::new()), Admission::Wrong);
        let mut two = HeaderMap::new();
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer 0123456789abcdef"));
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert_eq!(admission(Some(&token), &two), Admission::Wrong);
        assert_eq!(admission(None, &two), Admission::Closed);
    }
}
