//! The shim as a program of its own, for tests and for programs other than `planb` that use this crate.

fn main() -> std::process::ExitCode {
    planb_tool::shim::main(std::env::args_os().skip(1))
}
