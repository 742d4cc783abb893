//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CLIENT: &str = "influxdb-client (Debian, Ubuntu), or the influxdb package of version 1.x";
pub(crate) const SERVER: &str = "influxdb of version 1.x: its influxd makes backups, on another machine too";

pub(crate) fn describe() -> Description {
    Description::new("influxdb", "InfluxDB", env!("CARGO_PKG_VERSION"))
        .alias("influx")
        .scheme("influxdb")
        .scheme("influxdbs")
        .default_port(8086)
        .tool(
            // Portable backups came with 1.5. The influxd of 2.x makes none.
            Tool::new("influxd")
                .version("version", ">=1.5, <2")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Scratch)
                .install(SERVER),
        )
        .tool(
            Tool::new("influx")
                .version("-version", ">=1.5, <2")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .purpose(Purpose::Scratch)
                .install(CLIENT),
        )
        .env(["INFLUX_USERNAME", "INFLUX_PASSWORD"])
        .param(Setting::toggle("unsafe-ssl", false, "Do not check the server's certificate."))
        .setting(
            Setting::number(
                "rpc-port",
                "The port of the backup service (bind-address in influxdb.conf), on the same host.",
            )
            .default("8088"),
        )
        .mode(Mode::Directory)
        .mode(Mode::Tar)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
}
