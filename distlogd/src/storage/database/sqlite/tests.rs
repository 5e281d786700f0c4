//! Files that the processor writes, read meanwhile.
