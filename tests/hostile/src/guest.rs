//! A component with the contract's types around a core module in text: what it answers can be any bytes at any address.

use std::fmt::Write as _;

/// The contract's types, as the component's text has them: for each a definition and an export.
const TYPES: &str = include_str!("contract.wat");

/// A function of the contract: its name, its parameters and result, the core parameters.
type Function = (&'static str, &'static str, &'static str, usize);

const FUNCTIONS: [Function; 15] = [
    ("describe", "", "(result $description)", 0),
    ("plan-backup", r#"(param "request" $request)"#, "(result (result $backup-plan (error $failure)))", 1),
    ("plan-restore", r#"(param "request" $restore-request)"#, "(result (result $restore-plan (error $failure)))", 1),
    (
        "plan-query",
        r#"(param "request" $request) (param "query" $query)"#,
        "(result (result $query-plan (error $failure)))",
        1,
    ),
    (
        "read-query",
        r#"(param "query" $query) (param "stdout" (list u8))"#,
        "(result (result $answer (error $failure)))",
        6,
    ),
    ("explain", r#"(param "tool" string) (param "code" (option s32)) (param "stderr" string)"#, "(result $failure)", 6),
    ("plan-scratch", r#"(param "ports" (list u16))"#, "(result (result $scratch-plan (error $failure)))", 2),
    ("plan-seed", r#"(param "request" $request)"#, "(result (result $seed-plan (error $failure)))", 1),
    (
        "[constructor]inspector",
        r#"(param "request" $request) (param "artifact" $artifact)"#,
        "(result (own $inspector))",
        1,
    ),
    ("[method]inspector.open", r#"(param "self" (borrow $inspector)) (param "path" string)"#, "", 3),
    ("[method]inspector.feed", r#"(param "self" (borrow $inspector)) (param "chunk" (list u8))"#, "", 3),
    ("[method]inspector.finish", r#"(param "self" (borrow $inspector))"#, "(result $inspection)", 1),
    ("[constructor]filter", r#"(param "request" $restore-request)"#, "(result (own $filter))", 1),
    (
        "[method]filter.push",
        r#"(param "self" (borrow $filter)) (param "chunk" (list u8))"#,
        "(result (result (list u8) (error $failure)))",
        3,
    ),
    ("[method]filter.finish", r#"(param "self" (borrow $filter))"#, "(result (result (list u8) (error $failure)))", 1),
];

/// A plugin in text. Every function of it is `unreachable` until it is given other instructions.
#[derive(Debug, Clone)]
pub struct Guest {
    export: String,
    imports: String,
    memory: String,
    realloc: String,
    core: String,
    component: String,
    with: String,
    bodies: Vec<(&'static str, String)>,
    left_out: Option<&'static str>,
    other_type: Option<&'static str>,
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

impl Guest {
    /// With one page of memory.
    pub fn new() -> Self {
        Self {
            export: "planb:engine/engine@0.1.0".to_owned(),
            imports: String::new(),
            memory: "1".to_owned(),
            realloc: "unreachable".to_owned(),
            core: String::new(),
            component: String::new(),
            with: String::new(),
            bodies: Vec::new(),
            left_out: None,
            other_type: None,
        }
    }

    /// The instructions of a function. Its parameters are `$0`, `$1` and so on.
    #[must_use]
    pub fn on(mut self, function: &'static str, body: &str) -> Self {
        assert!(FUNCTIONS.iter().any(|(name, ..)| *name == function), "{function}");
        self.bodies.push((function, body.to_owned()));
        self
    }

    /// The pages of its memory: `1`, `1 2`.
    #[must_use]
    pub fn memory(mut self, pages: &str) -> Self {
        pages.clone_into(&mut self.memory);
        self
    }

    /// The instructions of its allocator, of which `$0` to `$3` are the old address and size, the alignment and the new size.
    #[must_use]
    pub fn realloc(mut self, body: &str) -> Self {
        body.clone_into(&mut self.realloc);
        self
    }

    /// An allocator that only goes forward.
    #[must_use]
    pub fn allocates(self) -> Self {
        self.core("(global $top (mut i32) (i32.const 8192))").realloc(
            "(global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
             (global.get $top) (global.set $top (i32.add (global.get $top) (local.get $3)))",
        )
    }

    /// More of the core module: globals, tables, memories, a start function.
    #[must_use]
    pub fn core(mut self, text: &str) -> Self {
        self.core.push_str(text);
        self.core.push('\n');
        self
    }

    /// Bytes in its memory.
    #[must_use]
    pub fn data(self, at: u32, bytes: &[u8]) -> Self {
        let hex = bytes.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "\\{byte:02x}");
            out
        });
        self.core(&format!("(data (i32.const {at}) \"{hex}\")"))
    }

    /// A description that is right, for what comes after it.
    #[must_use]
    pub fn describes(self) -> Self {
        self.answers("describe", &description())
    }

    /// A function that gives these bytes.
    #[must_use]
    pub fn answers(self, function: &'static str, image: &Image) -> Self {
        self.data(image.at(), image.bytes()).on(function, &format!("(i32.const {})", image.at()))
    }

    /// More of the component: imports, other modules and their instances. Before the core module is instantiated.
    #[must_use]
    pub fn component(mut self, text: &str) -> Self {
        self.component.push_str(text);
        self.component.push('\n');
        self
    }

    /// Arguments of the core module's instance, and the imports of the module that they are for.
    #[must_use]
    pub fn with(mut self, imports: &str, arguments: &str) -> Self {
        self.imports.push_str(imports);
        self.with.push_str(arguments);
        self
    }

    /// Under another name.
    #[must_use]
    pub fn exported_as(mut self, name: &str) -> Self {
        name.clone_into(&mut self.export);
        self
    }

    /// Without this function.
    #[must_use]
    pub fn without(mut self, function: &'static str) -> Self {
        self.left_out = Some(function);
        self
    }

    /// With another type of this function: one that takes nothing and gives a `u64`.
    #[must_use]
    pub fn mistyped(mut self, function: &'static str) -> Self {
        self.other_type = Some(function);
        self
    }

    /// The component.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn functions(&self) -> Vec<Function> {
        let all = FUNCTIONS.into_iter().filter(|(name, ..)| Some(*name) != self.left_out);
        let typed = |function: Function| {
            if Some(function.0) == self.other_type { (function.0, "", "(result u64)", usize::MAX) } else { function }
        };
        all.map(typed).collect()
    }

    fn text(&self) -> String {
        let functions = self.functions();
        let names: Vec<&str> =
            TYPES.lines().filter_map(|line| line.strip_prefix("(export \"")?.split('"').next()).collect();
        let mut out = format!("(component\n(type $types (instance\n{TYPES}))\n");
        out.push_str("(import \"planb:engine/types@0.1.0\" (instance $t (type $types)))\n");
        for name in &names {
            out.push_str(&format!("(alias export $t \"{name}\" (type ${name}))\n"));
        }
        out.push_str("(type $inspector (resource (rep i32)))\n(type $filter (resource (rep i32)))\n");
        out.push_str(&self.component);
        out.push_str(&self.module(&functions));
        out.push_str(&format!("(core instance $i (instantiate $m {}))\n", self.with));
        out.push_str("(alias core export $i \"memory\" (core memory $memory))\n");
        out.push_str("(alias core export $i \"realloc\" (core func $realloc))\n");
        for (at, (name, params, result, _)) in functions.iter().enumerate() {
            out.push_str(&format!(
                "(alias core export $i \"{name}\" (core func $c{at}))
                 (func $f{at} {params} {result} (canon lift (core func $c{at}) (memory $memory) (realloc $realloc)))\n"
            ));
        }
        out.push_str(&shim(&functions, &names));
        out.push_str(&format!("(export \"{}\" (instance $e)))\n", self.export));
        out
    }

    fn module(&self, functions: &[Function]) -> String {
        let mut out = format!(
            "(core module $m {} (memory (export \"memory\") {}) {}
             (func (export \"realloc\") (param $0 i32) (param $1 i32) (param $2 i32) (param $3 i32) (result i32) {})\n",
            self.imports, self.memory, self.core, self.realloc
        );
        for (name, _, result, params) in functions {
            let (params, result) = match (*params, *result) {
                (usize::MAX, _) => (String::new(), "(result i64)"),
                (n, "") => (parameters(n), ""),
                (n, _) => (parameters(n), "(result i32)"),
            };
            let given = self.bodies.iter().rev().find(|(of, _)| of == name && Some(*of) != self.other_type);
            let body = given.map_or("unreachable", |(_, body)| body);
            out.push_str(&format!("(func (export \"{name}\") {params} {result} {body})\n"));
        }
        out.push_str(")\n");
        out
    }
}

fn parameters(n: usize) -> String {
    (0..n).map(|at| format!("(param ${at} i32)")).collect()
}

/// The component model wants the types of what is exported to have names, which an inner component gives them.
fn shim(functions: &[Function], names: &[&str]) -> String {
    let mut out = String::from("(component $shim\n");
    let mut with = String::new();
    for line in TYPES.lines() {
        out.push_str(&line.replacen("(export \"", "(import \"t-", 1));
        out.push('\n');
    }
    for name in names {
        with.push_str(&format!("(with \"t-{name}\" (type ${name}))"));
    }
    for name in ["inspector", "filter"] {
        out.push_str(&format!("(import \"t-{name}\" (type ${name} (sub resource)))\n"));
        with.push_str(&format!("(with \"t-{name}\" (type ${name}))"));
    }
    for (at, (_, params, result, _)) in functions.iter().enumerate() {
        out.push_str(&format!("(import \"f{at}\" (func $f{at} {params} {result}))\n"));
        with.push_str(&format!("(with \"f{at}\" (func $f{at}))"));
    }
    for name in names.iter().chain(&["inspector", "filter"]) {
        out.push_str(&format!("(export $x-{name} \"{name}\" (type ${name}))\n"));
    }
    for (at, (name, params, result, _)) in functions.iter().enumerate() {
        let (params, result) = (params.replace('$', "$x-"), result.replace('$', "$x-"));
        out.push_str(&format!("(export \"{name}\" (func $f{at}) (func {params} {result}))\n"));
    }
    out.push_str(&format!(")\n(instance $e (instantiate $shim {with}))\n"));
    out
}

/// Where [`Guest::describes`] keeps it.
const DESCRIPTION: u32 = 1024;

/// Values laid out as the canonical ABI has them: a record of a fixed size, and behind it what its pointers point to.
#[derive(Debug, Clone)]
pub struct Image {
    at: u32,
    bytes: Vec<u8>,
}

impl Image {
    /// A record of this many bytes at this address, all zero.
    pub fn new(at: u32, record: usize) -> Self {
        Self { at, bytes: vec![0; record] }
    }

    /// Writes bytes into the record.
    #[must_use]
    pub fn put(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Writes a word into the record.
    #[must_use]
    pub fn word(self, offset: usize, word: u32) -> Self {
        self.put(offset, &word.to_le_bytes())
    }

    /// A list of so many items (a string of so many bytes) at an offset of the record, and its content behind.
    #[must_use]
    pub fn list(mut self, offset: usize, count: usize, content: &[u8]) -> Self {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        let pointer = self.at + u32::try_from(self.bytes.len()).unwrap_or(0);
        self.bytes.extend(content);
        self.word(offset, pointer).word(offset + 4, u32::try_from(count).unwrap_or(0))
    }

    /// A string.
    #[must_use]
    pub fn text(self, offset: usize, text: &str) -> Self {
        self.list(offset, text.len(), text.as_bytes())
    }

    /// Its address.
    pub fn at(&self) -> u32 {
        self.at
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A small description: the key `raw`, the tool `cat` for backups, the mode `stream`, the scope `database`, file-based.
pub fn description() -> Image {
    const RECORD: usize = 140;
    const TOOL: usize = 64;
    let image = Image::new(DESCRIPTION, RECORD).text(0, "raw").text(8, "Raw").text(24, "0.1.0").put(56, &[1]);
    let image = image.list(60, 1, &[0; TOOL]).list(108, 1, &[0]).list(116, 1, &[0]);
    // The tool stands right behind the record's first strings; its own pointers are filled in there.
    let tool = usize::try_from(u32::from_le_bytes(image.bytes[60..64].try_into().unwrap()) - DESCRIPTION).unwrap();
    let programs = image.text(tool, "cat");
    let name = programs.bytes[tool..tool + 8].to_vec();
    programs.list(tool + 8, 1, &name).list(tool + 44, 1, &[0])
}

/// The answer of `plan-query` that it is not supported.
pub fn unsupported(at: u32) -> Image {
    // An error, whose code is the second; then whose fault, a message, no hint.
    Image::new(at, 36).put(0, &[1]).put(4, &[1]).text(8, "no")
}

/// The answer of `plan-backup`: what `cat` prints.
pub fn cat(at: u32) -> Image {
    let plan = 4;
    let command = plan + 16 + 4;
    Image::new(at, plan + 152)
        .text(command, "cat")
        .text(plan + 116, "txt")
        .text(plan + 124, "text/plain")
        .text(plan + 136, "raw")
}
