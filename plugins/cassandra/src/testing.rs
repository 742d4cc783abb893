//! Requests for tests.

use planb_sdk::{Request, testing};

/// A request for a keyspace of the server `db` with all tools; with a user that has no password yet.
pub(crate) fn request(keyspace: &str) -> Request {
    let mut request = testing::request(keyspace)
        .tool("cqlsh", "6.2.2")
        .tool("tar", "1.34")
        .tool("find", "4.9.0")
        .with_setting("data-dir", "/data")
        .server_is("4.1.3");
    for (id, banner) in [("tar", "tar (GNU tar) 1.34"), ("find", "find (GNU findutils) 4.9.0")] {
        for tool in request.tools.iter_mut().filter(|tool| tool.id == id) {
            tool.banner = Some(banner.to_owned());
        }
    }
    for id in ["nodetool", "chown", "rm"] {
        request.tools.push(planb_sdk::FoundTool { id: id.to_owned(), version: None, banner: None });
    }
    request
}
