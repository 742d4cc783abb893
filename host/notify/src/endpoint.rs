//! An address to post to: it may hold a token, so it never prints more than its host.

use std::fmt;

use planb_model::secret::Secret;
use url::Url;

/// Parts of an address that are shorter are words (`api`, `hooks`), no tokens.
const SHORTEST_TOKEN: usize = 8;

/// An http or https address.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(Url);

/// Why an address cannot be used. It is not repeated: it may hold a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("is not a URL")]
    NotOne,
    #[error("is not an http or https URL")]
    Scheme,
    #[error("has a user or password in it, but a token is sent instead; keep one of them")]
    Credentials,
    #[error("has no topic; it has to be like https://ntfy.sh/TOPIC")]
    NoTopic,
}

impl Endpoint {
    pub(crate) fn parse(secret: &Secret) -> Result<Self, EndpointError> {
        let url = Url::parse(secret.expose().trim()).map_err(|_| EndpointError::NotOne)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(EndpointError::Scheme);
        }
        Ok(Self(url))
    }

    /// The same, where a token of its own is sent along.
    pub(crate) fn parse_for_token(secret: &Secret) -> Result<Self, EndpointError> {
        let endpoint = Self::parse(secret)?;
        if !endpoint.0.username().is_empty() || endpoint.0.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        Ok(endpoint)
    }

    /// All of it. Every call is a place where it could leak.
    pub(crate) fn expose(&self) -> &Url {
        &self.0
    }

    /// What may be shown.
    pub(crate) fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// One level below. A query stays.
    pub(crate) fn below(&self, word: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{word}", self.0.path().trim_end_matches('/')));
        Self(url)
    }

    /// The level above, and the last word of the path.
    pub(crate) fn split(&self) -> Result<(Self, String), EndpointError> {
        let path = self.0.path().trim_end_matches('/');
        let (above, last) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty()).ok_or(EndpointError::NoTopic)?;
        let mut url = self.0.clone();
        url.set_path(&format!("{above}/"));
        Ok((Self(url), last.to_owned()))
    }

    /// What has to be kept out of sight.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let url = &self.0;
        let mut parts = vec![url.as_str(), url.path()];
        parts.extend(url.path_segments().into_iter().flatten());
        parts.extend(url.query());
        parts.extend(url.password());
        let mut secrets: Vec<_> = parts
            .into_iter()
            .filter(|part| part.len() >= SHORTEST_TOKEN)
            .map(|part| Secret::new(part.to_owned()))
            .collect();
        secrets.extend(url.query_pairs().map(|(_, value)| Secret::new(value.into_owned())));
        secrets
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/***", self.0.scheme(), self.host())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(&Secret::new(url.to_owned()))
    }

    #[test]
    fn shows_its_host_alone() {
        let hook = endpoint("https://user:pw@hooks.example:8443/services/T0/B0/tokentoken?key=abc\n").unwrap();
        assert_eq!(format!("{hook:?} {}", hook.host()), "https://hooks.example:8443/*** hooks.example:8443");
    }

    #[test]
    fn refuses_what_is_none() {
        assert_eq!(endpoint("hooks.example/x").unwrap_err(), EndpointError::NotOne);
        assert_eq!(endpoint("file:///etc/passwd").unwrap_err(), EndpointError::Scheme);
        let both = Secret::new("https://u:p@h/x".to_owned());
        assert_eq!(Endpoint::parse_for_token(&both).unwrap_err(), EndpointError::Credentials);
        assert_eq!(endpoint("https://ntfy.sh/").unwrap().split().unwrap_err(), EndpointError::NoTopic);
    }

    #[test]
    fn goes_down_and_up() {
        let base = endpoint("https://h/cb/?token=1").unwrap();
        assert_eq!(base.below("metadata").expose().as_str(), "https://h/cb/metadata?token=1");
        assert_eq!(endpoint("https://h").unwrap().below("start").expose().as_str(), "https://h/start");
        let (above, topic) = endpoint("https://h/ntfy/alerts").unwrap().split().unwrap();
        assert_eq!((above.expose().as_str(), &*topic), ("https://h/ntfy/", "alerts"));
    }
}
