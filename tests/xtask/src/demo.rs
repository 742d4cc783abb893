//! `cargo xtask demo`: the main job on an embedded database, each command shown as one would type it.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, Stdio};

use planb_harness::provision;

use crate::build;
use crate::sh::{Done, read};

const MOVIES: &str = "\
CREATE TABLE movies (id INTEGER PRIMARY KEY, title TEXT NOT NULL, year INTEGER, poster BLOB);
CREATE TABLE actors (id INTEGER PRIMARY KEY, name TEXT NOT NULL, movie INTEGER REFERENCES movies);
CREATE INDEX movies_by_year ON movies (year);
CREATE VIEW classics AS SELECT title FROM movies WHERE year < 1960;
INSERT INTO movies VALUES (1, 'Metropolis', 1927, x'00ff10'), (2, 'The General', 1926, NULL), (3, 'It''s a \"test\"; DROP TABLE', 1950, NULL);
INSERT INTO actors VALUES (1, 'Brigitte Helm', 1), (2, 'Buster Keaton', 2), (3, 'Žofie, ''the great''', 3);
WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO movies SELECT i, 'Movie ' || i || char(10) || 'second line', 1900 + i % 120, NULL FROM n;
";

/// Runs the demo.
pub(crate) fn run() -> Done {
    let planb = build::all()?;
    if provision::program("sqlite3").is_none() {
        provision::apt(&["sqlite3"]).map_err(|skip| skip.to_string())?;
    }
    let sqlite3 = provision::program("sqlite3").ok_or("sqlite3 is not on the PATH")?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (source, restored, store) = (path("movies.db"), path("restored.db"), path("backups"));
    say("A database, as an application would have it:");
    sql(&sqlite3, Path::new(&source), MOVIES)?;
    let show = Show { planb: &planb };
    show.run(
        &["plugin", "list"],
        "The plugins that planb was built with. Each is a sandboxed WebAssembly component that knows one engine.",
    )?;
    show.run(
        &["run", "--plugin", "sqlite", "--db", &format!("sqlite://{source}"), "--to", &format!("file://{store}")],
        "Back it up: sqlite3's dump, inspected, compressed, and committed to a folder. With s3://bucket/prefix it would go to a bucket.",
    )?;
    show.run(&["list", "--from", &store], "What is in the store?")?;
    show.run(
        &["show", "latest", "--from", &store],
        "And what is in the backup? The plugin counted tables and rows while the dump passed by.",
    )?;
    show.run(
        &["verify", "latest", "--from", &store],
        "Is it whole? Every byte is read back, and inspected once more.",
    )?;
    show.run(
        &["restore", "latest", "--from", &store, "--db", &format!("sqlite://{restored}")],
        "Put it back, into another file.",
    )?;
    say("Are the two databases equal? Compared by sqlite3 itself:");
    let dump = |file: &str| read(Command::new(&sqlite3).args([file, ".dump"]));
    let (before, after) = (dump(&source)?, dump(&restored)?);
    if before != after {
        return Err(format!(
            "the restored database differs from its source: {} and {} bytes of dump",
            before.len(),
            after.len()
        ));
    }
    let rows = read(Command::new(&sqlite3).args([
        &restored,
        "SELECT (SELECT count(*) FROM movies) || ' movies and ' || (SELECT count(*) FROM actors) || ' actors'",
    ]))?;
    println!("{}", bold(&format!("The restored database is equal to its source: {}.", rows.trim())));
    Ok(())
}

struct Show<'a> {
    planb: &'a Path,
}

impl Show<'_> {
    fn run(&self, args: &[&str], why: &str) -> Done {
        say(why);
        println!("{}", bold(&format!("$ planb {}", args.join(" "))));
        let status = Command::new(self.planb).args(args).env("LOG_LEVEL", "warn").stdin(Stdio::null()).status();
        let status = status.map_err(|error| format!("{}: {error}", self.planb.display()))?;
        println!();
        if status.success() { Ok(()) } else { Err(format!("planb {}: {status}", args[0])) }
    }
}

fn sql(sqlite3: &Path, file: &Path, script: &str) -> Done {
    use std::io::Write as _;
    let mut child = Command::new(sqlite3)
        .arg("-bail")
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", sqlite3.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes()).map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("sqlite3: {status}")) }
}

fn say(text: &str) {
    println!("{text}");
}

fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}
