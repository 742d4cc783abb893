#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// Beyond what is looked at, so that one limit at a time is met.
fn wide() -> Shape {
    Shape {
        depth: 10,
        components: 1 << 20,
        modules: 1 << 20,
        parts: u64::MAX,
        definition_bytes: u64::MAX,
        functions: u64::MAX,
        code_bytes: u64::MAX,
        function_bytes: u64::MAX,
    }
}

fn too_much(bytes: &[u8], shape: &Shape) -> String {
    match look(bytes, shape) {
        Err(Unfit::TooMuch(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn number(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(u8::try_from(n & 0x7f).unwrap() | 0x80);
        n >>= 7;
    }
    out.push(u8::try_from(n).unwrap());
    out
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id][..], &number(body.len()), body].concat()
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A type inside a type, as deep as that: 0x42 for instances, 0x41 for components.
fn nested_types(depth: usize, kind: u8) -> Vec<u8> {
    let body = [&number(1)[..], &[kind, 1, 1].repeat(depth), &[kind, 0]].concat();
    [COMPONENT, &section(7, &body)].concat()
}

fn nested_components(depth: usize) -> Vec<u8> {
    let mut heads = vec![COMPONENT.to_vec()];
    let mut size = COMPONENT.len();
    for _ in 0..depth {
        let head = [COMPONENT, &[4], &number(size)].concat();
        size += head.len();
        heads.push(head);
    }
    heads.reverse();
    heads.concat()
}

/// Components of which each instantiates the one before twice.
fn doubling(components: usize) -> Vec<u8> {
    let mut out = String::from("(component (component $c0)\n");
    for at in 1..=components {
        let before = at - 1;
        out.push_str(&format!(
            "(component $c{at} (alias outer 1 $c{before} (component $b)) (instance (instantiate $b)) (instance (instantiate $b)))\n"
        ));
    }
    out.push_str(&format!("(instance (instantiate $c{components})))"));
    text(&out)
}

#[test]
fn a_component_of_the_usual_kind_is_no_matter() {
    let usual = text(
        r#"(component
            (type $types (instance (type (component (import "a" (func)) (export "b" (instance))))))
            (core module $m (func (export "f") (result i32) i32.const 1))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            (component $shim (import "f" (func $f (result u32))) (export "g" (func $f)))
            (instance $s (instantiate $shim (with "f" (func $f))))
            (export "x" (instance $s)))"#,
    );
    assert_eq!(look(&usual, &Shape::default()), Ok(Structure { largest_function: 4 }));
}

#[test]
fn depth_is_counted_without_going_there() {
    for kind in [0x41, 0x42] {
        assert_eq!(too_much(&nested_types(3_000_000, kind), &wide()), "11 types inside each other; the limit is 10");
        assert!(look(&nested_types(9, kind), &wide()).is_ok());
    }
    assert_eq!(too_much(&nested_components(100_000), &wide()), "11 components inside each other; the limit is 10");
    assert!(look(&nested_components(10), &wide()).is_ok());
}

#[test]
fn what_is_instantiated_again_counts_again() {
    let shape = Shape { parts: 1000, ..wide() };
    assert!(look(&doubling(7), &shape).is_ok());
    let why = too_much(&doubling(60), &shape);
    assert!(why.ends_with("parts once it is instantiated; the limit is 1000"), "{why}");
    assert!(look(&doubling(60), &wide()).is_ok(), "no limit, and no overflow");
}

#[test]
fn a_component_cannot_be_passed_on() {
    let imported = text(r#"(component (import "c" (component $c)) (instance (instantiate $c)))"#);
    assert!(too_much(&imported, &wide()).contains("passes on"));
    let aliased = text(
        r#"(component
            (component $c (component $d) (export "d" (component $d)))
            (instance $i (instantiate $c))
            (alias export $i "d" (component $e)))"#,
    );
    assert!(too_much(&aliased, &wide()).contains("passes on"));
    // An export of one is one more name of it.
    let shape = Shape { parts: 1000, ..wide() };
    let mut exported =
        String::from("(component (component $c (type u8) (type u8) (type u8))\n(export $e \"x\" (component $c))\n");
    exported.push_str(&"(instance (instantiate $e))".repeat(300));
    exported.push(')');
    assert!(too_much(&text(&exported), &shape).contains("parts"));
}

#[test]
fn every_number_has_a_limit() {
    let module = |functions: usize, body: usize| {
        let mut out = String::from("(component (core module\n");
        let body = "(drop (i32.const 1))".repeat(body);
        out.push_str(&format!("(func {body})").repeat(functions));
        out.push_str("))");
        text(&out)
    };
    let small = Shape { functions: 10, code_bytes: 200, function_bytes: 100, ..wide() };
    assert!(look(&module(9, 1), &small).is_ok());
    assert_eq!(too_much(&module(11, 1), &small), "12 functions, and what is compiled like one; the limit is 10");
    for initial in [
        "(import \"a\" \"b\" (global i32))".repeat(11),
        "(type (func))".repeat(11),
        "(global i32 (i32.const 1))".repeat(11),
        "(elem func)".repeat(11),
        format!("(elem funcref {})", "(ref.null func)".repeat(10)),
        format!("(memory 1) {}", "(data (i32.const 1))".repeat(11)),
    ] {
        let why = too_much(&text(&format!("(component (core module {initial}))")), &small);
        assert_eq!(why, "11 functions, and what is compiled like one; the limit is 10", "{initial}");
    }
    assert!(too_much(&module(1, 40), &small).ends_with("bytes of code in one function; the limit is 100"));
    assert!(too_much(&module(9, 8), &small).ends_with("bytes of code; the limit is 200"));
    let beside = |what: &str| text(&format!("(component {})", what.repeat(11)));
    let few = Shape { components: 10, modules: 10, ..wide() };
    assert_eq!(too_much(&beside("(component)"), &few), "11 components; the limit is 10");
    assert_eq!(too_much(&beside("(core module)"), &few), "11 core modules; the limit is 10");
    let types = text(&format!("(component (core module {}))", "(type (func (param i32 i64 f32 f64)))".repeat(100)));
    let why = too_much(&types, &Shape { definition_bytes: 500, ..wide() });
    assert!(why.ends_with("bytes of definitions; the limit is 500"), "{why}");
}

proptest! {
    /// Whatever the bytes are: they are counted or refused, and nothing breaks.
    #[test]
    fn nothing_breaks_it(at in 0_usize..300, byte: u8, cut in 0_usize..300) {
        let mut bytes = doubling(3);
        bytes.extend(nested_types(3, 0x41).split_off(8));
        let last = bytes.len() - 1;
        bytes[at.min(last)] = byte;
        let _ = look(&bytes, &Shape::default());
        bytes.truncate(cut);
        let _ = look(&bytes, &Shape::default());
    }
}
