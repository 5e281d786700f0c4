//! A short run of the torture; its doc says what it does.

use std::process::Command;

#[test]
fn nothing_is_lost_and_nothing_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_torture"))
        .args(["--rounds", "6", "--seed", "1", "--dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let (said, line) = (
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    assert!(output.status.success(), "{line}{said}");
    let figure = |name: &str| -> u64 {
        let (_, rest) = line.split_once(&format!("{name} ")).unwrap();
        rest.split(',').next().unwrap().trim().parse().unwrap()
    };
    assert!(figure("logged") > 1000 && figure("stored") > 1000, "{line}");
    assert_eq!((figure("lost"), figure("duplicated")), (0, 0), "{line}");
    assert!(line.contains("redelivered {file 0, sink "), "{line}");
    assert!(line.ends_with(", rounds 6, seed 1\n"), "{line}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a good run leaves nothing behind");
}
