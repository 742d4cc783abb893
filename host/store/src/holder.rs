//! Who holds a lease: this process, in a form by which others on the same machine can tell whether it still lives.

use std::sync::OnceLock;

use planb_model::lease::Holder;

/// This process.
pub fn holder() -> &'static Holder {
    static ME: OnceLock<Holder> = OnceLock::new();
    ME.get_or_init(|| {
        let line = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let host = line("/proc/sys/kernel/hostname").or_else(|| line("/etc/hostname"));
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
        let machine = match (line("/proc/sys/kernel/random/boot_id"), namespace) {
            // Containers of one host see different processes under the same numbers.
            (Some(boot), Some(namespace)) => format!("{boot} {}", namespace.display()),
            _ => String::new(),
        };
        let pid = std::process::id();
        Holder {
            host: host.unwrap_or_else(|| "unknown host".to_owned()),
            machine,
            pid,
            started: started(pid).unwrap_or_default(),
        }
    })
}

/// Whether the process of a holder lives. None: it is on another machine, or nobody can tell.
pub fn lives(other: &Holder) -> Option<bool> {
    let me = holder();
    if other.machine.is_empty() || other.machine != me.machine {
        return None;
    }
    Some(!other.started.is_empty() && started(other.pid).as_ref() == Some(&other.started))
}

/// The 22nd field of `/proc/PID/stat` (proc(5)): when a process began, in ticks since boot.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let state = rest.split_ascii_whitespace().next()?;
    // A zombie does nothing any more.
    if state == "Z" {
        return None;
    }
    rest.split_ascii_whitespace().nth(19).map(str::to_owned)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_others_do_not() {
        assert_eq!(lives(holder()), Some(true));
        let reused = Holder { started: "1".to_owned(), ..holder().clone() };
        assert_eq!(lives(&reused), Some(false));
        let elsewhere = Holder { machine: "another".to_owned(), ..holder().clone() };
        assert_eq!(lives(&elsewhere), None);
    }
}
