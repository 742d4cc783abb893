//! Questions about a live server, all put by SQL*Plus. Names come back as hexadecimal digits of UTF-8, so that no name can
//! look like another row.

use planb_sdk::{Failure, Query, QueryPlan, Request, quote};

use crate::connect::sqlplus;
use crate::names;

/// The number that a script of this engine fails with where the schema is not there.
pub(crate) const MISSING: &str = "ORA-20404";

/// A whole number without spaces.
const NUMBER: &str = "'FM99999999999999999990'";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let script = match query {
        Query::Ping => "SELECT '1' FROM dual;".to_owned(),
        Query::Version => "SELECT version FROM product_component_version WHERE product LIKE 'Oracle%' AND ROWNUM = 1;".to_owned(),
        Query::Databases => {
            "SELECT RAWTOHEX(UTL_I18N.STRING_TO_RAW(username, 'AL32UTF8')) FROM all_users WHERE oracle_maintained = 'N' ORDER BY username;"
                .to_owned()
        }
        Query::Size(scope) => {
            let of = match names::of_scope(scope)? {
                Some(schema) => format!(" WHERE owner = {}", quote::sql_string(schema)),
                None => String::new(),
            };
            format!("SELECT TO_CHAR(NVL(SUM(bytes), 0), {NUMBER}) FROM dba_segments{of};")
        }
        Query::State(scope) => state(one(query, scope)?),
        Query::Inventory(scope) => inventory(one(query, scope)?),
    };
    Ok(QueryPlan::new(sqlplus(request, &script)?))
}

fn one<'a>(query: &Query, scope: &'a planb_sdk::Scope) -> Result<&'a str, Failure> {
    names::of_scope(scope)?
        .ok_or_else(|| Failure::unsupported(format!("this engine answers {} for one schema only", query.name())))
}

fn state(schema: &str) -> String {
    let schema = quote::sql_string(schema);
    format!(
        "SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM all_users WHERE username = {schema}) THEN 'missing'\n\
         WHEN EXISTS (SELECT 1 FROM all_objects WHERE owner = {schema}) THEN 'occupied' ELSE 'empty' END FROM dual;"
    )
}

/// Counts the tables whose rows Data Pump exports: no temporary and no external ones, and none that belong to others (nested
/// tables, those of domain indexes, overflow segments).
fn inventory(schema: &str) -> String {
    format!(
        "SET SERVEROUTPUT ON SIZE UNLIMITED FORMAT TRUNCATED\n\
         DECLARE\n\
         \x20 schema_name CONSTANT VARCHAR2(128) := {};\n\
         \x20 n NUMBER;\n\
         BEGIN\n\
         \x20 SELECT COUNT(*) INTO n FROM all_users WHERE username = schema_name;\n\
         \x20 IF n = 0 THEN RAISE_APPLICATION_ERROR(-20404, 'planb: there is no such schema'); END IF;\n\
         \x20 FOR t IN (\n\
         \x20   SELECT table_name FROM all_tables WHERE owner = schema_name AND temporary = 'N' AND nested = 'NO' AND secondary = 'N'\n\
         \x20     AND dropped = 'NO' AND (iot_type IS NULL OR iot_type = 'IOT')\n\
         \x20     AND table_name NOT IN (SELECT table_name FROM all_external_tables WHERE owner = schema_name)\n\
         \x20   ORDER BY table_name\n\
         \x20 ) LOOP\n\
         \x20   EXECUTE IMMEDIATE 'SELECT COUNT(*) FROM \"' || schema_name || '\".\"' || t.table_name || '\"' INTO n;\n\
         \x20   DBMS_OUTPUT.PUT_LINE('table|' || RAWTOHEX(UTL_I18N.STRING_TO_RAW(schema_name || '.' || t.table_name, 'AL32UTF8'))\n\
         \x20     || '|' || TO_CHAR(n, {NUMBER}));\n\
         \x20 END LOOP;\n\
         END;\n\
         /",
        quote::sql_string(schema)
    )
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Answer, Object, Scope};

    use super::*;
    use crate::connect::tests::request;

    #[test]
    fn questions() {
        let script = |query| plan(&request("HR"), &query).unwrap().command.to_string();
        let ping = script(Query::Ping);
        assert!(
            ping.starts_with("NLS_LANG=AMERICAN_AMERICA.AL32UTF8 sqlplus -L -S /nolog << WHENEVER OSERROR EXIT 9\n")
        );
        assert!(ping.ends_with(
            "SELECT '1' FROM dual;\nSELECT 0 AS planb_rc FROM dual;\nSPOOL OFF\nSET DEFINE ON\nEXIT &planb_rc\n"
        ));
        let hr = || Scope::Database("HR".to_owned());
        assert!(script(Query::State(hr())).contains("WHERE username = 'HR') THEN 'missing'"));
        assert!(script(Query::Inventory(hr())).contains(":= 'HR';\n  n NUMBER;"));
        assert!(script(Query::Size(Scope::All)).contains("FROM dba_segments;"));
        assert!(plan(&request("HR"), &Query::Inventory(Scope::All)).is_err());
        assert!(plan(&request("HR"), &Query::State(Scope::Database("a'\"\\`".to_owned()))).is_err());
    }

    #[test]
    fn answers() {
        let read = |query, text: &str| Answer::from_lines("sqlplus", &query, text.as_bytes());
        assert_eq!(read(Query::Version, "19.0.0.0.0\n"), Ok(Answer::Version("19.0.0.0.0".to_owned())));
        assert_eq!(
            read(Query::Inventory(Scope::All), "table|48522E4D4F56494553|3\n"),
            Ok(Answer::Inventory(vec![Object::new("table", "HR.MOVIES").rows(3)]))
        );
    }
}
