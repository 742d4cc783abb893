//! How requests become a configuration file that only `curl` can read.
//!
//! The password stands in that file and nowhere else, and so does the address, in the format of `curl --config`: one option a line, its value
//! in double quotes, in which a backslash escapes (curl manual, "-K, --config").

use planb_sdk::{Command, Failure, PrivateFile, Request, Secret, path, quote};
use serde_json::Value;

/// Parameters of the URL that are files: who is trusted, and who we are.
pub(crate) const PATH_PARAMS: &[&str] = &["cacert", "cert", "key"];
/// The secrets beside the password.
pub(crate) const API_KEY: &str = "api-key";
pub(crate) const KEY_PASSWORD: &str = "key-password";

/// One or more requests to the server, one after the other.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    request: &'a Request,
    file: PrivateFile,
    first: bool,
}

impl<'a> Requests<'a> {
    /// The file that will hold them.
    pub(crate) fn new(request: &'a Request, file: &str) -> Self {
        Self { request, file: PrivateFile::new(file), first: true }
    }

    /// A request. What is the user's in its path is percent-encoded; the method is the author's.
    pub(crate) fn add(mut self, method: &'static str, path: &str) -> Result<Self, Failure> {
        if !self.first {
            self.file = self.file.text("next\n");
        }
        self.first = false;
        self.file = self.file.text("silent\nshow-error\nconnect-timeout = 10\nproto = \"=http,https\"\n");
        let url = format!("{}/{path}", base(self.request)?);
        self.login()?.option("url", &url)?.option("request", method)
    }

    /// Ends with an error where the server answers with one.
    pub(crate) fn or_fail(mut self) -> Self {
        self.file = self.file.text("fail\nfail-early\n");
        self
    }

    /// The same, and says what the server said. Its answer goes where errors go, since nobody reads it otherwise.
    pub(crate) fn or_say_why(mut self) -> Self {
        self.file = self.file.text("fail-with-body\nfail-early\noutput = \"/dev/stderr\"\n");
        self
    }

    /// What the last request sends.
    pub(crate) fn json(self, body: &Value) -> Result<Self, Failure> {
        self.option("header", "Content-Type: application/json")?.option("data-raw", &body.to_string())
    }

    /// An option of the last request.
    pub(crate) fn option(mut self, name: &'static str, value: &str) -> Result<Self, Failure> {
        let value = quoted(name, value)?;
        self.file = self.file.text(format!("{name} = \"{value}\"\n"));
        Ok(self)
    }

    /// The file, and the command that reads it.
    pub(crate) fn build(self) -> (PrivateFile, Command) {
        let command = Command::tool("curl").flag("--disable").pair("--config", path(self.file.path.clone()));
        (self.file, command)
    }

    fn login(mut self) -> Result<Self, Failure> {
        let request = self.request;
        let user = request.connection.user.as_deref().filter(|user| !user.is_empty());
        if request.has_secret(API_KEY) {
            self.file =
                self.file.text("header = \"Authorization: ApiKey ").secret(Secret::quoted(API_KEY)).text("\"\n");
        } else if let Some(user) = user {
            if user.contains(':') {
                return Err(Failure::settings("a user's name with a colon cannot be sent")
                    .hint("HTTP parts name and password at the first colon (RFC 7617); use an API key"));
            }
            self.file = self.file.text(format!("user = \"{}:", quoted("the user's name", user)?));
            if request.has_secret("password") {
                self.file = self.file.secret(Secret::quoted("password"));
            }
            self.file = self.file.text("\"\n");
        } else if request.has_secret("password") {
            return Err(Failure::settings("there is a password, and no user whose it is")
                .hint("name the user: --db elasticsearch://USER@HOST/INDEX, or --user"));
        }
        for &name in PATH_PARAMS {
            if let Some(value) = request.param(name) {
                self = self.option(name, value)?;
            }
        }
        if request.has_secret(KEY_PASSWORD) {
            self.file = self.file.text("pass = \"").secret(Secret::quoted(KEY_PASSWORD)).text("\"\n");
        }
        if is_on(request, "insecure") {
            self.file = self.file.text("insecure\n");
        }
        Ok(self)
    }
}

/// A value between double quotes.
fn quoted(what: &str, value: &str) -> Result<String, Failure> {
    if value.contains(['\n', '\r', '\0']) {
        return Err(Failure::settings(format!("{what} has a line break in it, or a NUL")));
    }
    Ok(value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn is_on(request: &Request, param: &str) -> bool {
    request.param(param) == Some("true")
}

/// The address of the server, without a slash at its end.
fn base(request: &Request) -> Result<String, Failure> {
    let connection = &request.connection;
    if connection.socket.is_some() {
        return Err(Failure::settings("the server listens on no socket")
            .hint("name a host: --db elasticsearch://USER@HOST/INDEX"));
    }
    let encrypted =
        connection.scheme.as_deref().is_some_and(|scheme| scheme.ends_with("+https")) || is_on(request, "tls");
    let scheme = if encrypted { "https" } else { "http" };
    let host = connection.host.as_deref().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let host = if host.contains(':') { format!("[{}]", quote::percent(host, ":")) } else { quote::percent(host, "") };
    let path = request.param("base-path").unwrap_or_default().trim_matches('/');
    let path = if path.is_empty() { String::new() } else { format!("/{}", quote::percent(path, "/")) };
    Ok(format!("{scheme}://{host}:{}{path}", connection.port.unwrap_or(9200)))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;
    use serde_json::json;

    use super::*;
    use crate::testing::text;

    #[test]
    fn a_request() {
        let request = testing::request("movies").password().port(9201);
        let (file, command) = Requests::new(&request, "x.conf").add("GET", "a%2Fb").unwrap().or_fail().build();
        assert_eq!(command.to_string(), "curl --disable --config {work}/x.conf");
        assert_eq!(
            text(&file),
            "silent\nshow-error\nconnect-timeout = 10\nproto = \"=http,https\"\nuser = \"app:{secret password}\"\n\
             url = \"http://db:9201/a%2Fb\"\nrequest = \"GET\"\nfail\nfail-early\n"
        );
    }

    #[test]
    fn encrypted_and_several() {
        let mut request = testing::request("movies")
            .with_param("cacert", "/etc/a \"b\".pem")
            .with_param("insecure", "true")
            .with_param("base-path", "/search/");
        request.connection.scheme = Some("opensearch+https".to_owned());
        request.connection.host = Some("::1".to_owned());
        request.connection.secrets = vec![API_KEY.to_owned(), KEY_PASSWORD.to_owned()];
        let requests = Requests::new(&request, "x.conf").add("GET", "").unwrap().add("PUT", "x").unwrap().or_say_why();
        let (file, _) = requests.json(&json!({"a": "\\"})).unwrap().build();
        let text = text(&file);
        assert!(text.contains("header = \"Authorization: ApiKey {secret api-key}\"\ncacert = \"/etc/a \\\"b\\\".pem\"\npass = \"{secret key-password}\"\ninsecure\n"));
        assert!(text.contains("url = \"https://[::1]:9200/search/\"\nrequest = \"GET\"\nnext\nsilent\n"));
        assert!(text.ends_with(
            "fail-with-body\nfail-early\noutput = \"/dev/stderr\"\nheader = \"Content-Type: application/json\"\ndata-raw = \"{\\\"a\\\":\\\"\\\\\\\\\\\"}\"\n"
        ));
    }

    #[test]
    fn what_is_refused() {
        let mut request = testing::request("movies");
        let asks = |request: &Request| Requests::new(request, "x").add("GET", "").is_err();
        assert!(!asks(&request));
        for user in ["a:b", "a\nurl = \"x\"", "a\rb"] {
            request.connection.user = Some(user.to_owned());
            assert!(asks(&request), "{user}");
        }
        request.connection.user = None;
        assert!(asks(&request.clone().password()));
        (request.connection.host, request.connection.socket) = (None, Some("/run/x".to_owned()));
        assert!(asks(&request));
    }
}
