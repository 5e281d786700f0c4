//! Room on the disk, taken before it is needed: a map of a sparse file would fail when it is written to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

/// Zeros are written in pieces of this many bytes.
const PIECE: usize = 64 * 1024;

/// Makes a new file `length` bytes of zeros long, all of them on the disk, with `spare` more behind its end if the
/// file system can keep some there.
pub(crate) fn allocate(file: &File, length: u64, spare: u64) -> io::Result<()> {
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, length)) {
        Ok(()) => {}
        // The file system, or the device, cannot.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV) => return write_zeros(file, length),
        Err(error) => return Err(error.into()),
    }
    let _ = fallocate(file, FallocateFlags::KEEP_SIZE, length, spare);
    Ok(())
}

fn write_zeros(file: &File, length: u64) -> io::Result<()> {
    let zeros = [0; PIECE];
    let mut at = 0;
    while at < length {
        let piece = (length - at).min(PIECE as u64);
        file.write_all_at(zeros.get(..piece as usize).unwrap_or(&zeros), at)?;
        at += piece;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_allocated_and_not_sparse() {
        for allocate in [
            |file: &File| allocate(file, 200_000, 100),
            |file: &File| write_zeros(file, 200_000),
        ] {
            let file = tempfile::tempfile().unwrap();
            allocate(&file).unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!(metadata.len(), 200_000);
            assert!(metadata.blocks() * 512 >= 200_000);
        }
    }

    /// `/dev/full` can allocate nothing and has no room.
    #[test]
    fn where_nothing_can_be_allocated_it_is_written_and_a_full_disk_shows() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = allocate(&full, 4096, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
