use super::*;

#[test]
fn free_memory_is_what_meminfo_calls_available() {
    let text = "MemTotal:  100 kB\nMemFree: 5 kB\nMemAvailable:    2048 kB\n";
    assert_eq!(meminfo_free(text), Some(2 << 20));
    assert_eq!(meminfo_free("MemTotal: 100 kB\n"), None);
}

#[test]
fn the_address_space_is_limited_where_the_system_says_so() {
    let line = |soft: &str| {
        format!(
            "Limit  Soft\nMax address space         {soft}           unlimited            bytes\n"
        )
    };
    assert_eq!(address_space(&line("8589934592")), Some(8 << 30));
    assert_eq!(address_space(&line("unlimited")), None);
}

#[test]
fn the_tightest_of_the_control_groups_counts() {
    let dir = tempfile::tempdir().unwrap();
    let put = |group: &str, files: &[(&str, &str)]| {
        let folder = dir.path().join(group);
        std::fs::create_dir_all(&folder).unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    };
    let mb = |n: u64| (n << 20).to_string();
    put("a", &[("memory.max", &mb(50)), ("memory.current", &mb(30))]);
    put("a/b", &[("memory.max", "max\n"), ("memory.current", &mb(20))]);
    assert_eq!(group_free(dir.path(), "0::/a/b\n"), Some(20 << 20));
    let stat = format!("anon 7\ninactive_file {}\n", mb(4));
    put("a", &[("memory.stat", &stat)]);
    assert_eq!(group_free(dir.path(), "0::/a/b\n"), Some(24 << 20));
    // The first version, seen from inside a container.
    put("memory", &[("memory.limit_in_bytes", &mb(9)), ("memory.usage_in_bytes", &mb(2))]);
    assert_eq!(group_free(dir.path(), "4:cpu,memory:/not/mounted\n1:cpu:/\n"), Some(7 << 20));
    assert_eq!(group_free(dir.path(), "0::/elsewhere\n"), None);
}

#[test]
fn a_request_beyond_any_memory_says_what_is_needed_and_what_is_there() {
    let error = ask(1 << 50, || "a test".into()).unwrap_err();
    assert_eq!(error.needed, 1 << 50);
    let text = error.to_string();
    assert!(text.starts_with("a test needs about 1024 TiB of memory, but "), "{text}");
    assert!(text.contains(" are left ("), "{text}");
    assert!(ask(1 << 10, || "a test".into()).is_ok());
}

#[test]
fn a_refusal_by_the_users_limit_says_how_to_raise_it() {
    let error = NoMemory { what: "x".into(), needed: 3 << 30, left: 5 << 19, by: BY_LIMIT };
    let text =
        "x needs about 3.0 GiB of memory, but 2.5 MiB are left (--memory-limit); raise the limit";
    assert_eq!(error.to_string(), text);
}

#[test]
fn bytes_are_shown_in_the_unit_that_fits() {
    let texts = [0, 1023, 1024, 150 << 20, 8 << 30].map(shown);
    assert_eq!(texts, ["0 bytes", "1023 bytes", "1.0 KiB", "150 MiB", "8.0 GiB"]);
}
