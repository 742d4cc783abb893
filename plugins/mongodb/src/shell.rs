//! The scripts that `mongosh` runs.
//!
//! They are files, since a script on a command line could be read by anyone. Values in them are written as JSON, which JavaScript reads as
//! it is (ECMA-262 since 2019). An error that nobody catches ends mongosh with exit code 1 and its words on stderr.

use planb_sdk::{Command, Failure, PrivateFile, Query, QueryPlan, Request, RestoreRequest, Scope, Secret};
use serde_json::json;

use crate::connect::{self, Reader};
use crate::describe::SHELL;
use crate::{names, restore};

const ASK: &str = "ask.js";
const SWEEP: &str = "sweep.js";
const USER: &str = "user.js";
const SEED: &str = "seed.js";

/// What mongodump takes of a database, by the same rules (shouldSkipSystemNamespace in mongodump/prepare.go), but for what the server
/// keeps in `admin` for itself.
const COMMON: &str = r#"
const connection = connect(uri);
const isUsers = name => !name.includes("$") && (name === "system.js" || !name.startsWith("system."));
const collections = database =>
  connection.getSiblingDB(database).getCollectionInfos({}, { nameOnly: true }).filter(info => isUsers(info.name));
const databases = () => connection.adminCommand({ listDatabases: 1, nameOnly: true }).databases
  .map(database => database.name).filter(name => name !== "local" && name !== "config");
const hex = text => Buffer.from(text, "utf8").toString("hex");
"#;

/// Something that needs a login where the server asks for one; the command `ping` does not.
const PING: &str = "databases();\nprint(1);\n";
const VERSION: &str = "print(connection.version());\n";
const DATABASES: &str = "databases().filter(name => name !== \"admin\").forEach(name => print(hex(name)));\n";
const SIZE: &str =
    "print(wanted().map(name => Number(connection.getSiblingDB(name).stats().dataSize)).reduce((a, b) => a + b, 0));\n";
const STATE: &str = "print(wanted().some(name => collections(name).length > 0) ? \"occupied\" : \"empty\");\n";
const INVENTORY: &str = r#"
for (const database of wanted()) {
  for (const info of collections(database)) {
    const name = target === null ? `${database}.${info.name}` : info.name;
    const kind = ["view", "timeseries"].includes(info.type) ? info.type : "collection";
    const rows = kind === "collection"
      ? connection.getSiblingDB(database).getCollection(info.name).countDocuments({}) : "-";
    print(`${kind}\t${hex(name)}\t${rows}`);
  }
}
"#;
const SWEEPING: &str = r#"
for (const database of wanted()) {
  const stays = new Set(kept.filter(([of]) => of === database).map(([, name]) => name));
  // Views go before what they look at.
  const others = collections(database).filter(info => !stays.has(info.name));
  others.sort((a, b) => (b.type === "view") - (a.type === "view"));
  for (const info of others) {
    connection.getSiblingDB(database).getCollection(info.name).drop();
  }
}
"#;
const SEEDING: &str = r#"
const database = connection.getSiblingDB(target);
database.movies.insertMany([
  { _id: 1, title: "Metropolis", year: 1927 },
  { _id: 2, title: "Casablanca", year: 1942 },
  { _id: 3, title: "Rashomon", year: 1950 },
]);
database.movies.createIndex({ title: 1 });
database.actors.insertMany([
  { _id: 1, name: "Brigitte Helm" },
  { _id: 2, name: "Ingrid Bergman" },
  { _id: 3, name: "Toshiro Mifune" },
]);
"#;

/// The databases that a scope means, as `wanted()`.
fn target(scope: &Scope) -> Result<String, Failure> {
    let name = match scope {
        Scope::Database(name) => {
            names::database(name)?;
            Some(name.as_str())
        }
        Scope::All | Scope::Globals => None,
    };
    Ok(wanted(name))
}

fn wanted(name: Option<&str>) -> String {
    format!("const target = {};\nconst wanted = () => target === null ? databases() : [target];\n", json!(name))
}

pub(crate) fn ask(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    if !request.has_tool("mongosh") {
        // Backups go without it.
        return Err(Failure::unsupported("mongosh is not installed, and the server can be asked nothing without it")
            .hint(format!("install {SHELL}, or point --tool-path mongosh=/path/to/mongosh at it")));
    }
    let (scope, body) = match query {
        Query::Ping => (&Scope::All, PING),
        Query::Version => (&Scope::All, VERSION),
        Query::Databases => (&Scope::All, DATABASES),
        Query::Size(scope) => (scope, SIZE),
        Query::State(scope) => (scope, STATE),
        Query::Inventory(scope) => (scope, INVENTORY),
    };
    let (file, shell) = connect::script(request, Reader::Shell, ASK, true)?;
    let file = file.text(COMMON).text(target(scope)?).text(body);
    Ok(QueryPlan::new(shell).file([file, connect::shell_config()]))
}

/// Drops the collections that the backup does not have.
pub(crate) fn drop_others(request: &RestoreRequest) -> Result<([PrivateFile; 2], Command), Failure> {
    let (file, shell) = connect::script(&request.request, Reader::Writer, SWEEP, true)?;
    let kept = format!("const kept = {};\n", json!(restore::kept(request)));
    let file = file.text(COMMON).text(wanted(restore::swept(&request.request))).text(kept).text(SWEEPING);
    Ok(([file, connect::shell_config()], shell))
}

/// Makes the first user of a server, which is allowed from the same machine as long as there is none.
pub(crate) fn first_user(request: &Request) -> Result<([PrivateFile; 2], Command), Failure> {
    let user = request.connection.user.as_deref().unwrap_or_default();
    let (file, shell) = connect::script(request, Reader::Writer, USER, false)?;
    let file = file
        .text("const connection = connect(uri);\n")
        .text(format!("connection.getSiblingDB(\"admin\").createUser({{ user: {}, pwd: \"", json!(user)))
        .secret(Secret::json("password"))
        .text("\", roles: [\"root\"] });\n");
    Ok(([file, connect::shell_config()], shell))
}

pub(crate) fn seed(request: &Request) -> Result<([PrivateFile; 2], Command), Failure> {
    let (file, shell) = connect::script(request, Reader::Writer, SEED, true)?;
    let file = file.text(COMMON).text(target(&Scope::Database(request.database()?.to_owned()))?).text(SEEDING);
    Ok(([file, connect::shell_config()], shell))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;
    use crate::testing::text;

    #[test]
    fn a_question() {
        let request = testing::request("orders").password().tool("mongosh", "2.3.0");
        let plan = ask(&request, &Query::Inventory(Scope::Database("it's".to_owned()))).unwrap();
        assert_eq!(
            plan.command.to_string(),
            "MONGOSH_GLOBAL_CONFIG_FILE_FOR_TESTING={work}/mongosh.conf mongosh --nodb --norc --quiet --file={work}/ask.js"
        );
        let script = text(&plan.files[0]);
        assert!(script.starts_with(
            "const uri = \"mongodb://app:{percent password}@db/?authSource=admin&serverSelectionTimeoutMS=10000\";\n"
        ));
        assert!(script.contains("const target = \"it's\";\n"));
        assert!(text(&ask(&request, &Query::Ping).unwrap().files[0]).contains("const target = null;\n"));
        let without = ask(&testing::request("orders"), &Query::Ping).unwrap_err();
        assert_eq!(without.code, planb_sdk::FailureCode::Unsupported);
    }

    #[test]
    fn nothing_gets_out_of_a_script() {
        let nasty = "a'\"b\u{2028}\\";
        let mut request = testing::request("x").tool("mongosh", "2.3.0");
        request.connection.user = Some(nasty.to_owned());
        let (files, _) = first_user(&request).unwrap();
        assert!(text(&files[0]).contains("user: \"a'\\\"b\u{2028}\\\\\", pwd: \"{json password}\""));
        // The user's name is no part of the connection that makes it.
        assert!(text(&files[0]).starts_with("const uri = \"mongodb://db/?serverSelectionTimeoutMS=10000\";\n"));
    }
}
