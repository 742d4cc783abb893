//! x
#[tokio::test]
async fn measure() {
    let Ok(files) = std::env::var("FILES") else { return };
    let mut limits = planb_plugin::Limits::default();
    limits.compile_time = std::time::Duration::from_secs(3000);
    if std::env::var("WIDE").is_ok() {
        limits.shape = planb_plugin::Shape {
            depth: 10000,
            components: 1 << 20,
            modules: 1 << 20,
            parts: 1 << 40,
            definition_bytes: 1 << 40,
            functions: 1 << 40,
            code_bytes: 1 << 40,
            function_bytes: 1 << 40,
        };
    }
    let host = planb_plugin::PluginHost::new(limits, None).unwrap();
    for file in files.split(',') {
        let begin = std::time::Instant::now();
        let outcome = host.load(std::path::Path::new(file)).await;
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let hwm: u64 = status
            .lines()
            .find(|l| l.starts_with("VmHWM"))
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        println!(
            "{file} {:?} {} MiB {}",
            begin.elapsed(),
            hwm / 1024,
            match outcome {
                Ok(p) => format!("ok {}", p.description().key),
                Err(e) => e.to_string().chars().take(200).collect(),
            }
        );
    }
}
