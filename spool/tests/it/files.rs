//! Making spools, byte for byte; what becomes of them; and files that are none.

use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use crate::fixtures::{Image, SECRET, callsite, dead, name, only, producer, source};
use distlog_spool::{SpoolDir, SpoolError};

/// Lines of 16 bytes that are not all zero, as `xxd` shows them.
pub fn dump(bytes: &[u8]) -> Vec<String> {
    bytes
        .chunks(16)
        .enumerate()
        .filter(|(_, line)| line.iter().any(|&byte| byte != 0))
        .map(|(n, line)| {
            let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:04x}: {hex}", n * 16)
        })
        .collect()
}

pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[cfg(target_endian = "little")]
#[test]
fn a_new_file_is_this() {
    let dir = tempfile::tempdir().unwrap();
    let spools = SpoolDir::open(dir.path()).unwrap();
    let new = spools.create(producer(), 4096, SECRET, b"who").unwrap();
    assert_eq!(names(dir.path()), [name("tmp")]);
    let live = new.publish().unwrap();
    assert_eq!(names(dir.path()), [name("spool")]);
    live.append_callsite(1, b"").unwrap();
    live.append_callsite(0x0203, b"the place").unwrap();
    let path = live.path().to_owned();
    drop(live);
    let metadata = path.metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert!(
        metadata.blocks() * 512 >= metadata.len(),
        "it is not sparse"
    );
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 4096 + 4096 + 24 + 16 + 32);
    assert_eq!(
        dump(&bytes),
        [
            "0000: 53474f4c545349440100000000000000",
            "0010: 0010000000000000efbeaddecefaedfe",
            "0020: 013031323334353637383961626364ff",
            "2000: 03000000ef6a8e3d0100000000000000",
            "2010: 77686f0000000000000000007ce215c3",
            "2020: 020000000100000009000000642172ad",
            "2030: 020000000302000074686520706c6163",
            "2040: 6500000000000000",
        ]
    );
}

/// The crate writes what the description says, as the second writer of these tests understood it.
#[test]
fn a_new_file_is_as_described() {
    let dir = tempfile::tempdir().unwrap();
    let spools = SpoolDir::open(dir.path()).unwrap();
    let new = spools.create(producer(), 8192, SECRET, &source()).unwrap();
    let live = new.publish().unwrap();
    let mut image = Image::new(8192);
    for id in [1, 2, 70_000] {
        live.append_callsite(id, &callsite(id)).unwrap();
        image.keep_callsite(id);
    }
    let path = live.path().to_owned();
    drop(live);
    assert_eq!(std::fs::read(path).unwrap(), image.bytes());
}

#[test]
fn a_directory_is_made_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let spools = SpoolDir::open(&path).unwrap();
    assert_eq!(spools.path(), path);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(spools.dead().unwrap().count(), 0);
    SpoolDir::open(&path).unwrap();
}

#[test]
fn a_file_is_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below"), "".into()] {
        assert!(matches!(
            SpoolDir::open(&path),
            Err(SpoolError::NotADirectory { path: said }) if said == path
        ));
    }
}

#[test]
fn a_spool_of_ones_own_is_not_dead_until_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let spools = SpoolDir::open(dir.path()).unwrap();
    let new = spools.create(producer(), 4096, SECRET, &source()).unwrap();
    assert!(dead(dir.path()).is_empty(), "nor is one in the making");
    let live = new.publish().unwrap();
    assert!(dead(dir.path()).is_empty());
    live.check().unwrap();
    drop(live);
    let claimed = only(dir.path());
    assert!(dead(dir.path()).is_empty(), "claimed is claimed");
    drop(claimed);
    only(dir.path());
}

#[test]
fn a_claimed_spool_is_claimed_by_one_thread() {
    let dir = tempfile::tempdir().unwrap();
    Image::new(4096).leave(dir.path());
    for _ in 0..50 {
        let barrier = std::sync::Barrier::new(4);
        let claimed: usize = std::thread::scope(|scope| {
            let claim = || {
                barrier.wait();
                let mine = dead(dir.path());
                barrier.wait();
                mine.into_iter().map(Result::unwrap).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(claimed, 1);
    }
}

/// The system gives the inode of a removed file to the next new one, while its spool is still being closed here.
#[test]
fn a_new_file_is_not_taken_for_one_that_is_being_closed() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let dir = tempfile::tempdir().unwrap();
                    Image::new(4096).leave(dir.path());
                    let spool = only(dir.path());
                    std::fs::remove_file(spool.path()).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_spool_in_the_making_that_is_given_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let spools = SpoolDir::open(dir.path()).unwrap();
    drop(spools.create(producer(), 4096, SECRET, &source()).unwrap());
    assert!(names(dir.path()).is_empty());
    for (capacity, secret) in [(4095, SECRET), (2048, SECRET), (1 << 33, SECRET), (4096, 1)] {
        let error = spools
            .create(producer(), capacity, secret, &source())
            .unwrap_err();
        assert!(matches!(error, SpoolError::File { .. }));
    }
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_live_spool_is_removed_when_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let spools = SpoolDir::open(dir.path()).unwrap();
    let new = spools.create(producer(), 4096, SECRET, &source()).unwrap();
    let live = new.publish().unwrap();
    live.remove().unwrap();
    assert!(names(dir.path()).is_empty());
    live.remove().unwrap();
}

#[test]
fn a_live_spool_says_when_somebody_spoils_it() {
    let dir = tempfile::tempdir().unwrap();
    let spools = SpoolDir::open(dir.path().join("spools")).unwrap();
    let new = spools.create(producer(), 4096, SECRET, &source()).unwrap();
    // Through the path, as somebody else would.
    let length = new.file().metadata().unwrap().len();
    let live = new.publish().unwrap();
    rustix::fs::ftruncate(
        // The lock of this process goes with it; nobody asks for it here.
        std::fs::OpenOptions::new()
            .write(true)
            .open(live.path())
            .unwrap(),
        5000,
    )
    .unwrap();
    let is_truncated = |result| {
        matches!(result, Err(SpoolError::Truncated { length: 5000, expected,
        .. }) if expected == length)
    };
    assert!(is_truncated(live.check()));
    assert!(is_truncated(live.append_callsite(1, &callsite(1))));

    std::fs::remove_file(live.path()).unwrap();
    assert!(matches!(live.check(), Err(SpoolError::Removed { .. })));
    std::fs::write(live.path(), "another file").unwrap();
    assert!(matches!(live.check(), Err(SpoolError::Removed { .. })));
    live.remove().unwrap();
    assert!(live.path().exists(), "another's file is not removed");

    std::fs::remove_dir_all(spools.path()).unwrap();
    assert!(matches!(live.check(), Err(SpoolError::Removed { .. })));
    let error = spools
        .create(producer(), 4096, SECRET, &source())
        .unwrap_err();
    assert!(matches!(error, SpoolError::Removed { .. }));
    assert!(matches!(
        spools.dead().err(),
        Some(SpoolError::Removed { .. })
    ));
}

/// What is in `directory`, a spool by its name only, is refused with the error that `is_right` knows, and stays.
fn is_refused(directory: &Path, is_right: impl Fn(&SpoolError) -> bool) {
    let before = names(directory);
    for _ in 0..2 {
        let mut all = dead(directory);
        assert_eq!(all.len(), 1);
        let error = all.pop().unwrap().unwrap_err();
        assert!(is_right(&error), "{error:?}");
        let path = directory.join(&before[0]);
        assert!(error.to_string().contains(path.to_str().unwrap()));
    }
    assert_eq!(names(directory), before);
}

#[test]
fn what_is_no_spool_is_told_and_left_alone() {
    type Right = fn(&SpoolError) -> bool;
    let not_a_spool: Right = |error| matches!(error, SpoolError::NotASpool { .. });
    let truncated: Right = |error| matches!(error, SpoolError::Truncated { .. });
    let old: Right = |error| {
        matches!(
            error,
            SpoolError::OldFormat {
                found: 7,
                known: 1,
                ..
            }
        )
    };
    let damaged: Right = |error| matches!(error, SpoolError::Damaged { .. });
    let image = Image::new(4096);
    let good = image.bytes();
    let with = |at: usize, word: u64| {
        let mut image = image.clone();
        image.set(at, word);
        image.bytes()
    };
    let another_source = {
        let mut bytes = good.clone();
        bytes[32] ^= 1;
        bytes
    };
    let files: [(Vec<u8>, Right); 11] = [
        (Vec::new(), not_a_spool),
        (b"not a spool, but notes".to_vec(), not_a_spool),
        (vec![0; 10_000], not_a_spool),
        (with(0, 0), not_a_spool),
        (with(8, 7), old),
        (with(8, 7)[..100].to_vec(), old),
        (good[..100].to_vec(), truncated),
        (good[..8191].to_vec(), truncated),
        (good[..8200].to_vec(), damaged),
        (with(24, 5), damaged),
        (another_source, damaged),
    ];
    for (bytes, is_right) in files {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name("spool")), bytes).unwrap();
        is_refused(dir.path(), is_right);
    }

    // A copy under another producer's name.
    let dir = tempfile::tempdir().unwrap();
    let other = "00000000000000000000000000000001.spool";
    std::fs::write(dir.path().join(other), &good).unwrap();
    is_refused(dir.path(), damaged);

    // A table that a sparse file feigns.
    let dir = tempfile::tempdir().unwrap();
    let path = image.leave(dir.path());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(1 << 40).unwrap();
    is_refused(dir.path(), damaged);

    let elsewhere = tempfile::tempdir().unwrap();
    let target = image.leave(elsewhere.path());
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(target, dir.path().join(name("spool"))).unwrap();
    is_refused(dir.path(), not_a_spool);

    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(name("spool"))).unwrap();
    is_refused(dir.path(), not_a_spool);
}

#[test]
fn one_bad_file_hides_no_good_one_and_other_files_are_nobodys_business() {
    let dir = tempfile::tempdir().unwrap();
    Image::new(4096).leave(dir.path());
    for first in [
        "00000000000000000000000000000001.spool",
        "notes.txt",
        "x.spool",
        "y.tmp",
    ] {
        std::fs::write(dir.path().join(first), "notes").unwrap();
    }
    let all = dead(dir.path());
    assert_eq!(all.len(), 2);
    assert!(matches!(all[0], Err(SpoolError::NotASpool { .. })));
    assert_eq!(all[1].as_ref().unwrap().producer(), producer());
    assert_eq!(names(dir.path()).len(), 5);
}

#[test]
fn what_was_never_finished_is_swept_away() {
    let dir = tempfile::tempdir().unwrap();
    for content in [&[][..], b"half"] {
        std::fs::write(dir.path().join(name("tmp")), content).unwrap();
        assert!(dead(dir.path()).is_empty());
        assert!(names(dir.path()).is_empty());
    }
}

#[test]
fn a_spool_that_somebody_replaced_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = Image::new(4096).leave(dir.path());
    let claimed = only(dir.path());
    std::fs::rename(&path, dir.path().join("aside")).unwrap();
    std::fs::write(&path, "another").unwrap();
    claimed.remove().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"another");
}

#[test]
fn a_ring_written_through_the_new_file_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let spools = SpoolDir::open(dir.path()).unwrap();
    let new = spools.create(producer(), 4096, SECRET, &source()).unwrap();
    let mut image = Image::new(4096);
    image
        .push(0, &crate::fixtures::record(0, "here"), true)
        .unwrap();
    let bytes = image.bytes();
    new.file().write_all_at(&bytes[4096..8192], 4096).unwrap();
    drop(new.publish().unwrap());
    let spool = only(dir.path());
    let batches: Vec<_> = spool.batches(0).collect();
    let read = crate::fixtures::records(&batches, 0, spool.end());
    assert_eq!(read, [(0, 0, "here".to_owned())]);
}
