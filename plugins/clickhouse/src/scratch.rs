//! A throw-away server, and a small known database in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::connect;

const SEED: &str = "\
CREATE TABLE movies (id UInt32, title String, year UInt16) ENGINE = MergeTree ORDER BY id;
INSERT INTO movies VALUES (1, 'Metropolis', 1927), (2, 'Casablanca', 1942), (3, 'Rashomon', 1950);
CREATE TABLE actors (id UInt32, name String) ENGINE = MergeTree ORDER BY id;
INSERT INTO actors VALUES (1, 'Brigitte Helm'), (2, 'Ingrid Bergman'), (3, 'Toshiro Mifune');
";

/// The server listens on one port of the loopback interface and wants the password.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let port = *ports.first().ok_or_else(|| Failure::plugin("the host gave no port"))?;
    let folder = |file: PrivateFile, tag: &str, name: &str| {
        file.text(format!("<{tag}>")).path(path(name)).text(format!("/</{tag}>\n"))
    };
    // Versions up to 23 want the root to be called yandex, and later ones still take it.
    let config = PrivateFile::new("config.xml").text(format!(
        "<yandex>\n<logger><level>warning</level><console>1</console></logger>\n<listen_host>127.0.0.1</listen_host>\n\
         <tcp_port>{port}</tcp_port>\n<mark_cache_size>268435456</mark_cache_size>\n<users_config>users.xml</users_config>\n\
         <default_profile>default</default_profile>\n<default_database>default</default_database>\n"
    ));
    let config = folder(config, "path", "data");
    let config = folder(config, "tmp_path", "data/tmp");
    let config = folder(config, "user_files_path", "data/user_files");
    let config = folder(config, "format_schema_path", "data/format_schemas").text("</yandex>\n");
    let users = PrivateFile::new("users.xml")
        .text("<yandex>\n<profiles><default></default></profiles>\n<quotas><default></default></quotas>\n<users><default>\n<password>")
        // Letters and digits, by the contract.
        .secret(Secret::backslash("password", "", "<>&\n\r"))
        .text("</password>\n<networks><ip>127.0.0.1</ip></networks>\n<profile>default</profile>\n<quota>default</quota>\n</default></users>\n</yandex>\n");
    let server = Command::tool("clickhouse-server").option("--config-file", path("config.xml"));
    let connection = Connection::loopback(port).user("default").with_secret("password");
    Ok(ScratchPlan::server(server, connection, Scope::Database("default".to_owned())).file([config, users]))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [Object::new("table", "actors").rows(3), Object::new("table", "movies").rows(3)];
    Ok(SeedPlan::new(holds)
        .file(connect::config(request)?)
        .command(connect::script(request, request.database()?)?.stdin(SEED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_its_own() {
        let plan = server(&[9123, 9124]).unwrap();
        assert_eq!(plan.server.unwrap().to_string(), "clickhouse-server --config-file={work}/config.xml");
        assert!(format!("{:?}", plan.files).contains("<tcp_port>9123</tcp_port>"));
        assert!(server(&[]).is_err());
    }
}
