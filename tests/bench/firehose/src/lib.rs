//! An engine whose tool only writes bytes (`cat` of one file, many times), to measure the host itself. Its
//! inspector counts lines, which is what an inspector of SQL does for most of its time.

use planb_sdk::{
    Artifact, BackupPlan, Command, Description, Engine, Failure, Inspection, Inspector, Mode, NoFilter, Object,
    Purpose, Request, RestorePlan, RestoreRequest, ScopeKind, Setting, Tool,
};

/// The engine.
#[derive(Debug)]
pub struct Firehose;

impl Engine for Firehose {
    type Inspector = Lines;
    type Filter = NoFilter;

    fn describe() -> Description {
        Description::new("firehose", "Firehose", env!("CARGO_PKG_VERSION"))
            .scheme("firehose")
            .file_based()
            .tool(Tool::new("cat").purpose(Purpose::Backup))
            .setting(Setting::number("times", "How often the file is written.").default("1"))
            .setting(Setting::toggle("inspect", true, "Look at the bytes."))
            .mode(Mode::Stream)
            .scope(ScopeKind::Database)
    }

    fn plan_backup(request: &Request) -> Result<BackupPlan, Failure> {
        let mut cat = Command::tool("cat");
        for _ in 0..request.number("times")?.unwrap_or(1) {
            cat = cat.value(request.database()?);
        }
        Ok(BackupPlan::stdout(cat, Artifact::new("bytes", "application/octet-stream", "bytes")))
    }

    fn plan_restore(_: &RestoreRequest) -> Result<RestorePlan, Failure> {
        Err(Failure::unsupported("the firehose restores nothing"))
    }
}

/// Counts lines, where it is to look at all.
#[derive(Debug, Default)]
pub struct Lines {
    lines: u64,
    blind: bool,
}

impl Inspector for Lines {
    fn new(request: &Request, _: &Artifact) -> Self {
        Self { lines: 0, blind: !request.toggle("inspect").unwrap_or(true) }
    }

    fn feed(&mut self, chunk: &[u8]) {
        if !self.blind {
            self.lines += memchr::memchr_iter(b'\n', chunk).count() as u64;
        }
    }

    fn finish(self) -> Inspection {
        Inspection { complete: true, objects: vec![Object::new("stream", "bytes").rows(self.lines)], findings: vec![] }
    }
}

planb_sdk::export_engine!(Firehose);
