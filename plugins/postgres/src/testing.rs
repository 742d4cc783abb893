//! Requests for tests.

use planb_sdk::{Artifact, Request, RestoreRequest, TargetState, testing};

/// Everything given, tools of version 15.
pub(crate) fn request(database: &str) -> Request {
    let request = testing::request(database).password().port(5432).server_is("15.20");
    let tools = ["pg_dump", "pg_dumpall", "pg_restore", "psql"];
    tools.iter().fold(request, |request, tool| request.tool(tool, "15.20")).with_setting("single-transaction", "true")
}

/// A plain dump of a database of the same name.
pub(crate) fn restore_request(database: &str, target: TargetState) -> RestoreRequest {
    request(database).restore(Artifact::new("sql", "application/sql", "plain"), target)
}
