//! Watches for a secret where nobody may see it: in the command line of any process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Looks at `/proc` until it is dropped or asked.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    seen: Receiver<String>,
    looks: Receiver<usize>,
}

const PAUSE: Duration = Duration::from_millis(3);

impl Watch {
    /// None where this system has no `/proc`.
    pub(crate) fn start(secret: &str) -> Option<Self> {
        if !std::path::Path::new("/proc/self/cmdline").exists() {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let ((found, seen), (count, looks)) = (channel(), channel());
        let (secret, ended) = (secret.as_bytes().to_vec(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                number += 1;
                if let Some(program) = look(&secret)
                    && found.send(program).is_err()
                {
                    break;
                }
                std::thread::sleep(PAUSE);
            }
            let _ = count.send(number);
        });
        Some(Self { stop, seen, looks })
    }

    /// Ends it: `Err` with the program that showed the secret.
    pub(crate) fn finish(self) -> Result<String, String> {
        self.stop.store(true, Ordering::Relaxed);
        let looks = self.looks.recv_timeout(Duration::from_secs(10)).unwrap_or_default();
        match self.seen.try_recv() {
            Ok(program) => {
                Err(format!("the password stood on the command line of `{program}`, where everybody can read it"))
            }
            Err(_) if looks == 0 => Err("nobody looked".to_owned()),
            Err(_) => Ok(format!("looked at all processes {looks} times")),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The program of the first process that has the secret on its command line.
fn look(secret: &[u8]) -> Option<String> {
    let processes = std::fs::read_dir("/proc").ok()?;
    for process in processes.flatten() {
        if !process.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let Ok(line) = std::fs::read(process.path().join("cmdline")) else { continue };
        if line.windows(secret.len()).any(|window| window == secret) {
            let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(program);
            return Some(name.rsplit('/').next().unwrap_or_default().to_owned());
        }
    }
    None
}
