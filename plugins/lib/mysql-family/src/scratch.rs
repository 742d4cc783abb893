//! What throw-away servers of both have in common: a socket in the work directory, no network, a password.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::family::Family;
use crate::{connect, quote};

const DATA: &str = "data";
const SOCKET: &str = "s";
const PID: &str = "pid";
const INIT: &str = "init.sql";
/// The database that is seeded, backed up and restored; the seed, or a restore, makes it.
const DATABASE: &str = "cinema";

/// The folder of a server's data.
pub fn data(command: Command) -> Command {
    command.flag("--no-defaults").option("--datadir", path(DATA))
}

/// The server that this tool runs, once `prepare` has made its data.
///
/// It listens on a socket in a work directory that only its owner may enter. Before it takes the first connection it runs a file
/// that gives its one account a password (MySQL manual, 7.1.8 `init_file`). Its data is thrown away, so nothing waits for the disk.
pub fn server(prepare: Command, tool: &str, options: &[&'static str]) -> ScratchPlan {
    let server = data(Command::tool(tool))
        .option("--socket", path(SOCKET))
        .option("--pid-file", path(PID))
        .option("--init-file", path(INIT))
        .flag("--skip-networking")
        .flag("--skip-log-bin")
        .flag("--innodb-flush-log-at-trx-commit=0")
        .flag("--innodb-doublewrite=0")
        .flag("--max-allowed-packet=1G");
    let server = options.iter().fold(server, |server, option| server.flag(option));
    let connection = Connection::at_socket(SOCKET).user("root").with_secret("password");
    let password = Secret::backslash("password", "\\'", "\n\r");
    ScratchPlan::server(server, connection, Scope::Database(DATABASE.to_owned()))
        .file([PrivateFile::new(INIT)
            .text("ALTER USER 'root'@'localhost' IDENTIFIED BY '")
            .secret(password)
            .text("';\n")])
        .prepare(prepare)
}

/// Three movies and three actors, and what else a dump has to bring back.
pub fn seed<F: Family>(request: &Request) -> Result<SeedPlan, Failure> {
    let database = quote::identifier(request.database()?)?;
    let script = format!("CREATE DATABASE IF NOT EXISTS {database};\nUSE {database};\n{SEED}");
    let table = |name: &str| Object::new("table", name).rows(3);
    let other = |kind: &str, name: &str| Object::new(kind, name);
    let holds = [
        table("actors"),
        table("movies"),
        other("event", "forget"),
        other("function", "age"),
        other("procedure", "add_movie"),
        other("trigger", "no_year"),
        other("view", "old_movies"),
    ];
    Ok(SeedPlan::new(holds).file([connect::login(request)]).command(connect::client::<F>(request)?.stdin(script)))
}

const SEED: &str = r#"
CREATE TABLE movies (id INT PRIMARY KEY, title VARCHAR(100) NOT NULL, year INT, poster BLOB);
INSERT INTO movies VALUES (1, 'Metropolis', 1927, x'00ff275c'), (2, 'It''s (a) \\ "life";', 1946, NULL), (3, 'Rashomon', 1950, '');
CREATE TABLE actors (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL);
INSERT INTO actors VALUES (1, 'Brigitte Helm'), (2, 'James Stewart'), (3, 'Toshiro Mifune');
CREATE VIEW old_movies AS SELECT id, title FROM movies WHERE year < 1945;
CREATE TRIGGER no_year BEFORE INSERT ON movies FOR EACH ROW SET NEW.year = COALESCE(NEW.year, 0);
CREATE FUNCTION age(born INT) RETURNS INT DETERMINISTIC NO SQL RETURN 2026 - born;
DELIMITER ;;
CREATE PROCEDURE add_movie(IN id INT, IN title VARCHAR(100))
BEGIN
  -- A comment; with a semicolon.
  INSERT INTO movies VALUES (id, title, NULL, NULL);
END;;
DELIMITER ;
CREATE EVENT forget ON SCHEDULE EVERY 1 YEAR DISABLE DO DELETE FROM movies WHERE year = 0;
"#;
