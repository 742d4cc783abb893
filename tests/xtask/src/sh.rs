//! Running programs, visibly.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What went wrong, in a sentence.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The target folder, wherever cargo was told to put it.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A program in the workspace's folder.
pub(crate) fn cmd(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    cmd(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end; a bad exit code is an error.
pub(crate) fn run(command: &mut Command) -> Done {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command.status().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// Runs to the end and gives what it printed.
pub(crate) fn read(command: &mut Command) -> Done<String> {
    let out = output(command)?;
    if !out.status.success() {
        return Err(format!("{}: {}\n{}", shown(command), out.status, String::from_utf8_lossy(&out.stderr)));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

pub(crate) fn output(command: &mut Command) -> Done<Output> {
    let shown = shown(command);
    command.stdin(Stdio::null()).output().map_err(|error| format!("{shown}: {error}"))
}

/// Whether a program is there and answers.
pub(crate) fn has(program: &str, arg: &str) -> bool {
    cmd(program)
        .arg(arg)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
