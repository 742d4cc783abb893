//! What `RCLONE_REMOTE` names: `NAME:path`, `NAME,key=value:path`, `:type,key=value:path`, or a path.

/// Keys and their values, in their order.
type Keys = Vec<(String, String)>;

/// A remote and a path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) at: Where,
    /// Keys that are given on the spot.
    pub(crate) keys: Keys,
    pub(crate) path: String,
}

/// Which remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Where {
    /// One of the rclone.conf.
    Named(String),
    /// One of this type, made of the keys alone.
    Made(String),
    /// None: a folder here.
    Here,
}

impl Remote {
    /// The remote's name in the rclone.conf.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.at {
            Where::Named(name) => Some(name),
            _ => None,
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong. Does not repeat the text, which may hold a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty");
        }
        let end = text.find([':', ',', '/']).unwrap_or(text.len());
        let (made, name, rest) = match text.strip_prefix(':') {
            Some(rest) => {
                let end = rest.find([':', ',', '/']).unwrap_or(rest.len());
                (true, &rest[..end], &rest[end..])
            }
            // `dir,with,commas/x` and `relative/path` are folders: no colon comes before the slash.
            None if !before_slash(text).contains(':') => {
                return Ok(Self { at: Where::Here, keys: Vec::new(), path: text.to_owned() });
            }
            None => (false, &text[..end], &text[end..]),
        };
        if name.is_empty() {
            return Err("the remote has no name");
        }
        let (keys, path) = keys(rest)?;
        let at = if made { Where::Made(name.to_owned()) } else { Where::Named(name.to_owned()) };
        Ok(Self { at, keys, path: path.to_owned() })
    }
}

fn before_slash(text: &str) -> &str {
    // A quoted value may hold slashes; what counts is a slash before the first comma.
    let end = text.find(['/', ',']).unwrap_or(text.len());
    if text[end..].starts_with(',') { text } else { &text[..end] }
}

/// `,key=value,key="a "" quote",flag:path`
fn keys(mut rest: &str) -> Result<(Keys, &str), &'static str> {
    let mut keys = Vec::new();
    while let Some(behind) = rest.strip_prefix(',') {
        let end = behind.find(['=', ',', ':']).ok_or("the colon between remote and path is missing")?;
        let key = behind[..end].trim().to_owned();
        rest = &behind[end..];
        let mut value = "true".to_owned();
        if let Some(behind) = rest.strip_prefix('=') {
            (value, rest) = match behind.chars().next() {
                Some(quote @ ('"' | '\'')) => quoted(&behind[1..], quote)?,
                _ => {
                    let end = behind.find([',', ':']).ok_or("the colon between remote and path is missing")?;
                    (behind[..end].to_owned(), &behind[end..])
                }
            };
        }
        if key.is_empty() {
            return Err("a key of the remote has no name");
        }
        keys.push((key, value));
    }
    let path = rest.strip_prefix(':').ok_or("the colon between remote and path is missing")?;
    Ok((keys, path))
}

/// A quoted value, in which the quote itself is doubled.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            value.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            value.push(c);
            chars.next();
        } else {
            return Ok((value, &text[at + c.len_utf8()..]));
        }
    }
    Err("a quote of the remote has no partner")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn remote(at: Where, keys: &[(&str, &str)], path: &str) -> Remote {
        let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Remote { at, keys, path: path.to_owned() }
    }

    #[test]
    fn each_form() {
        let named = |name: &str| Where::Named(name.to_owned());
        let made = |name: &str| Where::Made(name.to_owned());
        let parse = |text| Remote::parse(text).unwrap();
        assert_eq!(parse("s3:my-bucket/backups/pg"), remote(named("s3"), &[], "my-bucket/backups/pg"));
        assert_eq!(parse("box:"), remote(named("box"), &[], ""));
        assert_eq!(parse("sftp:/srv/x"), remote(named("sftp"), &[], "/srv/x"));
        assert_eq!(parse("my remote:x"), remote(named("my remote"), &[], "x"));
        assert_eq!(parse("/backups"), remote(Where::Here, &[], "/backups"));
        assert_eq!(parse("some/where"), remote(Where::Here, &[], "some/where"));
        assert_eq!(parse("./a:b"), remote(Where::Here, &[], "./a:b"));
        assert_eq!(
            parse(":s3,provider=AWS,env_auth,endpoint=\"http://h:1/\":b/p"),
            remote(made("s3"), &[("provider", "AWS"), ("env_auth", "true"), ("endpoint", "http://h:1/")], "b/p")
        );
        assert_eq!(parse("s3,region='a''b':b"), remote(named("s3"), &[("region", "a'b")], "b"));
        for wrong in ["", ":", ":s3", ":s3,region=eu", "s3,a=\"b:c", ":,a=b:c", "s3,=x:c"] {
            assert!(Remote::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z:,=\"'/ é]{0,20}|.*") {
            let _ = Remote::parse(&text);
        }
    }
}
