//! Why a pickle could not be read.

use crate::document::BuildError;

/// Why a pickle could not be read, with the byte at which it showed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The file ends inside of the pickle.
    #[error("it ends at byte {at}, inside of the pickle")]
    Truncated {
        /// How long the file is.
        at: usize,
    },
    /// A length that the rest of the file cannot hold.
    #[error("the text at byte {at} claims {claimed} bytes, and {left} are left")]
    ClaimsTooMuch {
        /// The opcode's place.
        at: usize,
        /// The length it claims.
        claimed: u64,
        /// What is left of the file.
        left: usize,
    },
    /// An opcode that names a class or a function.
    #[error(
        "opcode {opcode:#04x} ({name}) at byte {at} names `{global}`; a snapshot holds plain data only"
    )]
    NamesCode {
        /// Its place.
        at: usize,
        /// The opcode.
        opcode: u8,
        /// Its name.
        name: &'static str,
        /// The class or function.
        global: String,
    },
    /// An opcode that would call code or make what snapshots never hold.
    #[error("opcode {opcode:#04x} ({name}) at byte {at} is not allowed in a snapshot")]
    Refused {
        /// Its place.
        at: usize,
        /// The opcode.
        opcode: u8,
        /// Its name.
        name: &'static str,
    },
    /// A byte that is no opcode.
    #[error("byte {at} is {opcode:#04x}, which is no opcode")]
    NoOpcode {
        /// Its place.
        at: usize,
        /// The byte.
        opcode: u8,
    },
    /// An opcode that needs values which are not there.
    #[error("the opcode at byte {at} needs values that the pickle has not made")]
    Underflow {
        /// Its place.
        at: usize,
    },
    /// A reference to an object that was not kept.
    #[error("the opcode at byte {at} refers to object {index}, which the pickle has not kept")]
    NoSuchObject {
        /// Its place.
        at: usize,
        /// The object's number.
        index: u64,
    },
    /// A dict with a key and no value.
    #[error("the dict at byte {at} has a key without a value")]
    OddPairs {
        /// Its place.
        at: usize,
    },
    /// A number of more than 16 bytes, or one that is none.
    #[error("the number at byte {at} is not one of at most 16 bytes")]
    BadNumber {
        /// Its place.
        at: usize,
    },
    /// Data that no document can hold.
    #[error("at byte {at} {source}")]
    Unbuildable {
        /// The opcode's place.
        at: usize,
        /// Why.
        #[source]
        source: BuildError,
    },
}
