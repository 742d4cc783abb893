//! `planb plugin`: look at plugins, and decide what they may use.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use planb_plugin::{Grants, OFFERED, Plugin};
use serde_json::json;

use crate::args::Global;
use crate::exit::Exit;
use crate::pinned;
use crate::printer::{Printer, bytes, table};
use crate::report::Report;
use crate::settings::{data_folder, grants_file, plugin, plugin_folders, plugin_host};

fn grants() -> Result<Grants, Report> {
    Ok(match grants_file() {
        Some(path) => Grants::load(&path, pinned::digests())?,
        None => Grants { pinned: pinned::digests().collect(), ..Grants::default() },
    })
}

fn trust(plugin: &Plugin, grants: &Grants) -> &'static str {
    if pinned::is_pinned(plugin.sha256()) {
        "built with this planb"
    } else if grants.kept.contains_key(plugin.sha256()) {
        "granted"
    } else {
        "not granted any tool"
    }
}

/// `planb plugin inspect`.
pub(crate) async fn inspect(global: &Global, name: &str, printer: Printer) -> Result<Exit, Report> {
    let plugin = plugin(global, name).await?;
    let grants = grants()?;
    let d = plugin.description();
    let allowed = |tool: &str| grants.allows(plugin.sha256(), tool);
    let text = || {
        let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
        let modes: Vec<String> = d.modes.iter().map(ToString::to_string).collect();
        let scopes: Vec<String> = d.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
        let imports: Vec<String> = plugin
            .imports()
            .iter()
            .map(|import| format!("{}{}", import.interface, if import.void { " (void)" } else { "" }))
            .collect();
        let mut out = format!("{} {} ({})\n", d.name, d.version, d.key);
        let rows = [
            ("file", format!("{} ({})", plugin.path().display(), bytes(plugin.bytes()))),
            ("sha256", plugin.sha256().to_owned()),
            ("trust", trust(&plugin, &grants).to_owned()),
            ("contract", format!("planb:engine@{} (this planb offers {})", plugin.contract(), OFFERED.join(", "))),
            ("aliases", list(&d.aliases)),
            ("schemes", list(&d.schemes)),
            ("modes", list(&modes)),
            ("scopes", list(&scopes)),
            (
                "native",
                if d.native_compression { "its tools can compress" } else { "its tools do not compress" }.to_owned(),
            ),
            ("sets", format!("environment {}", list(&d.env))),
            ("gets", format!("environment {}", list(&d.inherit))),
            ("params", list(&d.params.iter().map(|param| param.name.clone()).collect::<Vec<_>>())),
            ("secrets", list(&d.secrets.iter().map(|secret| secret.name.clone()).collect::<Vec<_>>())),
            ("imports", if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") }),
        ];
        for (name, value) in rows {
            out.push_str(&format!("  {name:<9} {value}\n"));
        }
        if !d.tools.is_empty() {
            let rows: Vec<Vec<String>> = d
                .tools
                .iter()
                .map(|tool| {
                    let used: Vec<String> =
                        tool.used_for.iter().map(|purpose| format!("{purpose:?}").to_lowercase()).collect();
                    vec![
                        tool.id.clone(),
                        tool.programs.join(", "),
                        tool.version_req.clone().unwrap_or_else(|| "any".to_owned()),
                        used.join(", "),
                        if allowed(&tool.id) { "yes" } else { "no" }.to_owned(),
                    ]
                })
                .collect();
            out.push('\n');
            out.push_str(&table(&["TOOL", "PROGRAMS", "VERSION", "FOR", "ALLOWED"], &rows));
        }
        if !d.settings.is_empty() {
            let rows: Vec<Vec<String>> = d
                .settings
                .iter()
                .map(|setting| {
                    let kind = match &setting.kind {
                        planb_model::engine::SettingKind::Text => "text".to_owned(),
                        planb_model::engine::SettingKind::Number => "number".to_owned(),
                        planb_model::engine::SettingKind::Toggle => "true|false".to_owned(),
                        planb_model::engine::SettingKind::Path => "path".to_owned(),
                        planb_model::engine::SettingKind::Choice(words) => words.join("|"),
                    };
                    vec![
                        setting.name.clone(),
                        kind,
                        setting.default.clone().unwrap_or_else(|| "-".to_owned()),
                        setting.summary.clone(),
                    ]
                })
                .collect();
            out.push('\n');
            out.push_str(&table(&["OPTION", "TAKES", "DEFAULT", "WHAT IT DOES"], &rows));
        }
        out
    };
    let json = || {
        json!({
            "file": plugin.path(),
            "bytes": plugin.bytes(),
            "sha256": plugin.sha256(),
            "trust": trust(&plugin, &grants),
            "contract": plugin.contract(),
            "imports": plugin.imports().iter().map(|import| json!({"interface": import.interface, "void": import.void})).collect::<Vec<_>>(),
            "allowed_tools": d.tools.iter().map(|tool| &tool.id).filter(|id| allowed(id)).collect::<Vec<_>>(),
            "description": d,
        })
    };
    printer.result(text, json);
    Ok(Exit::Done)
}

/// `planb plugin list`.
pub(crate) async fn list(global: &Global, printer: Printer) -> Result<Exit, Report> {
    let folders = plugin_folders(global);
    let (host, grants) = (plugin_host()?, grants()?);
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for path in folders.all() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match host.load(&path).await {
            Ok(plugin) => {
                let d = plugin.description();
                rows.push(vec![
                    name.clone(),
                    d.key.clone(),
                    d.name.clone(),
                    d.version.clone(),
                    trust(&plugin, &grants).to_owned(),
                    path.display().to_string(),
                ]);
                all.push(json!({"name": name, "key": d.key, "engine": d.name, "version": d.version, "sha256": plugin.sha256(), "trust": trust(&plugin, &grants), "file": path}));
            }
            Err(error) => Printer::note(&format!("warning: {error}\n")),
        }
    }
    printer.result(
        || {
            if rows.is_empty() {
                "no plugins\n".to_owned()
            } else {
                table(&["NAME", "KEY", "ENGINE", "VERSION", "TRUST", "FILE"], &rows)
            }
        },
        || json!(all),
    );
    Ok(Exit::Done)
}

/// `planb plugin add`.
pub(crate) async fn add(
    global: &Global,
    file: &Path,
    allow: &[String],
    all: bool,
    printer: Printer,
) -> Result<Exit, Report> {
    let plugin = plugin(global, &file.to_string_lossy()).await?;
    let d = plugin.description();
    let declared: BTreeSet<String> = d.tools.iter().map(|tool| tool.id.clone()).collect();
    if let Some(unknown) = allow.iter().find(|tool| !declared.contains(*tool)) {
        return Err(Report::usage(format!(
            "the plugin does not declare the tool `{unknown}`, but {}",
            list_of(&declared)
        )));
    }
    let tools = if all {
        declared
    } else if allow.is_empty() && std::io::stdin().is_terminal() {
        Printer::note(&format!(
            "{} {} (sha256 {})\nwants to use {}. A plugin decides with which arguments they run.\nAllow it? [y/N] ",
            d.name,
            d.version,
            plugin.sha256(),
            d.tools_with_programs(declared.iter().map(String::as_str))
        ));
        let _ = std::io::stderr().flush();
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        if read.is_err() || !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(Report::usage("nothing was added"));
        }
        declared
    } else if allow.is_empty() {
        let wants = d.tools_with_programs(declared.iter().map(String::as_str));
        return Err(Report::usage(format!("which tools may it use? It wants {wants}")).with_hint(format!(
            "planb plugin add {} --allow-all, or name them: {}",
            file.display(),
            declared.iter().map(|tool| format!("--allow-tool {tool}")).collect::<Vec<_>>().join(" ")
        )));
    } else {
        allow.iter().cloned().collect()
    };
    let (Some(folder), Some(grants)) = (data_folder(), grants_file()) else {
        return Err(Report::usage("HOME is not set, so there is no folder of yours to keep it in"));
    };
    let folder = folder.join("plugins");
    let name = plugin.path().file_name().unwrap_or_default();
    let target = folder.join(name);
    let copied = std::fs::create_dir_all(&folder).and_then(|()| std::fs::read(plugin.path())).and_then(|bytes| {
        let mut temp = std::fs::File::create(target.with_extension("tmp"))?;
        temp.write_all(&bytes)?;
        std::fs::rename(target.with_extension("tmp"), &target)
    });
    copied.map_err(|error| Report::usage(format!("{} cannot be written: {error}", target.display())))?;
    // The grant is for the bytes that were checked; a file that was swapped meanwhile has none.
    Grants::keep(&grants, plugin.sha256(), &d.key, tools.clone())?;
    printer.result(
        || format!("added {} as {}; it may use {}\n", d.name, target.display(), list_of(&tools)),
        || json!({"file": target, "sha256": plugin.sha256(), "allowed_tools": tools}),
    );
    Ok(Exit::Done)
}

fn list_of(tools: &BTreeSet<String>) -> String {
    if tools.is_empty() { "no tool".to_owned() } else { tools.iter().cloned().collect::<Vec<_>>().join(", ") }
}

/// `planb plugin remove`.
pub(crate) async fn remove(global: &Global, name: &str, printer: Printer) -> Result<Exit, Report> {
    let (Some(folder), Some(grants)) = (data_folder(), grants_file()) else {
        return Err(Report::usage("HOME is not set, so there is no folder of yours to take it from"));
    };
    let file = folder.join("plugins").join(if Path::new(name).extension().is_some() {
        name.to_owned()
    } else {
        format!("{name}.wasm")
    });
    if !file.is_file() {
        return Err(Report::usage(format!("{} is not there", file.display()))
            .with_hint("planb plugin list shows what there is"));
    }
    // One that no longer loads can be removed too; it has no grants that would matter.
    if let Ok(plugin) = plugin(global, &file.to_string_lossy()).await {
        Grants::keep(&grants, plugin.sha256(), &plugin.description().key, BTreeSet::new())?;
    }
    std::fs::remove_file(&file)
        .map_err(|error| Report::usage(format!("{} cannot be removed: {error}", file.display())))?;
    printer.result(|| format!("removed {}\n", file.display()), || json!({"file": file}));
    Ok(Exit::Done)
}
