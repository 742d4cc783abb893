//! Questions about a live server, all put by `arangosh`, in scripts of private files.
//!
//! Names come back as hexadecimal digits, so that no name can look like another row.

use planb_sdk::{Answer, Failure, PrivateFile, Query, QueryPlan, Request, Scope};

use crate::connect;

pub(crate) const SCRIPT: &str = "script.js";

/// What all scripts begin with. A collection of type 3 is of edges. Counting is cheap: the server keeps the numbers.
const COMMON: &str = r"
const hex = name => Array.from(unescape(encodeURIComponent(name))).map(c => c.charCodeAt(0).toString(16).padStart(2, '0')).join('');
const own = () => db._collections().filter(c => c.name()[0] !== '_');
const inventory = prefix => {
  own().forEach(c => print((c.type() === 3 ? 'edge-collection' : 'collection') + '|' + hex(prefix + c.name()) + '|' + c.count()));
  db._views().forEach(v => print('view|' + hex(prefix + v.name()) + '|-'));
};
const empty = () => {
  db._views().forEach(v => v.drop());
  const graphs = require('@arangodb/general-graph');
  graphs._list().forEach(g => graphs._drop(g, false));
  own().forEach(c => c.drop());
};
const everywhere = what => {
  const names = db._databases();
  names.forEach(name => { db._useDatabase(name); what(name); });
  db._useDatabase('_system');
};
";

/// Empties the database.
pub(crate) const EMPTY: &str = "empty();\n";
/// Empties the server, and drops all databases that can be dropped.
pub(crate) const EMPTY_ALL: &str =
    "everywhere(empty);\ndb._databases().filter(name => name !== '_system').forEach(name => db._dropDatabase(name));\n";

pub(crate) fn script(body: &str) -> PrivateFile {
    PrivateFile::new(SCRIPT).text(format!("'use strict';\nconst db = require('@arangodb').db;{COMMON}{body}"))
}

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let (scope, body) = match query {
        Query::Ping => (&request.scope, "print('1');\n"),
        Query::Version => (&request.scope, "print(db._version());\n"),
        Query::Databases => (&Scope::All, "db._databases().forEach(name => print(hex(name)));\n"),
        Query::State(scope @ Scope::Database(_)) => {
            (scope, "print(own().length + db._views().length === 0 ? 'empty' : 'occupied');\n")
        }
        Query::State(Scope::All) => (
            &Scope::All,
            "let n = db._databases().length - 1;\neverywhere(() => { n += own().length + db._views().length; });\nprint(n === 0 ? 'empty' : 'occupied');\n",
        ),
        Query::Inventory(scope @ Scope::Database(_)) => (scope, "inventory('');\n"),
        Query::Inventory(Scope::All) => (&Scope::All, "everywhere(name => inventory(name + '/'));\n"),
        Query::Size(_) | Query::State(Scope::Globals) | Query::Inventory(Scope::Globals) => {
            return Err(Failure::unsupported(format!("ArangoDB does not answer {}", query.name())));
        }
    };
    let database = match scope {
        Scope::Database(name) => name.as_str(),
        Scope::All | Scope::Globals => "_system",
    };
    Ok(QueryPlan::new(connect::shell(request, database, SCRIPT)?).file(connect::files(request)).file(script(body)))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    // The shell may print a blank before or after, and a carriage return.
    let text = String::from_utf8_lossy(stdout);
    let clean: String =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    Answer::from_lines("arangosh", query, clean.as_bytes())
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, testing};

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("shop").tool("arangosh", "3.11.8");
        let ask = |query| plan(&request, &query).unwrap();
        let tail = "--quiet=true --console.colors=false --javascript.execute={work}/script.js";
        let at = "arangosh --configuration={work}/client.conf --server.endpoint=tcp://db:8529 --server.username=app";
        assert_eq!(ask(Query::Ping).command.to_string(), format!("{at} --server.database=shop {tail}"));
        assert_eq!(ask(Query::Databases).command.to_string(), format!("{at} --server.database=_system {tail}"));
        let inventory = ask(Query::Inventory(Scope::All));
        assert!(format!("{:?}", inventory.files[1].content).contains("everywhere(name => inventory(name + '/'));"));
        assert!(plan(&request, &Query::Size(Scope::All)).is_err());
    }

    #[test]
    fn answers() {
        let objects = vec![Object::new("collection", "movies").rows(3), Object::new("view", "v")];
        assert_eq!(
            read(&Query::Inventory(Scope::All), b"collection|6d6f76696573|3\r\nview|76|-\n"),
            Ok(Answer::Inventory(objects))
        );
        assert_eq!(read(&Query::Version, b"\n3.11.8\n"), Ok(Answer::Version("3.11.8".to_owned())));
    }
}
