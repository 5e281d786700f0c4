//! What somebody else put into a directory is not taken.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use distlog_spool::{SpoolDir, SpoolError};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::fixtures::{Image, dead, name, only};

/// A user that no process of these tests is.
const STRANGER: u32 = 54_321;

/// Why the only file of a directory is not taken. It stays.
fn refused(directory: &Path) -> SpoolError {
    let mut all = dead(directory);
    assert_eq!(all.len(), 1);
    let error = all.pop().unwrap().unwrap_err();
    let left = fs::read_dir(directory).unwrap().flatten();
    assert!(
        left.into_iter()
            .any(|entry| entry.file_name().to_str().unwrap().starts_with("0130"))
    );
    error
}

#[test]
fn a_file_of_another_user_is_taken_only_if_that_user_is_named() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can give a file to another user");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = Image::new(4096).leave(dir.path());
    chown(&path, Some(STRANGER), None).unwrap();
    let error = refused(dir.path());
    assert!(matches!(
        error,
        SpoolError::ForeignOwner {
            owner: STRANGER,
            ..
        }
    ));
    assert!(error.to_string().contains("owners: [54321]"), "{error}");
    // One in the making is not removed either.
    let temporary = dir.path().join(name("tmp"));
    fs::rename(&path, &temporary).unwrap();
    assert!(matches!(
        refused(dir.path()),
        SpoolError::ForeignOwner { .. }
    ));
    fs::rename(&temporary, &path).unwrap();

    let open = || SpoolDir::open(dir.path()).unwrap();
    let taken = |spools: SpoolDir| spools.dead().unwrap().filter(Result::is_ok).count();
    assert_eq!(taken(open().with_owners([STRANGER + 1])), 0);
    assert_eq!(taken(open().with_owners([STRANGER])), 1);
    assert_eq!(taken(open()), 0, "each directory has owners of its own");
}

#[test]
fn a_file_with_a_second_name_is_not_taken() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = Image::new(4096).leave(elsewhere.path());
    let here = dir.path().join(name("spool"));
    fs::hard_link(&path, &here).unwrap();
    assert!(matches!(refused(dir.path()), SpoolError::HardLink { path } if path == here));
    fs::remove_file(&path).unwrap();
    drop(only(dir.path()));
}

#[test]
fn a_file_that_a_group_or_everybody_can_write_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = Image::new(4096).leave(dir.path());
    for mode in [0o602, 0o620, 0o660, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = refused(dir.path());
        assert!(matches!(error, SpoolError::WritableByOthers { .. }));
        let (said, bits) = (error.to_string(), format!("mode {mode:04o}"));
        assert!(
            said.contains(&bits) && said.contains("chmod go-w"),
            "{said}"
        );
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    drop(only(dir.path()));
}

#[test]
fn links_and_pipes_are_not_opened() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = Image::new(4096).leave(elsewhere.path());
    let here = dir.path().join(name("spool"));
    symlink(&target, &here).unwrap();
    assert!(matches!(refused(dir.path()), SpoolError::NotASpool { .. }));
    fs::remove_file(&here).unwrap();
    // Opening it would wait for who writes into it.
    mknodat(CWD, &here, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert!(matches!(refused(dir.path()), SpoolError::NotASpool { .. }));
    assert!(target.exists());
}
