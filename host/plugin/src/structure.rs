//! What a component is made of, counted before it is compiled.
//!
//! Nothing here goes deeper with the input: what is inside something else is kept on a list, not on the stack.

use std::ops::Range;

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternalKind, ComponentImport, ComponentInstance, ComponentOuterAliasKind,
    ComponentType, ComponentTypeRef, ElementItems, Encoding, InstanceTypeDeclaration, Parser, Payload, SectionLimited,
};

use crate::limits::Shape;

/// A function costs the compiler a trampoline of its own.
const FUNCTION: u64 = 10;

/// Why it is not compiled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It cannot be read.
    Broken(String),
    /// The end of the sentence "it has too much to be compiled: ...".
    TooMuch(String),
}

impl From<wasmparser::BinaryReaderError> for Unfit {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What was counted that decides how it is compiled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Structure {
    /// Bytes of its largest function.
    pub(crate) largest_function: u64,
}

/// Counts what is in a component, up to its limits.
pub(crate) fn look(bytes: &[u8], shape: &Shape) -> Result<Structure, Unfit> {
    let mut count = Count { shape, open: Vec::new(), seen: Seen::default() };
    for payload in Parser::new(0).parse_all(bytes) {
        count.add(bytes, payload?)?;
    }
    Ok(Structure { largest_function: count.seen.largest_function })
}

#[derive(Default)]
struct Seen {
    components: usize,
    modules: usize,
    definition_bytes: u64,
    functions: u64,
    code_bytes: u64,
    largest_function: u64,
}

/// A module or component that has not ended yet.
struct Open {
    encoding: Encoding,
    parts: u64,
    /// What instantiating each component comes to that is known here, by its index.
    components: Vec<u64>,
}

struct Count<'s> {
    shape: &'s Shape,
    open: Vec<Open>,
    seen: Seen,
}

fn within<N: Copy + PartialOrd + std::fmt::Display>(what: &str, n: N, limit: N) -> Result<(), Unfit> {
    if n <= limit { Ok(()) } else { Err(Unfit::TooMuch(format!("{n} {what}; the limit is {limit}"))) }
}

impl Count<'_> {
    fn add(&mut self, bytes: &[u8], payload: Payload<'_>) -> Result<(), Unfit> {
        self.measure(&payload)?;
        match payload {
            Payload::Version { encoding, .. } => self.begin(encoding)?,
            Payload::End(_) => self.end(),
            Payload::TypeSection(section) => self.functions(section.count())?,
            Payload::ImportSection(section) => self.functions(section.count())?,
            Payload::FunctionSection(section) => self.functions(section.count())?,
            Payload::GlobalSection(section) => self.functions(section.count())?,
            Payload::DataSection(section) => self.functions(section.count())?,
            Payload::ElementSection(section) => {
                self.functions(section.count())?;
                for segment in section {
                    if let ElementItems::Expressions(_, expressions) = segment?.items {
                        self.functions(expressions.count())?;
                    }
                }
            }
            Payload::CodeSectionStart { size, .. } => {
                self.seen.code_bytes += u64::from(size);
                within("bytes of code", self.seen.code_bytes, self.shape.code_bytes)?;
            }
            Payload::CodeSectionEntry(body) => {
                let size = body.range().len() as u64;
                within("bytes of code in one function", size, self.shape.function_bytes)?;
                self.seen.largest_function = self.seen.largest_function.max(size);
            }
            Payload::CoreTypeSection(section) => self.parts(section.count().into())?,
            Payload::ComponentTypeSection(section) => {
                let parts = types(bytes, section.range(), self.shape.depth)?;
                self.parts(parts)?;
            }
            Payload::ComponentCanonicalSection(section) => self.parts(u64::from(section.count()) * FUNCTION)?,
            Payload::InstanceSection(section) => self.parts(section.count().into())?,
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    let known = self.open.last().map(|open| open.components.as_slice()).unwrap_or_default();
                    let parts = match instance? {
                        // An index that is none is for the compiler to tell.
                        ComponentInstance::Instantiate { component_index, .. } => {
                            known.get(component_index as usize).copied().unwrap_or(0)
                        }
                        ComponentInstance::FromExports(_) => 0,
                    };
                    self.parts(parts.saturating_add(1))?;
                }
            }
            Payload::ComponentAliasSection(section) => self.aliases(section)?,
            Payload::ComponentImportSection(section) => {
                self.parts(section.count().into())?;
                for import in section {
                    if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                        return Err(passed_on());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                self.parts(section.count().into())?;
                for export in section {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Component {
                        self.again(0, export.index);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, encoding: Encoding) -> Result<(), Unfit> {
        if !self.open.is_empty() {
            match encoding {
                Encoding::Module => self.seen.modules += 1,
                Encoding::Component => self.seen.components += 1,
            }
        }
        within("core modules", self.seen.modules, self.shape.modules)?;
        within("components", self.seen.components, self.shape.components)?;
        within("components inside each other", self.open.len(), self.shape.depth)?;
        self.open.push(Open { encoding, parts: 0, components: Vec::new() });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(ended) = self.open.pop()
            && ended.encoding == Encoding::Component
            && let Some(around) = self.open.last_mut()
        {
            around.components.push(ended.parts);
        }
    }

    /// Everything but code, data, custom sections and what has sections of its own.
    fn measure(&mut self, payload: &Payload<'_>) -> Result<(), Unfit> {
        let apart = matches!(
            payload,
            Payload::CodeSectionStart { .. }
                | Payload::DataSection(_)
                | Payload::CustomSection(_)
                | Payload::ModuleSection { .. }
                | Payload::ComponentSection { .. }
        );
        if let Some((_, range)) = payload.as_section()
            && !apart
        {
            self.seen.definition_bytes += range.len() as u64;
            within("bytes of definitions", self.seen.definition_bytes, self.shape.definition_bytes)?;
        }
        Ok(())
    }

    fn functions(&mut self, more: u32) -> Result<(), Unfit> {
        self.seen.functions += u64::from(more);
        within("functions, and what is compiled like one", self.seen.functions, self.shape.functions)
    }

    fn parts(&mut self, more: u64) -> Result<(), Unfit> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        open.parts = open.parts.saturating_add(more);
        within("parts once it is instantiated", open.parts, self.shape.parts)
    }

    fn aliases(&mut self, section: SectionLimited<'_, ComponentAlias<'_>>) -> Result<(), Unfit> {
        self.parts(section.count().into())?;
        for alias in section {
            match alias? {
                ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                    self.again(count as usize, index);
                }
                ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                    return Err(passed_on());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A component that is known `outwards` from here gets one more index here.
    fn again(&mut self, outwards: usize, index: u32) {
        let at = self.open.len().checked_sub(outwards + 1);
        let parts = at.and_then(|at| self.open[at].components.get(index as usize).copied()).unwrap_or(0);
        if let Some(open) = self.open.last_mut() {
            open.components.push(parts);
        }
    }
}

/// What is passed on like a value could be instantiated any number of times, and no toolchain does it.
fn passed_on() -> Unfit {
    Unfit::TooMuch("components that one instance passes on to another; there may be none".to_owned())
}

#[derive(Clone, Copy)]
enum Inside {
    Section,
    Component,
    Instance,
}

/// Counts a section's types and what is declared in them. Their reader, here and in the compiler, reads a type inside a type by
/// calling itself.
fn types(bytes: &[u8], section: Range<usize>, depth: usize) -> Result<u64, Unfit> {
    let start = section.start;
    let body = bytes.get(section).ok_or_else(|| Unfit::Broken("a section leaves the file".to_owned()))?;
    let mut reader = BinaryReader::new(body, start);
    let mut open = vec![(Inside::Section, reader.read_var_u32()?)];
    let mut parts = 0;
    while let Some((inside, left)) = open.last_mut() {
        let Some(fewer) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = fewer;
        parts += 1;
        match (*inside, peek(&reader)?) {
            (Inside::Section, _) => {}
            (_, 0x01) => {
                reader.read_u8()?;
            }
            (Inside::Component, 0x03) => {
                reader.read_u8()?;
                reader.read::<ComponentImport<'_>>()?;
                continue;
            }
            _ => {
                reader.read::<InstanceTypeDeclaration<'_>>()?;
                continue;
            }
        }
        // Here a type begins.
        let inside = match peek(&reader)? {
            0x41 => Inside::Component,
            0x42 => Inside::Instance,
            _ => {
                reader.read::<ComponentType<'_>>()?;
                continue;
            }
        };
        reader.read_u8()?;
        open.push((inside, reader.read_var_u32()?));
        within("types inside each other", open.len() - 1, depth)?;
    }
    Ok(parts)
}

fn peek(reader: &BinaryReader<'_>) -> Result<u8, Unfit> {
    Ok(reader.clone().read_u8()?)
}

#[cfg(test)]
mod tests;
