//! What the engine says of itself: decent, or as it was told.

use std::cell::Cell;

use planb_sdk::{Description, Mode, NamedSecret, Purpose, ScopeKind, Setting, Tool};

use crate::order::{self, Order};

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

fn tool(id: &str) -> Tool {
    [Purpose::Backup, Purpose::Restore, Purpose::Query, Purpose::Scratch].into_iter().fold(Tool::new(id), Tool::purpose)
}

pub(crate) fn describe() -> Description {
    let mut d = Description::new("hostile", "Hostile", "0.1.0")
        .scheme("hostile")
        .file_based()
        .tool(tool("cat"))
        .tool(tool("tee"))
        .tool(tool("sh"))
        .env(["HOSTILE"])
        .setting(Setting::text("attack", "What to do, where."))
        .setting(Setting::text("only", "Only with databases whose name holds this."))
        .secret("token", "Used by nobody.")
        .mode(Mode::Stream)
        .mode(Mode::File)
        .mode(Mode::Directory)
        .mode(Mode::Tar)
        .scope(ScopeKind::Database);
    for Order { what, with: text, .. } in order::of("describe") {
        change(&mut d, &what, text);
    }
    d
}

fn change(d: &mut Description, what: &str, text: String) {
    match what {
        "key" => d.key = text,
        "name" => d.name = text,
        "version" => d.version = text,
        "alias" => d.aliases.push(text),
        "scheme" => d.schemes.push(text),
        "schemes" => d.schemes = vec![text],
        "env" => d.env.push(text),
        "inherit" => d.inherit.push(text),
        "tool" => d.tools.push(tool(&text)),
        "program" => d.tools.push(tool("harmless").programs([text])),
        "program-none" => d.tools.push(tool("harmless").programs(Vec::<String>::new())),
        "tool-twice" => d.tools.push(tool("cat")),
        "version-args" => d.tools.push(Tool { version_args: vec![text; 9], ..tool("harmless") }),
        "version-req" => d.tools.push(tool("harmless").version("--version", text)),
        "install-hint" => d.tools.push(Tool { install_hint: Some(text), ..tool("harmless") }),
        "summary" => d.settings.push(Setting::text("other", &text)),
        "setting" => d.settings.push(Setting::text(&text, "Named so by the plugin.")),
        "default" => d.settings.push(Setting { default: Some(text), ..Setting::text("other", "With a default.") }),
        "param" => d.params.push(Setting::text(&text, "")),
        "secret" => d.secrets.push(NamedSecret { name: text, summary: "Named so by the plugin.".to_owned() }),
        "secret-summary" => d.secrets.push(NamedSecret { name: "other".to_owned(), summary: text }),
        "no-mode" => d.modes.clear(),
        "no-scope" => d.scopes.clear(),
        "many-tools" => d.tools.extend((0..1_000_000).map(|n| Tool::new(n.to_string()))),
        "many-aliases" => d.aliases.extend((0..1_000_000).map(|n| format!("a{n}"))),
        "long-name" => d.name = "x".repeat(100 << 20),
        // Numbers each of its calls: an instance that lived on would tell.
        "changes" => {
            CALLS.with(|calls| calls.set(calls.get() + 1));
            d.name = format!("Hostile {} {}", CALLS.with(Cell::get), crate::probe::chance());
        }
        "by-inventory" => d.plans_by_inventory = true,
        _ => {}
    }
}
