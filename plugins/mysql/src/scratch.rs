//! A throw-away server.

use planb_mysql_family::scratch;
use planb_sdk::{Command, ScratchPlan};

/// Where a build lacks the X plugin, it lacks the option too.
const NO_X: &str = "--loose-mysqlx=OFF";

pub(crate) fn server() -> ScratchPlan {
    let initialize = scratch::data(Command::tool("mysqld")).flag("--initialize-insecure").flag(NO_X);
    // The folder that it was built with may not be there, and then it would not start.
    scratch::server(initialize, "mysqld", &[NO_X, "--secure-file-priv=NULL"])
}
