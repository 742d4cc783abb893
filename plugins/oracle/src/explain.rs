//! What the server's messages mean (Oracle Database Error Messages), by their numbers.

use planb_sdk::{Failure, FailureCode};

use crate::query::MISSING;

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let ora = |numbers: &[&str]| numbers.iter().any(|number| any(&[&format!("ORA-{number}")]));
    let line = line(stderr);
    if matches!(tool, "tar" | "find") {
        let failure = if any(&["Permission denied"]) { Failure::access_denied } else { Failure::settings };
        return failure(format!("the server's folder cannot be used from here: {line}")).hint(
            "check that directory-path is the folder of the directory object, and that you may read and write there (on Linux its files belong to \
             the user oracle and the group oinstall)",
        );
    }
    if any(&[
        "error while loading shared libraries",
        "SP2-0750",
        "SP2-0642",
        "Error 6 initializing SQL*Plus",
        "UDE-00013",
        "UDI-00013",
    ]) {
        return Failure::tool(format!("{tool} does not find its own files: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("set ORACLE_HOME for a full client; make the Instant Client's folder known with ldconfig, or use the packages of oracle.com");
    }
    if ora(&["01017", "28000", "28001", "01045", "01005", "12638", "12578", "28040"]) {
        return Failure::access_denied(format!("Oracle refused user or password: {line}"))
            .hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file; a locked or expired account is ALTER USER's to open");
    }
    if any(&[MISSING]) || ora(&["39165", "01435"]) {
        return Failure::missing_database(format!("there is no such schema: {line}"))
            .hint("planb databases lists those that exist; names are in capitals unless they were made in quotes");
    }
    if ora(&["12514", "12505", "12154", "12521", "12504"]) {
        return Failure::settings(format!("there is no such service: {line}"))
            .hint("check service= in the URL (lsnrctl services lists them), or tns= and TNS_ADMIN");
    }
    if ora(&[
        "12541", "12545", "12170", "12535", "12543", "12537", "12547", "12560", "12162", "12528", "01034", "03113",
        "03114",
    ]) {
        return Failure::unreachable(format!("Oracle does not answer: {line}"))
            .hint("check host and port (1521), and that the listener and the database are up");
    }
    if ora(&["39087", "39145", "29283", "29280", "39070", "31640", "27038", "27037", "27040", "31641"]) {
        return Failure::settings(format!("the directory object cannot be used: {line}")).hint(
            "check --option directory: SELECT directory_name, directory_path FROM all_directories; the server's user has to be able to write there, \
             and GRANT READ, WRITE ON DIRECTORY ... TO the login; a file that planb put there has to be the one the server sees",
        );
    }
    if ora(&["39142", "39358", "39405", "39000"]) && any(&["version", "TIMEZONE", "TSTZ"]) {
        return Failure::tool(format!("the dump is of a newer Oracle, or of newer time zones: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("restore into the same version or a newer one; a newer database can export for an older one with -- version=19.0");
    }
    if ora(&["39059", "31619", "39246", "31693", "31694", "39000", "31617"]) && tool == "impdp" {
        return Failure::damaged(format!("the dump is damaged: {line}")).hint("try an older backup");
    }
    if ora(&["31631", "31655", "39122", "01031", "39181", "39149", "01749", "39194"]) {
        return Failure::access_denied(format!("the login may not do this: {line}")).hint(
            "another schema than its own needs GRANT DATAPUMP_EXP_FULL_DATABASE (restore: DATAPUMP_IMP_FULL_DATABASE); consistent=true needs FLASHBACK on \
             the tables",
        );
    }
    if ora(&["31684", "39151", "00955", "39111"]) {
        return Failure::settings(format!("what the backup makes is there already: {line}"))
            .hint("add --replace, or restore into a schema that does not exist yet");
    }
    if ora(&["01918", "01917"]) {
        return Failure::settings(format!("a user is missing that the backup does not make: {line}"))
            .hint("a dump that its owner took holds no CREATE USER: make the user first, or take backups with DATAPUMP_EXP_FULL_DATABASE");
    }
    if ora(&["00959", "01950"]) {
        return Failure::settings(format!("a tablespace is missing, or the user has no room in it: {line}"))
            .hint("map it with --option remap-tablespace=OLD:NEW, leave storage out with --option storage=false, or ALTER USER ... QUOTA UNLIMITED ON ...");
    }
    if ora(&["00439", "39094", "39059", "00406"]) {
        return Failure::settings(format!("this edition of the server cannot do that: {line}"))
            .hint("parallel needs Enterprise Edition; --compress native needs the Advanced Compression option");
    }
    if ora(&["01555", "08181", "01466", "31626", "31634", "39095"]) {
        return Failure::database(format!("the export could not be finished: {line}")).hint(
            "too little undo for a consistent export: raise undo_retention, run when it is quieter, or say --option consistent=false",
        )
        .retryable();
    }
    if ora(&["01652", "01653", "01654", "01658", "27072", "27061", "19502", "39171", "01536"]) {
        return Failure::database(format!("the server has no room left: {line}"))
            .hint("free space in the directory object's folder, or in the tablespace that is named");
    }
    if code == Some(5) {
        return Failure::database(format!("{tool} completed with errors: {line}"))
            .hint("Data Pump went on after an error, so something is missing; its log, above, says what");
    }
    Failure::of_tool(tool, code, &line)
}

/// The first line of Oracle's that says something: what follows are consequences.
fn line(stderr: &str) -> String {
    // ORA-39001 to ORA-39006 and UDE/UDI lines say only that something failed.
    let general = ["ORA-39001", "ORA-39002", "ORA-39004", "ORA-39006", "ORA-39097", "ORA-06512"];
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let named = |line: &&str| ["ORA-", "SP2-", "UDE-", "UDI-", "LRM-"].iter().any(|prefix| line.contains(prefix));
    let telling =
        |line: &&str| named(line) && line.contains("ORA-") && !general.iter().any(|number| line.contains(number));
    let line = lines()
        .find(telling)
        .or_else(|| lines().find(named))
        .or_else(|| lines().next_back())
        .unwrap_or("it said nothing");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_oracle_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (tool, stderr, code) in [
            (
                "sqlplus",
                "ERROR:\nORA-01017: invalid username/password; logon denied\n\nSP2-0640: Not connected",
                AccessDenied,
            ),
            (
                "expdp",
                "UDE-01017: operation generated ORACLE error 1017\nORA-01017: invalid username/password; logon denied",
                AccessDenied,
            ),
            ("sqlplus", "ERROR:\nORA-12541: TNS:no listener", Unreachable),
            ("sqlplus", "ERROR:\nORA-12541: Cannot connect. No listener at host db port 1521.", Unreachable),
            (
                "sqlplus",
                "ERROR:\nORA-12514: TNS:listener does not currently know of service requested in connect descriptor",
                InvalidRequest,
            ),
            (
                "sqlplus",
                "DECLARE\n*\nERROR at line 1:\nORA-20404: planb: there is no such schema\nORA-06512: at line 6",
                MissingDatabase,
            ),
            ("expdp", "ORA-39002: invalid operation\nORA-39165: Schema NOPE was not found.", MissingDatabase),
            (
                "expdp",
                "ORA-39002: invalid operation\nORA-39070: Unable to open the log file.\nORA-29283: invalid file operation",
                InvalidRequest,
            ),
            ("expdp", "ORA-39002: invalid operation\nORA-39087: directory name NOPE is invalid", InvalidRequest),
            (
                "expdp",
                "ORA-31631: privileges are required\nORA-39149: cannot link privileged user to non-privileged user",
                AccessDenied,
            ),
            (
                "impdp",
                "ORA-39001: invalid argument value\nORA-39000: bad dump file specification\nORA-39142: incompatible version number 5.1 in dump file \"x\"",
                ToolUnfit,
            ),
            (
                "impdp",
                "ORA-39001: invalid argument value\nORA-39000: bad dump file specification\nORA-31619: invalid dump file \"x\"",
                Damaged,
            ),
            (
                "impdp",
                "ORA-31684: Object type USER:\"HR\" already exists\nJob completed with 1 error(s)",
                InvalidRequest,
            ),
            (
                "impdp",
                "ORA-39083: Object type TABLE failed to create with error:\nORA-01918: user 'HR' does not exist",
                InvalidRequest,
            ),
            (
                "impdp",
                "ORA-39083: Object type TABLE failed to create with error:\nORA-00959: tablespace 'X' does not exist",
                InvalidRequest,
            ),
            (
                "expdp",
                "ORA-31693: Table data object failed\nORA-01555: snapshot too old: rollback segment number 9",
                Failed,
            ),
            (
                "sqlplus",
                "sqlplus: error while loading shared libraries: libsqlplus.so: cannot open shared object file",
                ToolUnfit,
            ),
            ("tar", "tar: x: Cannot open: Permission denied", AccessDenied),
            ("expdp", "what", Failed),
        ] {
            let failure = explain(tool, Some(1), stderr);
            assert_eq!(failure.code, code, "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
        let failure = explain("expdp", Some(1), "ORA-39002: invalid operation\nORA-39165: Schema NOPE was not found.");
        assert!(failure.message.contains("Schema NOPE"));
        assert!(explain("expdp", Some(1), "ORA-01555: snapshot too old").retryable);
    }
}
