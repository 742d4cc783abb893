//! The page in a real browser, with scripts switched off: it renders, asks for nothing from elsewhere, and the
//! browser has nothing to complain about.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests; they run a browser")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use planb_harness::{Skip, provision, skip};
use planb_web::{Board, Options, Server, Snapshot, TriggerError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const HOSTILE: &str = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">";

struct Example;

impl Board for Example {
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::example(Timestamp::now());
        HOSTILE.clone_into(&mut snapshot.jobs[0].database);
        snapshot
    }

    fn trigger(&self, _: &str) -> Result<String, TriggerError> {
        Err(TriggerError::Unknown(String::new()))
    }
}

fn chromium() -> Result<PathBuf, Skip> {
    let found = || ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(provision::program);
    if let Some(found) = found() {
        return Ok(found);
    }
    provision::apt(&["chromium"])?;
    found().ok_or_else(|| Skip::new("chromium", "not on the search path after it was installed"))
}

/// What the browser made of a page.
struct Visit {
    /// The document as it stood at the end.
    dom: String,
    /// What it complained about.
    complaints: Vec<String>,
    /// What the page asked for beside itself.
    asked: Vec<String>,
}

fn visit(chromium: &PathBuf, url: &str, scripts: bool) -> Visit {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("net.json");
    let profile = folder.path().join("profile");
    // The setting of a user who switched scripts off. The switch of the rendering engine would keep the browser from
    // printing the document too.
    let setting = json!({"profile": {"default_content_setting_values": {"javascript": if scripts { 1 } else { 2 }}}});
    fs::create_dir_all(profile.join("Default")).unwrap();
    fs::write(profile.join("Default/Preferences"), setting.to_string()).unwrap();
    let output = Command::new(chromium)
        // Its sandbox wants what a container often lacks; the page is our own.
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
        ])
        .args(["--disable-component-update", "--no-first-run", "--enable-logging=stderr", "--dump-dom"])
        // Nothing but this machine has an address.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let complaints = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    let net: Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    // Requests of the page have it as their initiator; the browser's own have none.
    let origin = url.rsplit_once('/').map_or(url, |(origin, _)| origin).trim_end_matches("/jobs");
    let asked = net["events"].as_array().unwrap().iter().filter_map(|event| {
        let params = &event["params"];
        let of_the_page = params["initiator"].as_str().is_some_and(|initiator| origin.starts_with(initiator));
        of_the_page.then(|| params["url"].as_str().map(str::to_owned)).flatten()
    });
    Visit { dom: String::from_utf8_lossy(&output.stdout).into_owned(), complaints, asked: asked.collect() }
}

/// A page that does everything wrong, to see that it would be noticed.
async fn wrong_page() -> String {
    const PAGE: &str = "<!doctype html><title>before</title><script>document.title = 'after'; console.error('loud')</script>\
                        <img src='/picture.png'>";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{PAGE}",
                PAGE.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_whole_without_scripts_and_asks_for_nothing() {
    let chromium = skip!(chromium());
    let server = Server::bind(Options::new("127.0.0.1:0".parse().unwrap()), Arc::new(Example)).await.unwrap();
    let home = format!("http://{}/", server.address());
    let serving = tokio::spawn(server.run(std::future::pending()));
    let wrong = wrong_page().await;

    let visits = tokio::task::spawn_blocking(move || {
        // With scripts on, so that a script that got in would run.
        let hostile = visit(&chromium, &home, true);
        let pages = ["", "jobs/orders", "jobs/sessions", "?state=failing"]
            .map(|path| visit(&chromium, &format!("{home}{path}"), false));
        (hostile, pages, visit(&chromium, &wrong, true), visit(&chromium, &wrong, false))
    });
    let (hostile, pages, noisy, quiet) = visits.await.unwrap();
    serving.abort();

    // The means find what they look for.
    assert!(noisy.dom.contains("<title>after</title>") && noisy.complaints.iter().any(|line| line.contains("loud")));
    assert!(noisy.asked.iter().any(|url| url.ends_with("/picture.png")), "{:?}", noisy.asked);
    assert!(quiet.dom.contains("<title>before</title>"));

    for page in pages.iter().chain([&hostile]) {
        assert_eq!((&page.complaints, &page.asked), (&vec![], &vec![]));
        assert!(!page.dom.contains("<title>taken</title>"));
        // What the browser made of it, which is not what was sent: no element has come in.
        assert!(!page.dom.contains("<script") && !page.dom.contains("<img"));
    }
    for job in Example.snapshot().jobs {
        assert!(pages[0].dom.contains(&format!(">{}</bdi></a>", job.name)), "{}", job.name);
    }
    assert!(pages[0].dom.contains("&lt;script&gt;document.title="));
    assert!(pages[1].dom.contains("<svg class=\"plot\"") && pages[1].dom.contains("Inspection"));
    assert!(pages[2].dom.contains("the run should have ended"));
    assert!(pages[3].dom.contains(">billing</bdi></a>") && !pages[3].dom.contains(">customers</bdi></a>"));
}
