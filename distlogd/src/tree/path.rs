//! Paths as people write them: a reserved number stands for all who took it, since trees hide the salt.

pub(crate) use distlog_proto::is_below;

/// Whether a path is the one that was asked for.
pub(super) fn is_named(path: &str, asked: &str) -> bool {
    is_below(path, asked) && path.split('/').count() == asked.split('/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_itself_and_its_ancestors() {
        for (path, above) in [
            ("1/3", ""),
            ("1/3", "1"),
            ("1/3", "1/3"),
            ("1/3.9f2c01ab/2", "1/3"),
            ("1/3.9f2c01ab/2", "1/3/2"),
            ("1/3.9f2c01ab", "1/3.9f2c01ab"),
            ("~00f067aa0ba902b7/5", "~00f067aa0ba902b7"),
        ] {
            assert!(is_below(path, above), "{path} {above}");
        }
        for (path, above) in [
            ("12", "1"),
            ("1", "1/3"),
            ("2/1", "1"),
            ("1/3", "1/3.9f2c01ab"),
            ("1/31/2", "1/3/2"),
        ] {
            assert!(!is_below(path, above), "{path} {above}");
        }
        assert!(is_named("1/3.9f2c01ab", "1/3") && !is_named("1/3.9f2c01ab/1", "1/3"));
    }
}
