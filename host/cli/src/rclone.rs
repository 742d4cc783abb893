//! How stores start rclone: as a helper of planb's own, with what rclone reads of the environment.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use planb_model::redact::Redactor;
use planb_model::secret::Secret;
use planb_store::rclone::{Ended, Process, Rclone, Started};
use planb_tool::{Exit, HelperProcess, spawn_helper};

use crate::settings::{env_names, env_os, shim};

/// The program, with what it is given.
#[derive(Debug)]
struct Program {
    secrets: Vec<(String, Secret)>,
    redactor: Arc<Redactor>,
}

/// For [`planb_store::start_rclone_by`].
pub(crate) fn starter(secrets: Vec<(String, Secret)>) -> Arc<dyn Rclone> {
    let redactor = Arc::new(Redactor::new(secrets.iter().map(|(_, secret)| secret)));
    Arc::new(Program { secrets, redactor })
}

/// rclone's own settings, where it keeps its file, proxies, and what its remotes read (`env_auth`).
fn is_rclones(name: &str) -> bool {
    let known = ["HOME", "PATH", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"];
    let upper = name.to_ascii_uppercase();
    known.contains(&name)
        || upper.ends_with("_PROXY")
        || ["RCLONE_", "AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix))
        // These are dbstash's, and mean something else to rclone.
            && !["RCLONE_CONFIG", "RCLONE_REMOTE", "RCLONE_EXTRA_ARGS", "RCLONE_CONFIG_FILE"].contains(&name)
}

impl Rclone for Program {
    fn start(&self, args: &[String], stdin: bool) -> io::Result<Started> {
        let shim = shim().map_err(|report| io::Error::other(report.message))?;
        let mut env: Vec<(OsString, OsString)> = env_names()
            .into_iter()
            .filter(|name| is_rclones(name))
            .filter_map(|name| Some((OsString::from(&name), env_os(&name)?)))
            .collect();
        env.extend(self.secrets.iter().map(|(name, secret)| (name.into(), secret.expose().into())));
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let program = PathBuf::from("rclone");
        let helper =
            spawn_helper(&shim, &self.redactor, &program, &args, &env, stdin).map_err(|error| match error {
                // Its kind tells whether rclone is there at all.
                planb_tool::ToolError::Start { source, .. } => source,
                other => io::Error::other(other.to_string()),
            })?;
        let (process, stdin, stdout) = helper.into_parts();
        Ok(Started {
            process: Box::new(Running(process)),
            stdin: stdin.map(|stdin| Box::new(stdin) as Box<_>),
            stdout: Box::new(stdout),
        })
    }
}

/// A running rclone.
struct Running(HelperProcess);

impl Process for Running {
    fn kill(&self) {
        self.0.kill();
    }

    fn stop(&mut self) -> BoxFuture<'_, Ended> {
        async { ended(self.0.stop().await) }.boxed()
    }

    fn wait(&mut self) -> BoxFuture<'_, Ended> {
        async { ended(self.0.wait().await) }.boxed()
    }
}

fn ended(exit: Exit) -> Ended {
    Ended { code: exit.code, stderr: exit.stderr }
}
