//! What stands with the cursor of a processor that waits for trees: its log of decisions, how far it has delivered, and
//! the processor's own token.

use super::frame::Bytes;

const MAGIC: [u8; 8] = *b"DLTREES\x01";

/// Where a processor that waits for trees stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreesToken<'a> {
    /// Id of its log of decisions.
    pub log: u64,
    /// Everything before this place of the log is delivered.
    pub delivered: u64,
    /// The processor's own.
    pub token: &'a [u8],
}

impl TreesToken<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.log.to_le_bytes());
        out.extend_from_slice(&self.delivered.to_le_bytes());
        out.extend_from_slice(self.token);
        out
    }

    pub(super) fn decode(token: &[u8]) -> Option<TreesToken<'_>> {
        let mut rest = Bytes(token.strip_prefix(&MAGIC)?);
        let (log, delivered) = (rest.u64()?, rest.u64()?);
        Some(TreesToken {
            log,
            delivered,
            token: rest.0,
        })
    }
}

/// The processor's own token, if it waited for trees before and does no more.
pub fn own_token(token: &[u8]) -> &[u8] {
    TreesToken::decode(token).map_or(token, |trees| trees.token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_s_own_token_comes_back_whatever_it_is() {
        for token in [&b""[..], b"token", b"DLTREES\x01"] {
            let trees = TreesToken {
                log: 7,
                delivered: u64::MAX,
                token,
            };
            let bytes = trees.encode();
            assert_eq!(TreesToken::decode(&bytes), Some(trees));
            assert_eq!(own_token(&bytes), token);
        }
        assert_eq!(own_token(b"a file of 12 bytes"), b"a file of 12 bytes");
    }
}
