//! A throw-away server, and a small known database in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::connect;
use crate::inspect::{DESIGN, DOCUMENTS};

const SEED: &str = r#"{"docs":[
{"_id":"movie:1","title":"Metropolis","year":1927},
{"_id":"movie:2","title":"Casablanca","year":1942},
{"_id":"movie:3","title":"Rashomon","year":1950,"_attachments":{"note.txt":{"content_type":"text/plain","data":"UmFzaG9tb24="}}},
{"_id":"actor:1","name":"Brigitte Helm"},
{"_id":"actor:2","name":"Ingrid Bergman"},
{"_id":"actor:3","name":"Toshiro Mifune"},
{"_id":"_design/movies","views":{"by_year":{"map":"function (doc) { if (doc.year) { emit(doc.year, doc.title); } }"}}}
]}
"#;

/// One node that demands the password of its admin, with the settings that the packages install as the ground. Without a `-name` in
/// the arguments of the Erlang machine it opens no port for other nodes.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let [port, ..] = ports else { return Err(Failure::plugin("the host gave too few ports")) };
    let ini = PrivateFile::new("local.ini")
        .text("[couchdb]\nsingle_node = true\nuuid = 706c616e62706c616e62706c616e6200\ndatabase_dir = ")
        .path(path("data"))
        .text("\nview_index_dir = ")
        .path(path("data"))
        .text(format!(
            "\n[chttpd]\nport = {port}\nbind_address = 127.0.0.1\nrequire_valid_user = true\n[log]\nwriter = stderr\nlevel = warning\n[admins]\nadmin = "
        ))
        .secret(Secret::line("password"))
        .text("\n");
    let vm =
        PrivateFile::new("vm.args").text("-kernel error_logger silent\n-sasl sasl_error_logger false\n+Bd -noinput\n");
    let server = Command::tool("couchdb")
        .env("COUCHDB_ARGS_FILE", path("vm.args"))
        .flag("-couch_ini")
        .flag("/opt/couchdb/etc/default.ini")
        .value(path("local.ini"));
    let mut connection = Connection::loopback(*port).user("admin").with_secret("password");
    connection.scheme = Some("couchdb".to_owned());
    Ok(ScratchPlan::server(server, connection, Scope::Database("scratch".to_owned())).file([ini, vm]))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let url = connect::database(request)?;
    // It may be there already, and empty.
    let make = connect::curl(request)?.flag("--fail").pair("--request", "PUT").pair("--url", url.clone()).ok(0).ok(22);
    let fill = connect::curl(request)?
        .flag("--fail")
        .pair("--header", "Content-Type: application/json")
        .flag("--data-binary")
        .flag("@-")
        .pair("--url", format!("{url}/_bulk_docs"))
        .stdin(SEED);
    let holds = [Object::new(DESIGN, "_design/movies"), Object::new(DOCUMENTS, DOCUMENTS).rows(6)];
    Ok(SeedPlan::new(holds).file(connect::login(&request.connection)?).command(make).command(fill))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn scratch() {
        let plan = server(&[4001, 4002]).unwrap();
        assert_eq!(
            plan.server.unwrap().to_string(),
            "COUCHDB_ARGS_FILE={work}/vm.args couchdb -couch_ini /opt/couchdb/etc/default.ini {work}/local.ini"
        );
        assert!(server(&[]).is_err());
        let plan = seed(&testing::request("x").password()).unwrap();
        assert_eq!(plan.commands.len(), 2);
        assert!(serde_json::from_str::<serde_json::Value>(SEED).is_ok());
    }
}
