//! How all documents of a database are read: one request, `_all_docs` with the documents and their attachments.
//!
//! A node answers it from a snapshot of each shard, so no document is seen half written. What it leaves out is told in the
//! engine's page: deleted documents, the revisions before the winning one, local documents, the security object.

use planb_sdk::{Artifact, BackupPlan, Command, Failure, Mode, Request, path};

use crate::connect;
use crate::describe::CURL;

pub(crate) const FORMAT: &str = "all-docs";

const DUMP: &str = "dump.json";

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    request.need_tool("curl", CURL)?;
    if request.native_compression {
        return Err(Failure::settings("CouchDB does not compress what it sends").hint("use --compress zstd or gzip"));
    }
    // With conflicts, so that the inspection can tell of documents of which one revision of several is kept.
    let url = format!("{}/_all_docs?include_docs=true&attachments=true&conflicts=true", connect::database(request)?);
    // What the server says of an error is no dump.
    let get = connect::curl(request)?.flag("--fail");
    let artifact = Artifact::new("json", "application/json", FORMAT);
    let ask = |get: Command| get.extra().pair("--url", url.clone());
    let plan = match request.mode {
        Mode::Stream => BackupPlan::stdout(ask(get), artifact),
        Mode::File => BackupPlan::from_file(ask(get.pair("--output", path(DUMP))), DUMP, artifact),
        Mode::Directory | Mode::Tar => {
            return Err(Failure::settings("a dump of CouchDB is one file: there is no directory of it")
                .hint("leave out --mode"));
        }
    };
    Ok(plan.file(connect::login(&request.connection)?))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn backups() {
        let request = testing::request("orders").password().tool("curl", "7.88.1");
        let url = "http://db:5984/orders/_all_docs?include_docs=true&attachments=true&conflicts=true";
        let curl = "curl --disable --no-progress-meter --globoff --proto http,https --connect-timeout 15 --header Accept: application/json \
                    --config {work}/curl.conf --fail";
        assert_eq!(
            plan(&request).unwrap().to_string(),
            format!(
                "file {{work}}/curl.conf: user = \"app:{{secret password}}\"\\n\nstdout {curl} [extra] --url {url} -> all-docs .json\n"
            )
        );
        assert!(plan(&request.clone().mode(Mode::File)).unwrap().to_string().contains(&format!(
            "file {{work}}/dump.json {curl} --output {{work}}/dump.json [extra] --url {url} -> all-docs .json\n"
        )));
        assert!(plan(&request.clone().mode(Mode::Tar)).is_err());
        assert!(plan(&Request { native_compression: true, ..request }).is_err());
        assert!(plan(&testing::request("orders").password()).unwrap_err().message.contains("curl is not installed"));
    }
}
