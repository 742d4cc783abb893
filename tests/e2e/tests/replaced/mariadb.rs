//! A MariaDB server as those systems expect it.

use std::process::{Child, Command, Stdio};

use planb_harness::{Skip, provision};

use crate::common::PASSWORD;
use crate::support::{folder, until};

/// A MariaDB server, on the port that everybody expects and an address that nobody else has.
pub(crate) struct MariaDb {
    server: Child,
    _folder: tempfile::TempDir,
    host: String,
}

impl MariaDb {
    pub(crate) fn start(host: &str) -> Result<Self, Skip> {
        provision::apt(&["mariadb-server", "mariadb-client"])?;
        let folder = folder();
        let (data, socket) = (folder.path().join("data"), folder.path().join("socket"));
        let user = if provision::is_root() { "root".to_owned() } else { std::env::var("USER").unwrap_or_default() };
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--user={user}"))
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "mariadbd", "--no-defaults", "--skip-name-resolve", "--port=3306"])
            .arg(format!("--user={user}"))
            .arg(format!("--bind-address={host}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { server, _folder: folder, host: host.to_owned() };
        until("MariaDB answers", || {
            assert!(server.server.try_wait().unwrap().is_none(), "MariaDB has ended: is port 3306 of {host} taken?");
            socket.exists() && ask(&["--socket", &socket.display().to_string()], "", "SELECT 1").is_ok()
        });
        let accounts = format!(
            "DROP USER IF EXISTS root@'127.0.0.1';
             CREATE USER root@'%' IDENTIFIED BY '{0}'; GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
             ALTER USER root@localhost IDENTIFIED BY '{0}'",
            PASSWORD.replace('\'', "''")
        );
        ask(&["--socket", &socket.display().to_string()], "", &accounts).unwrap();
        Ok(server)
    }

    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> String {
        ask(&["--host", &self.host, "--port", "3306"], PASSWORD, sql).unwrap()
    }
}

/// The answer of SQL, or what the client said.
fn ask(place: &[&str], password: &str, sql: &str) -> Result<String, String> {
    let output = Command::new("mariadb")
        .args(["--no-defaults", "--user=root", "--skip-column-names", "--batch"])
        .args(place)
        .args(["--execute", sql])
        .env("MYSQL_PWD", password)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
