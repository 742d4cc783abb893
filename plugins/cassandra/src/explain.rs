//! What the tools' last words mean: the texts of cqlsh and its driver (codes of native_protocol_v5.spec, section 8), of
//! NodeProbe.java and NodeTool.java, and of the GNU tools.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let line = line(stderr);
    if any(&["Unable to find java", "java: not found", "JAVA_HOME"]) {
        return Failure::tool(format!("{tool} finds no Java: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("install a Java that suits this Cassandra (11 or 17), and set JAVA_HOME or put java on the PATH");
    }
    match tool {
        "cqlsh" => cql(tool, code, stderr, &line),
        "nodetool" => nodetool(code, stderr, &line),
        "find" if any(&["No such file or directory", "Permission denied"]) => {
            let failure = if any(&["Permission denied"]) { Failure::access_denied } else { Failure::settings };
            failure(format!("the node's tables are not to be read here: {line}")).hint(
                "run planb on the node, as root or as Cassandra's user, and say with --option data-dir where its data_file_directories are",
            )
        }
        "chown" => Failure::access_denied(format!("the unpacked files cannot be given to the server: {line}"))
            .hint("run planb as root or as Cassandra's user (the owner of data-dir)"),
        "tar" if any(&["Permission denied", "No space left", "No such file"]) => {
            let failure = if any(&["Permission denied"]) { Failure::access_denied } else { Failure::settings };
            failure(format!("tar could not go on: {line}"))
                .hint("run planb as root or as Cassandra's user, with space where the files are unpacked (import-dir, or the work directory)")
        }
        _ => Failure::of_tool(tool, code, stderr),
    }
}

fn cql(tool: &str, code: Option<i32>, stderr: &str, line: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    if any(&[
        "AuthenticationFailed",
        "Bad credentials",
        "code=0100",
        "AuthenticationException",
        "AuthenticationRequired",
    ]) {
        return Failure::access_denied(format!("Cassandra refused user or password: {line}"))
            .hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file");
    }
    if any(&["code=2100", "Unauthorized"]) {
        return Failure::access_denied(format!("the user may not do this: {line}"))
            .hint("a backup needs GRANT SELECT ON KEYSPACE ...; a restore needs CREATE ON ALL KEYSPACES, ALTER, DROP and MODIFY ON KEYSPACE ...");
    }
    if any(&["not found in keyspaces", "does not exist\""]) && any(&["eyspace"]) {
        return Failure::missing_database(format!("there is no such keyspace: {line}"))
            .hint("planb databases lists those that exist; names in capitals are names in capitals");
    }
    if any(&["code=2400", "AlreadyExists", "already exists"]) {
        return Failure::settings(format!("what the backup makes is there already: {line}"))
            .hint("add --replace to have the keyspace dropped first");
    }
    if any(&["cql_version", "Unsupported CQL version", "ProtocolError", "UnsupportedOperation"]) {
        return Failure::tool(format!("this {tool} does not suit the server: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("use the cqlsh of the server's own version: --tool-path cqlsh=/path/to/cqlsh");
    }
    if any(&["SSL", "ssl.", "certificate"]) {
        return Failure::settings(format!("the encrypted connection could not be made: {line}"))
            .hint("add ssl=true&sslrootcert=/path/to/ca.pem to the URL, or sslverify=false to trust any certificate");
    }
    if any(&[
        "Unable to connect to any servers",
        "NoHostAvailable",
        "gaierror",
        "Name or service not known",
        "Connection refused",
        "UnknownHost",
    ]) {
        return Failure::unreachable(format!("Cassandra does not answer: {line}"))
            .hint("check host and port (native_transport_port, 9042), and rpc_address of the node");
    }
    if any(&["code=1000", "code=1100", "code=1200", "code=1001", "OperationTimedOut", "ReadTimeout", "Unavailable"]) {
        return Failure::database(format!("the cluster did not answer in time: {line}"))
            .hint("try again when it is quieter, or wait longer with --option request-timeout=1200")
            .retryable();
    }
    Failure::of_tool(tool, code, stderr)
}

fn nodetool(code: Option<i32>, stderr: &str, line: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    if any(&["Authentication failed", "Credentials required", "Invalid username or password"]) {
        return Failure::access_denied(format!("JMX refused user or password: {line}")).hint(
            "add jmx-user to the URL and set the secret jmx-password; nodetool's users are those of jmxremote.password",
        );
    }
    if any(&["Access denied", "AccessControlException", "not authorized"]) {
        return Failure::access_denied(format!("the JMX user may not do this: {line}"))
            .hint("jmxremote.access has to give it readwrite");
    }
    if any(&["Failed to connect", "ConnectException", "Server is not initialized", "UnknownHost"]) {
        return Failure::unreachable(format!("the node's JMX does not answer: {line}"))
            .hint("nodetool has to run on the node, or the node has to let it in (cassandra-env.sh, LOCAL_JMX); jmx-host and jmx-port in the URL say where");
    }
    if any(&["does not exist", "Unknown keyspace"]) {
        return Failure::missing_database(format!("there is no such keyspace or table: {line}")).hint("check the name");
    }
    if any(&["already exists"]) {
        return Failure::database(format!("another backup of this keyspace is running: {line}"))
            .hint("if none is, remove its snapshot with nodetool clearsnapshot -t planb");
    }
    if any(&["failed to import", "Insufficient permissions", "Failed importing", "Failed verifying"]) {
        return Failure::database(format!("the node did not take the files: {line}")).hint(
            "look into its system.log; import-dir has to be on the file system of data-dir and writable for the server, and in a cluster the rows \
             have to belong to this node",
        );
    }
    Failure::of_tool("nodetool", code, stderr)
}

/// The line that says most: the last that names an error, without a trace of where.
fn line(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("at "));
    let telling =
        |line: &&str| ["rror", "xception", "ailed", "denied", "not ", "No "].iter().any(|text| line.contains(text));
    let line = lines().rfind(telling).or_else(|| lines().next_back()).unwrap_or("it said nothing");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (tool, stderr, code) in [
            // Of cqlsh 6.2.2 itself.
            (
                "cqlsh",
                "Connection error: ('Unable to connect to any servers', {'127.0.0.1:1': ConnectionRefusedError(111, \"Tried connecting to [('127.0.0.1', 1)]. Last error: Connection refused\")})",
                Unreachable,
            ),
            (
                "cqlsh",
                "  File \"policies.py\", line 428\nsocket.gaierror: [Errno -2] Name or service not known",
                Unreachable,
            ),
            (
                "cqlsh",
                "Validation is enabled; SSL transport factory requires a valid certfile to be specified.",
                InvalidRequest,
            ),
            // Of Cassandra's documentation and sources.
            (
                "cqlsh",
                "Connection error: ('Unable to connect to any servers', {'127.0.0.1:9042': AuthenticationFailed('Failed to authenticate to 127.0.0.1:9042: Error from server: code=0100 [Bad credentials] message=\"Provided username app and/or password are incorrect\"')})",
                AccessDenied,
            ),
            (
                "cqlsh",
                "<stdin>:1:Unauthorized: Error from server: code=2100 [Unauthorized] message=\"User app has no SELECT permission on <table demo.movies> or any of its parents\"",
                AccessDenied,
            ),
            (
                "cqlsh",
                "<stdin>:1:InvalidRequest: Error from server: code=2200 [Invalid query] message=\"Keyspace 'nope' does not exist\"",
                MissingDatabase,
            ),
            ("cqlsh", "<stdin>:1:'nope' not found in keyspaces", MissingDatabase),
            ("cqlsh", "schema.cql:2:AlreadyExists: Keyspace 'demo' already exists", InvalidRequest),
            (
                "cqlsh",
                "Connection error: ('Unable to connect to any servers', {'h:9042': ProtocolError(\"cql_version '3.4.7' is not supported by remote (w/ native protocol). Supported versions: ['3.4.4']\")})",
                ToolUnfit,
            ),
            ("cqlsh", "<stdin>:1:OperationTimedOut: errors={'127.0.0.1:9042': 'Client request timeout.'}", Failed),
            (
                "nodetool",
                "nodetool: Failed to connect to '127.0.0.1:7199' - ConnectException: 'Connection refused (Connection refused)'.",
                Unreachable,
            ),
            (
                "nodetool",
                "nodetool: Failed to connect to '127.0.0.1:7199' - SecurityException: 'Authentication failed! Invalid username or password'.",
                AccessDenied,
            ),
            (
                "nodetool",
                "error: Keyspace nope does not exist\n-- StackTrace --\njava.lang.IllegalArgumentException: Keyspace nope does not exist\n\tat x",
                MissingDatabase,
            ),
            ("nodetool", "error: Snapshot planb already exists.\n-- StackTrace --", Failed),
            ("nodetool", "Some directories failed to import, check server logs for details:\n/data/import", Failed),
            ("nodetool", "Unable to find java executable. Check JAVA_HOME and PATH environment variables.", ToolUnfit),
            // Of the GNU tools.
            ("find", "find: '/data/demo': No such file or directory", InvalidRequest),
            ("find", "find: '/data/demo': Permission denied", AccessDenied),
            ("chown", "chown: changing ownership of '/x': Operation not permitted", AccessDenied),
            ("tar", "tar: movies/x: Cannot open: Permission denied", AccessDenied),
            ("tar", "what", Failed),
        ] {
            let failure = explain(tool, Some(1), stderr);
            assert_eq!(failure.code, code, "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
    }
}
