//! `planb` under ptrace: it can be killed, failed or looked at before and after each of its own system calls that
//! changes a file, starts a process or moves the stream.
//!
//! Calls are counted over all threads of planb together, and those of its tools are not counted. (strace's `inject`
//! counts each thread alone, so that most places of a program with many threads cannot be reached by it.)

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::place::Call;

/// What a call of planb does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Makes, writes, syncs, renames or removes a file.
    File,
    /// Starts a process; at this moment it exists already.
    Spawn,
    /// Reads from or writes to a pipe of a tool.
    Pipe,
}

/// A call that planb is about to do.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its place among those of its kind, from 1.
    pub number: usize,
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub call: &'static str,
    /// The file.
    pub path: String,
    /// How many bytes it is to write.
    pub bytes: u64,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is done.
    Go,
    /// planb is killed before it.
    KillBefore,
    /// planb is killed after it.
    KillAfter,
    /// Half of the bytes are written, then planb is killed.
    KillHalf,
    /// It fails with this error, and is not done.
    Fail(i32),
}

/// How a traced planb ended.
#[derive(Debug)]
pub struct Traced {
    /// Its exit code; none if it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it told people.
    pub stderr: String,
    /// All its calls that were counted.
    pub steps: Vec<Step>,
    /// Whether it was told to do anything else than go.
    pub acted: bool,
}

/// Runs planb and asks `decide` before each of its calls. While that decides, nothing of planb goes on for long.
pub fn trace(call: &Call, decide: &mut (dyn FnMut(&Step) -> Act + Send)) -> Traced {
    // A thread of its own: what it waits for are then this planb and its threads alone.
    std::thread::scope(|scope| scope.spawn(|| Tracer::start(call).run(decide)).join().expect("the tracer"))
}

/// Whether this machine lets a process trace its children.
pub fn possible() -> bool {
    let Ok(mut child) = Command::new("sh").args(["-c", "kill -STOP $$"]).stdin(Stdio::null()).spawn() else {
        return false;
    };
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let seized = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).is_ok() && ptrace::seize(pid, Options::empty()).is_ok();
    drop(child.kill());
    drop(child.wait());
    seized
}

struct Tracer {
    planb: Pid,
    known: HashSet<Pid>,
    /// Threads that are inside a call, and what is to be done at its end.
    inside: HashMap<Pid, AtEnd>,
    counts: HashMap<Kind, usize>,
    steps: Vec<Step>,
    acted: bool,
    begun: bool,
    output: Option<(JoinHandle<String>, JoinHandle<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    Nothing,
    Kill,
    Fail(i32),
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Tracer {
    #[expect(clippy::zombie_processes, reason = "the tracer waits for it")]
    fn start(call: &Call) -> Self {
        // It stops itself, so that it can be seized before its first step as planb.
        let mut command = Command::new("sh");
        command.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]);
        call.describe(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let planb = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let output =
            Some((collect(child.stdout.take().expect("a pipe")), collect(child.stderr.take().expect("a pipe"))));
        waitpid(planb, Some(WaitPidFlag::WUNTRACED)).expect("it stops");
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(planb, options).expect("ptrace");
        kill(planb, Signal::SIGCONT).expect("it goes on");
        Self {
            planb,
            known: HashSet::from([planb]),
            inside: HashMap::new(),
            counts: HashMap::new(),
            steps: Vec::new(),
            acted: false,
            begun: false,
            output,
        }
    }

    fn run(mut self, decide: &mut (dyn FnMut(&Step) -> Act + Send)) -> Traced {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::from_bits_retain(libc::__WNOTHREAD);
        let mut ended = None;
        // Until nobody is left: a process that planb was just starting when it died waits to be let go too.
        while let Ok(status) = waitpid(None, Some(flags)) {
            let pid = status.pid().unwrap_or(self.planb);
            match status {
                WaitStatus::Exited(pid, code) if pid == self.planb => ended = Some(ExitStatus::from_raw(code << 8)),
                WaitStatus::Signaled(pid, signal, _) if pid == self.planb => {
                    ended = Some(ExitStatus::from_raw(signal as i32));
                }
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                    self.known.remove(&pid);
                    self.inside.remove(&pid);
                }
                _ if !self.is_thread(pid) => {
                    // A tool, on its way to be one: nobody traces it.
                    let _ = ptrace::detach(pid, None);
                }
                WaitStatus::PtraceSyscall(pid) => self.syscall(pid, decide),
                WaitStatus::PtraceEvent(pid, _, event) => self.event(pid, event, decide),
                WaitStatus::Stopped(pid, signal) => go(pid, Some(signal)),
                _ => go(pid, None),
            }
        }
        let status = ended.expect("the end of planb");
        let (stdout, stderr) = self.output.take().expect("it is taken once");
        Traced {
            code: status.code(),
            stdout: stdout.join().expect("a reader"),
            stderr: stderr.join().expect("a reader"),
            steps: self.steps,
            acted: self.acted,
        }
    }

    /// Whether it belongs to planb itself.
    fn is_thread(&mut self, pid: Pid) -> bool {
        if !self.known.contains(&pid) {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let group = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
            if group != Some(self.planb.as_raw()) {
                return false;
            }
            self.known.insert(pid);
        }
        true
    }

    fn event(&mut self, pid: Pid, event: i32, decide: &mut (dyn FnMut(&Step) -> Act + Send)) {
        match event {
            libc::PTRACE_EVENT_EXEC => self.begun = true,
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK if self.begun => {
                let act = self.ask(Kind::Spawn, "spawn", String::new(), 0, decide);
                if matches!(act, Act::KillBefore | Act::KillAfter | Act::KillHalf) {
                    self.kill();
                }
            }
            _ => {}
        }
        go(pid, None);
    }

    fn syscall(&mut self, pid: Pid, decide: &mut (dyn FnMut(&Step) -> Act + Send)) {
        if let Some(end) = self.inside.remove(&pid) {
            match end {
                AtEnd::Nothing => {}
                AtEnd::Kill => self.kill(),
                AtEnd::Fail(errno) => {
                    if let Ok(mut registers) = ptrace::getregs(pid) {
                        registers.rax = i64::from(-errno).cast_unsigned();
                        let _ = ptrace::setregs(pid, registers);
                    }
                }
            }
            return go(pid, None);
        }
        let mut end = AtEnd::Nothing;
        if self.begun
            && let Ok(mut registers) = ptrace::getregs(pid)
            && let Some((kind, call, path, bytes)) = self.look(&registers)
        {
            match self.ask(kind, call, path, bytes, decide) {
                Act::Go => {}
                Act::KillBefore => self.kill(),
                Act::KillAfter => end = AtEnd::Kill,
                Act::KillHalf => {
                    registers.rdx /= 2;
                    let _ = ptrace::setregs(pid, registers);
                    end = AtEnd::Kill;
                }
                Act::Fail(errno) => {
                    // No such call: the kernel does nothing.
                    registers.orig_rax = u64::MAX;
                    let _ = ptrace::setregs(pid, registers);
                    end = AtEnd::Fail(errno);
                }
            }
        }
        self.inside.insert(pid, end);
        go(pid, None);
    }

    fn ask(
        &mut self,
        kind: Kind,
        call: &'static str,
        path: String,
        bytes: u64,
        decide: &mut (dyn FnMut(&Step) -> Act + Send),
    ) -> Act {
        let number = self.counts.entry(kind).or_default();
        *number += 1;
        let step = Step { number: *number, kind, call, path, bytes };
        let act = decide(&step);
        self.acted |= act != Act::Go;
        self.steps.push(step);
        act
    }

    fn kill(&self) {
        let _ = kill(self.planb, Signal::SIGKILL);
    }

    /// What a call is, if it is one that counts.
    fn look(&self, registers: &libc::user_regs_struct) -> Option<(Kind, &'static str, String, u64)> {
        const MAKES: u64 = (libc::O_CREAT | libc::O_TRUNC) as u64;
        let text = |at: u64| self.text(at);
        let file = |call, path: Option<String>| path.map(|path| (Kind::File, call, path, 0));
        let open = |fd: u64| fs::read_link(format!("/proc/{}/fd/{fd}", self.planb)).ok();
        let r = registers;
        let at = |fd: u64, name: u64| {
            let name = text(name)?;
            if name.starts_with('/') || fd & 0xffff_ffff == u64::from(libc::AT_FDCWD.cast_unsigned()) {
                return Some(name);
            }
            Some(format!("{}/{name}", open(fd)?.display()))
        };
        let of_file = |call, fd: u64| {
            let path = open(fd)?.display().to_string();
            (path.starts_with('/')
                && !path.starts_with("/dev/")
                && !path.starts_with("/proc/")
                && !path.starts_with("/memfd"))
            .then_some((Kind::File, call, path, 0))
        };
        match r.orig_rax.cast_signed() {
            libc::SYS_openat if r.rdx & MAKES != 0 => file("openat", at(r.rdi, r.rsi)),
            libc::SYS_open if r.rsi & MAKES != 0 => file("open", text(r.rdi)),
            libc::SYS_mkdir => file("mkdir", text(r.rdi)),
            libc::SYS_mkdirat => file("mkdirat", at(r.rdi, r.rsi)),
            libc::SYS_rmdir => file("rmdir", text(r.rdi)),
            libc::SYS_unlink => file("unlink", text(r.rdi)),
            libc::SYS_unlinkat => file("unlinkat", at(r.rdi, r.rsi)),
            libc::SYS_rename => file("rename", text(r.rdi)),
            libc::SYS_renameat | libc::SYS_renameat2 => file("renameat", at(r.rdi, r.rsi)),
            libc::SYS_link => file("link", text(r.rdi)),
            libc::SYS_linkat => file("linkat", at(r.rdi, r.rsi)),
            libc::SYS_fsync => of_file("fsync", r.rdi),
            libc::SYS_fdatasync => of_file("fdatasync", r.rdi),
            libc::SYS_ftruncate => of_file("ftruncate", r.rdi),
            libc::SYS_pwrite64 => of_file("pwrite", r.rdi).map(|(kind, call, path, _)| (kind, call, path, r.rdx)),
            libc::SYS_write => match open(r.rdi) {
                Some(path) if path.to_string_lossy().starts_with("pipe:") && r.rdi > 2 => {
                    Some((Kind::Pipe, "write", String::new(), r.rdx))
                }
                Some(_) if r.rdi > 2 => of_file("write", r.rdi).map(|(kind, call, path, _)| (kind, call, path, r.rdx)),
                _ => None,
            },
            libc::SYS_read => match open(r.rdi) {
                Some(path) if path.to_string_lossy().starts_with("pipe:") => {
                    Some((Kind::Pipe, "read", String::new(), 0))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// A text in planb's memory.
    fn text(&self, at: u64) -> Option<String> {
        let mut memory = fs::File::open(format!("/proc/{}/mem", self.planb)).ok()?;
        memory.seek(SeekFrom::Start(at)).ok()?;
        let mut bytes = Vec::new();
        let mut page = [0; 256];
        while bytes.len() < 4096 {
            let n = memory.read(&mut page).ok().filter(|n| *n > 0)?;
            if let Some(end) = page[..n].iter().position(|byte| *byte == 0) {
                bytes.extend_from_slice(&page[..end]);
                break;
            }
            bytes.extend_from_slice(&page[..n]);
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Lets a thread go on to its next stop; one that is gone needs no letting.
fn go(pid: Pid, signal: Option<Signal>) {
    match ptrace::syscall(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("ptrace: {error}"),
    }
}
