//! A throw-away cluster of one node, and a small known database in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::connect;

const CERTS: &str = "certs";
const USER: &str = "planb";
const DATABASE: &str = "movies";

const SEED: &str = "\
CREATE TABLE public.movies (id INT8 PRIMARY KEY, title STRING NOT NULL, year INT8);
INSERT INTO public.movies VALUES (1, 'Metropolis', 1927), (2, 'Casablanca', 1942), (3, 'Rashomon', 1950);
CREATE TABLE public.actors (id INT8 PRIMARY KEY, name STRING NOT NULL);
INSERT INTO public.actors VALUES (1, 'Brigitte Helm'), (2, 'Ingrid Bergman'), (3, 'Toshiro Mifune');
";

/// The node listens on the loopback interface with certificates of its own (documentation, "cockroach cert"). Its root user has a
/// certificate and makes the one that has a password.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let &[sql, http, ..] = ports else {
        return Err(Failure::plugin("the host gave too few ports"));
    };
    let cert = |what: &'static str| {
        let cert = Command::tool("cockroach").flag("cert").flag(what).option("--certs-dir", path(CERTS));
        cert.option("--ca-key", path("certs/ca.key"))
    };
    let server = Command::tool("cockroach")
        .flag("start-single-node")
        .option("--certs-dir", path(CERTS))
        .option("--store", path("data"))
        .option("--listen-addr", format!("127.0.0.1:{sql}"))
        .option("--http-addr", format!("127.0.0.1:{http}"));
    let root = Command::tool("cockroach")
        .flag("sql")
        .option("--certs-dir", path(CERTS))
        .option("--url", format!("postgresql://root@127.0.0.1:{sql}/?sslmode=verify-full"))
        .flag("--set=errexit=true")
        .stdin(format!("CREATE USER {USER} WITH PASSWORD '"))
        .stdin(Secret::doubled("password", "'"))
        .stdin(format!("';\nGRANT admin TO {USER};\nCREATE DATABASE {DATABASE};\n"));
    let connection = Connection::loopback(sql).user(USER).with_secret("password");
    Ok(ScratchPlan::server(server, connection, Scope::Database(DATABASE.to_owned()))
        // The folder has to be there before the first certificate.
        .file(PrivateFile::new("certs/README").text("Certificates of a throw-away server.\n"))
        .prepare(cert("create-ca"))
        .prepare(cert("create-node").value("127.0.0.1").value("localhost"))
        .prepare(cert("create-client").value("root"))
        .ready(root)
        .setting("certs-dir", path(CERTS)))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [Object::new("table", "public.actors").rows(3), Object::new("table", "public.movies").rows(3)];
    Ok(SeedPlan::new(holds)
        .file(connect::passfile(request))
        .command(connect::sql(request, request.database()?)?.stdin(SEED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_its_own() {
        let plan = server(&[9001, 9002]).unwrap();
        assert_eq!(
            plan.server.unwrap().to_string(),
            "cockroach start-single-node --certs-dir={work}/certs --store={work}/data --listen-addr=127.0.0.1:9001 --http-addr=127.0.0.1:9002"
        );
        assert_eq!(
            plan.prepare[1].to_string(),
            "cockroach cert create-node --certs-dir={work}/certs --ca-key={work}/certs/ca.key 127.0.0.1 localhost"
        );
        assert!(plan.ready[0].to_string().ends_with(
            "<< CREATE USER planb WITH PASSWORD '{secret password}';\nGRANT admin TO planb;\nCREATE DATABASE movies;\n"
        ));
        assert!(server(&[1]).is_err());
    }
}
