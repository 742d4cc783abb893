//! A throw-away server.

use planb_mysql_family::scratch;
use planb_sdk::{Command, ScratchPlan};

pub(crate) fn server() -> ScratchPlan {
    let install = scratch::data(Command::tool("mariadb-install-db"))
        // Else root comes in by the operating system's user alone.
        .flag("--auth-root-authentication-method=normal")
        .flag("--skip-test-db")
        // No name of this machine has to be known.
        .flag("--skip-name-resolve");
    scratch::server(install, "mariadbd", &[])
}
