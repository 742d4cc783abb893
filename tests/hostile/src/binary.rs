//! WebAssembly byte by byte: what no compiler would write.

/// The first bytes of a component.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The first bytes of a core module.
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Of a component's sections.
pub mod section {
    /// Whatever anyone wants to put there.
    pub const CUSTOM: u8 = 0;
    /// A core module.
    pub const MODULE: u8 = 1;
    /// A component.
    pub const COMPONENT: u8 = 4;
    /// Component types.
    pub const TYPE: u8 = 7;
}

/// An unsigned number (LEB128).
pub fn number(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = u8::try_from(n & 0x7f).unwrap_or(0);
        n >>= 7;
        if n == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// The number of a type, which is signed.
fn type_index(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = u8::try_from(n & 0x7f).unwrap_or(0);
        n >>= 7;
        if n == 0 && byte & 0x40 == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// A section with its length.
pub fn with_section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id][..], &number(body.len()), body].concat()
}

/// A component of these sections.
pub fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT, &sections.concat()].concat()
}

/// Components inside each other.
pub fn nested(depth: usize) -> Vec<u8> {
    // From the inside out only the sizes are needed.
    let mut size = COMPONENT.len();
    let mut heads = vec![COMPONENT.to_vec()];
    for _ in 0..depth {
        let head = [COMPONENT, &[section::COMPONENT], &number(size)].concat();
        size += head.len();
        heads.push(head);
    }
    heads.reverse();
    heads.concat()
}

/// Components beside each other.
pub fn beside(count: usize) -> Vec<u8> {
    let one = with_section(section::COMPONENT, COMPONENT);
    [COMPONENT.to_vec(), one.repeat(count)].concat()
}

/// A component type section in which each type is a `list` of the one before.
pub fn lists(depth: usize) -> Vec<u8> {
    let mut body = number(depth);
    for at in 0..depth {
        body.push(0x70);
        body.extend(if at == 0 { vec![0x7d] } else { type_index(at - 1) });
    }
    component(&[with_section(section::TYPE, &body)])
}

/// The same with tuples of `width` times the one before.
pub fn tuples(depth: usize, width: usize) -> Vec<u8> {
    let mut body = number(depth);
    for at in 0..depth {
        body.push(0x6f);
        body.extend(number(width));
        let before = if at == 0 { vec![0x7d] } else { type_index(at - 1) };
        body.extend(before.repeat(width));
    }
    component(&[with_section(section::TYPE, &body)])
}

/// A type of an instance that holds a type of an instance, and so on. `kind`: 0x42 for instances, 0x41 for components.
pub fn nested_types(depth: usize, kind: u8) -> Vec<u8> {
    let mut body = number(1);
    for _ in 0..depth {
        body.extend([kind, 1, 1]);
    }
    body.extend([kind, 0]);
    component(&[with_section(section::TYPE, &body)])
}

/// A core module with `count` functions from `i32` to `i32` of this body.
pub fn functions(count: usize, body: &[u8]) -> Vec<u8> {
    let types = with_section(1, b"\x01\x60\x01\x7f\x01\x7f");
    let declared = with_section(3, &[number(count), vec![0; count]].concat());
    let one = [&number(body.len()), body].concat();
    let code = with_section(10, &[number(count), one.repeat(count)].concat());
    [MODULE, &types, &declared, &code].concat()
}

/// A function's body that adds a number again and again, of about this many bytes.
pub fn long_body(bytes: usize) -> Vec<u8> {
    [&b"\0\x20\0"[..], &b"\x41\x07\x6a".repeat(bytes / 3), b"\x0b"].concat()
}
