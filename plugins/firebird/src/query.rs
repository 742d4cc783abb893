//! Questions about a database, put by `isql`. Names come back as hexadecimal digits, so that no name can look like another row.

use planb_sdk::{Answer, Failure, Query, QueryPlan, Request, Scope};

use crate::connect;
use crate::describe::CLIENT;

const HEAD: &str = "SET HEADING OFF;\n";
const PING: &str = "SELECT '1' FROM RDB$DATABASE;\n";
const VERSION: &str = "SELECT RDB$GET_CONTEXT('SYSTEM', 'ENGINE_VERSION') FROM RDB$DATABASE;\n";
const SIZE: &str = "SELECT CAST(MON$PAGES AS BIGINT) * MON$PAGE_SIZE FROM MON$DATABASE;\n";
const STATE: &str = "\
SELECT CASE WHEN EXISTS (SELECT 1 FROM RDB$RELATIONS WHERE COALESCE(RDB$SYSTEM_FLAG, 0) <> 1) THEN 'occupied' ELSE 'empty' END
FROM RDB$DATABASE;
";

/// Counts each table in one transaction, a snapshot. FB 3 knows no function for hexadecimal digits.
const INVENTORY: &str = r#"
SET TERM ^;
EXECUTE BLOCK RETURNS (LINE VARCHAR(800)) AS
  DECLARE NAM VARCHAR(63) CHARACTER SET UTF8;
  DECLARE OCTS VARCHAR(252) CHARACTER SET OCTETS;
  DECLARE HEXED VARCHAR(504);
  DECLARE KIND VARCHAR(20);
  DECLARE IX INTEGER;
  DECLARE CODE INTEGER;
  DECLARE CNT BIGINT;
BEGIN
  FOR SELECT TRIM(TRAILING FROM RDB$RELATION_NAME), TRIM(CASE
        WHEN RDB$VIEW_BLR IS NOT NULL THEN 'view'
        WHEN RDB$EXTERNAL_FILE IS NOT NULL THEN 'external-table'
        WHEN RDB$RELATION_TYPE IN (4, 5) THEN 'temporary-table'
        ELSE 'table' END)
      FROM RDB$RELATIONS WHERE COALESCE(RDB$SYSTEM_FLAG, 0) <> 1
      UNION ALL
      SELECT TRIM(TRAILING FROM RDB$GENERATOR_NAME), 'sequence'
      FROM RDB$GENERATORS WHERE COALESCE(RDB$SYSTEM_FLAG, 0) <> 1
      INTO NAM, KIND DO
  BEGIN
    OCTS = CAST(NAM AS VARCHAR(252) CHARACTER SET OCTETS);
    HEXED = '';
    IX = 1;
    WHILE (IX <= OCTET_LENGTH(OCTS)) DO
    BEGIN
      CODE = ASCII_VAL(SUBSTRING(OCTS FROM IX FOR 1));
      HEXED = HEXED || SUBSTRING('0123456789abcdef' FROM CODE / 16 + 1 FOR 1) || SUBSTRING('0123456789abcdef' FROM MOD(CODE, 16) + 1 FOR 1);
      IX = IX + 1;
    END
    LINE = KIND || '|' || HEXED || '|-';
    IF (KIND = 'table') THEN
    BEGIN
      EXECUTE STATEMENT 'SELECT COUNT(*) FROM "' || REPLACE(NAM, '"', '""') || '"' INTO CNT;
      LINE = KIND || '|' || HEXED || '|' || CNT;
    END
    SUSPEND;
  END
END^
SET TERM ;^
"#;

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    request.need_tool("isql", CLIENT)?;
    let (database, script) = match query {
        Query::Ping => (request.database()?, PING),
        Query::Version => (request.database()?, VERSION),
        Query::Size(Scope::Database(name)) => (name.as_str(), SIZE),
        Query::State(Scope::Database(name)) => (name.as_str(), STATE),
        Query::Inventory(Scope::Database(name)) => (name.as_str(), INVENTORY),
        Query::Databases | Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported("a Firebird server keeps no list of its databases")
                .hint("name one: --db firebird://host/alias or firebird://host//path/on/the/server.fdb"));
        }
    };
    let mut isql = connect::isql(request, database)?.stdin(HEAD).stdin(script);
    if *query == Query::Version {
        // It is asked before a restore too, when there is no database yet to ask in: then it stays unknown, and what is
        // wrong otherwise is found by whatever comes next.
        isql = isql.ok(0).ok(1);
    }
    Ok(QueryPlan::new(isql).file(connect::passfile(&request.connection)))
}

/// The columns of `isql` are padded with spaces.
pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    if *query == Query::Version && stdout.trim_ascii().is_empty() {
        return Err(Failure::unsupported("without a database Firebird's version cannot be asked"));
    }
    let lines: Vec<_> = stdout.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
    Answer::from_lines("isql", query, &lines.join(&b'\n'))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, testing};

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("employee").tool("isql", "3.0");
        let plan = |query| plan(&request, &query).map(|plan| plan.command.to_string());
        assert!(
            plan(Query::Ping)
                .unwrap()
                .ends_with("db/3050:employee << SET HEADING OFF;\nSELECT '1' FROM RDB$DATABASE;\n")
        );
        assert!(plan(Query::Inventory(Scope::Database("x".to_owned()))).unwrap().contains("db/3050:x <<"));
        assert!(plan(Query::Databases).is_err());
        assert!(plan(Query::Inventory(Scope::All)).is_err());
    }

    #[test]
    fn answers() {
        let out = b"\ntable|4143544f5253|3          \nview|56|-   \n\n";
        let objects = vec![Object::new("table", "ACTORS").rows(3), Object::new("view", "V")];
        let query = Query::Inventory(Scope::Database("x".to_owned()));
        assert_eq!(read(&query, out), Ok(Answer::Inventory(objects)));
        assert_eq!(read(&Query::Version, b"\n3.0.11      \n"), Ok(Answer::Version("3.0.11".to_owned())));
        assert_eq!(read(&Query::Version, b"").unwrap_err().code, planb_sdk::FailureCode::Unsupported);
        assert_eq!(read(&Query::Ping, b"\n1 \n\n"), Ok(Answer::Alive));
    }
}
