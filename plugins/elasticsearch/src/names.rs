//! What an index may be called, and names in a URL.

use planb_sdk::{Failure, quote};

/// Refuses a name that no index and no data stream has. (Elasticsearch manual, "Create index", "Path parameters")
pub(crate) fn index(name: &str) -> Result<(), Failure> {
    const LONGEST: usize = 255;
    let bad = |c: char| "\\/*?\"<>| ,#:".contains(c) || c.is_uppercase() || c.is_control();
    let why = if name.is_empty() || name == "." || name == ".." {
        "the index has no name".to_owned()
    } else if name.len() > LONGEST {
        format!("the index's name has {} bytes, and the server takes {LONGEST}", name.len())
    } else if name.starts_with(['-', '_', '+']) {
        "no index's name begins with -, _ or +".to_owned()
    } else if let Some(c) = name.chars().find(|&c| bad(c)) {
        format!("no index has {c:?} in its name")
    } else {
        return Ok(());
    };
    Err(Failure::settings(why).hint("planb databases lists the indices that exist"))
}

/// Names as parts of paths, each short enough for one request: a server takes lines of 4 KiB (http.max_initial_line_length).
pub(crate) fn in_paths<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const LONGEST: usize = 3000;
    let mut paths: Vec<String> = Vec::new();
    for name in names {
        let name = quote::percent(name, "");
        match paths.last_mut() {
            Some(path) if path.len() + name.len() < LONGEST => {
                path.push(',');
                path.push_str(&name);
            }
            _ => paths.push(name),
        }
    }
    paths
}

/// The text that puts this in place of what a pattern of Java finds (Matcher.replaceAll).
pub(crate) fn replacement(name: &str) -> String {
    name.replace('\\', "\\\\").replace('$', "\\$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices() {
        for name in ["movies", "logs-2026.01", "é", ".kibana", "a$b"] {
            assert!(index(name).is_ok(), "{name}");
        }
        for name in ["", "..", "_all", "-x", "A", "a*", "a,b", "a/b", "a b", "a\"b", "a\nb", &"x".repeat(256)] {
            assert!(index(name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_in_paths() {
        assert_eq!(in_paths(["a", "é"]), ["a,%C3%A9"]);
        assert_eq!(in_paths([]), [""; 0]);
        let many: Vec<String> = (0..100).map(|at| format!("{at:0>250}")).collect();
        let paths = in_paths(many.iter().map(String::as_str));
        assert!(paths.len() > 7 && paths.iter().all(|path| path.len() < 3300));
        assert_eq!(replacement("a$1\\"), "a\\$1\\\\");
    }
}
