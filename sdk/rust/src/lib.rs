//! Write a Plan B engine plugin in Rust.
//!
//! An engine is a function from requests to plans: it says which tool is to be run with which arguments, and the
//! host runs it. This crate holds the contract's types with builders whose short form is the safe one, the [`Engine`]
//! trait with defaults for what an engine does not do, quoting, and helpers for reading a dump as it passes.
//! The contract itself, with all its rules, is `wit/engine@0.1.0/engine.wit`.
//!
//! A complete engine, for a database whose tools are `toydump` and `toyload`:
//!
//! ```
//! use planb_sdk::{
//!     Artifact, BackupPlan, Command, Description, Engine, Failure, Inspection, Inspector, Lines, Mode, NoFilter, Object,
//!     PrivateFile, Purpose, Request, RestorePlan, RestoreRequest, ScopeKind, Secret, Setting, Tool, path,
//! };
//!
//! struct Toy;
//!
//! /// The password in a file that only the tool can read; the plan never holds it.
//! fn login() -> PrivateFile {
//!     PrivateFile::new("login").text("password=").secret(Secret::raw("password")).text("\n")
//! }
//!
//! /// What `toydump` and `toyload` have in common.
//! fn connect(tool: &str, request: &Request) -> Command {
//!     Command::tool(tool)
//!         .option("--login-file", path("login"))
//!         .option_if("--host", request.connection.host.clone())
//!         .option_if("--user", request.connection.user.clone())
//! }
//!
//! impl Engine for Toy {
//!     type Inspector = ToyInspector;
//!     type Filter = NoFilter;
//!
//!     fn describe() -> Description {
//!         Description::new("toy", "ToyDB", env!("CARGO_PKG_VERSION"))
//!             .scheme("toy")
//!             .default_port(7007)
//!             .tool(Tool::new("toydump").version("--version", ">=2").purpose(Purpose::Backup))
//!             .tool(Tool::new("toyload").version("--version", ">=2").purpose(Purpose::Restore))
//!             .setting(Setting::toggle("with-users", false, "Dump the users too."))
//!             .mode(Mode::Stream)
//!             .scope(ScopeKind::Database)
//!     }
//!
//!     fn plan_backup(request: &Request) -> Result<BackupPlan, Failure> {
//!         let mut dump = connect("toydump", request);
//!         if request.toggle("with-users")? {
//!             dump = dump.flag("--with-users");
//!         }
//!         // The name of the database comes from the user, so it is a value: the host sees to it that it is never an option.
//!         let dump = dump.extra().value(request.database()?);
//!         Ok(BackupPlan::stdout(dump, Artifact::new("sql", "application/sql", "plain")).file(login()))
//!     }
//!
//!     fn plan_restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
//!         let load = connect("toyload", &request.request).value(request.request.database()?);
//!         Ok(RestorePlan::stdin(load).file(login()))
//!     }
//!
//!     fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
//!         if stderr.contains("wrong password") {
//!             return Failure::access_denied("ToyDB refused the password").hint("check DB_PASSWORD");
//!         }
//!         Failure::of_tool(tool, code, stderr)
//!     }
//! }
//!
//! /// Counts the rows of `row ...` lines, and looks for the end mark.
//! #[derive(Debug, Default)]
//! struct ToyInspector {
//!     lines: Lines,
//!     rows: u64,
//!     complete: bool,
//! }
//!
//! impl Inspector for ToyInspector {
//!     fn new(_: &Request, _: &Artifact) -> Self {
//!         Self::default()
//!     }
//!
//!     fn feed(&mut self, chunk: &[u8]) {
//!         let Self { lines, rows, complete } = self;
//!         lines.feed(chunk, |line| {
//!             *rows += u64::from(line.starts_with(b"row "));
//!             *complete = line == b"end";
//!         });
//!     }
//!
//!     fn finish(self) -> Inspection {
//!         Inspection { complete: self.complete, objects: vec![Object::new("table", "all").rows(self.rows)], findings: vec![] }
//!     }
//! }
//!
//! planb_sdk::export_engine!(Toy);
//! # fn main() {
//! #     assert_eq!(Toy::describe().key, "toy");
//! #     assert!(login().content.len() == 3);
//! # }
//! ```

#![deny(missing_docs)]

mod answer;
#[doc(hidden)]
pub mod bindings;
mod command;
mod describe;
mod engine;
pub mod explain;
mod failure;
mod lines;
mod object;
mod objects;
mod plan;
pub mod quote;
mod request;
mod scratch;
pub mod tar;
pub mod testing;

pub use answer::unhex;
pub use bindings::planb::engine::types::{
    Answer, Arg, ArgPiece, Artifact, Backslash, BackupPlan, Blame, Command, Connection, Description, Encoding,
    Endpoint, EnvVar, Failure, FailureCode, FoundTool, Input, Inspection, Kind, Mode, NamedSecret, Object, OptionArg,
    Output, PrivateFile, PrivatePiece, Purpose, Query, QueryPlan, Request, RestorePlan, RestoreRequest, Scope,
    ScopeKind, ScratchPlan, ScratchSetting, Secret, SeedPlan, Setting, Sink, Source, StdoutSource, TargetState, Tool,
    Trim,
};
pub use command::{WorkPath, path};
pub use engine::{Engine, Filter, Inspector, NoFilter, NoInspector};
pub use lines::Lines;
pub use objects::Objects;
pub use request::Version;

/// What [`export_engine!`] expands to; not for direct use.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::engine::Exported;
}

/// Makes a type that implements [`Engine`] the plugin that this crate builds.
///
/// Elsewhere than in WebAssembly it does nothing, so that an engine's unit tests link natively.
#[macro_export]
macro_rules! export_engine {
    ($engine:ty) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, clippy::all, clippy::pedantic, reason = "the generated glue of the component model")]
        const _: () = {
            type Exported = $crate::__private::Exported<$engine>;
    $crate::__private::bindings::export!(Exported with_types_in $crate::__private::bindings);
        };
    };
}
