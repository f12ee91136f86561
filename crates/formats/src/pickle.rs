//! Pickles of plain data, read without executing anything.
//!
//! A pickle is a program for a stack machine. Only the opcodes that make numbers, texts, lists,
//! tuples and dicts are carried out (protocols 0 to 5); an opcode that could name or call code
//! ends the reading with an error that says where.
//!
//! Every opcode adds at most a few machine words per byte of the file, and lengths are checked
//! against what is left of it before anything is kept. So a file cannot claim more than it holds,
//! and nesting costs no stack.

mod error;
mod opcode;
#[cfg(test)]
mod round_trip;

mod cursor;
mod lines;

mod machine;

use crate::document::Document;

pub use error::PickleError;

/// Reads a pickle.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, PickleError> {
    machine::Machine::new(bytes).run()
}

/// Whether bytes begin like a pickle: a protocol of 2 to 5, or an opcode that starts a container
/// in the older ones.
pub(crate) fn is_pickle(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [opcode::PROTO, 0..=5, ..]
            | [opcode::MARK, opcode::LIST | opcode::DICT, ..]
            | [opcode::EMPTY_LIST | opcode::EMPTY_DICT, opcode::BINPUT | opcode::MARK, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::View;

    fn ints(document: &Document) -> Vec<i128> {
        let items = document.items(document.root()).map(|item| document.view(item));
        items
            .filter_map(|view| if let View::Int(number) = view { Some(number) } else { None })
            .collect()
    }

    #[test]
    fn every_protocol_reads_the_same_list() {
        // pickle.dumps([1, 256, -1, 2**40], protocol=N)
        let pickles: [&[u8]; 4] = [
            b"(lp0\nI1\naI256\naI-1\naL1099511627776L\na.",
            b"]q\x00(K\x01M\x00\x01J\xff\xff\xff\xffL1099511627776L\ne.",
            b"\x80\x02]q\x00(K\x01M\x00\x01J\xff\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01e.",
            b"\x80\x04\x95\x15\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01M\x00\x01J\xff\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01e.",
        ];
        for pickle in pickles {
            assert_eq!(ints(&read(pickle).unwrap()), [1, 256, -1, 1 << 40]);
        }
    }

    #[test]
    fn a_shared_list_is_one_object() {
        // shared = [7]; pickle.dumps([shared, shared], 4)
        let document = read(b"\x80\x04]\x94(]\x94K\x07ah\x01e.").unwrap();
        let items: Vec<_> = document.items(document.root()).collect();
        assert_eq!(items[0], items[1]);
    }

    #[test]
    fn a_class_is_refused_by_name_and_place() {
        let error = read(b"\x80\x02cos\nsystem\n(S'true'\ntR.").unwrap_err();
        assert_eq!(
            error.to_string(),
            "opcode 0x63 (GLOBAL) at byte 2 names `os.system`; a snapshot holds plain data only"
        );
        let error = read(b"\x80\x04\x8c\x02os\x8c\x06system\x93.").unwrap_err();
        assert_eq!(
            error.to_string(),
            "opcode 0x93 (STACK_GLOBAL) at byte 14 names `os.system`; a snapshot holds plain data only"
        );
    }

    #[test]
    fn truncation_is_found_at_every_byte() {
        let pickle = b"\x80\x04\x95\x15\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01M\x00\x01J\xff\xff\xff\xff\x8c\x02hi\x94e.";
        for end in 0..pickle.len() {
            assert!(read(&pickle[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        let error = read(b"\x80\x04\x8d\x00\x00\x00\x80\x02\x00\x00\x00abc").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the text at byte 2 claims 10737418240 bytes, and 3 are left"
        );
    }

    #[test]
    fn a_memo_index_past_the_file_takes_no_memory() {
        assert!(read(b"\x80\x02]r\xff\xff\xff\xff.").is_err());
        assert!(read(b"\x80\x02j\x07\x00\x00\x00.").is_err());
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let mut pickle = b"\x80\x02".to_vec();
        pickle.extend(std::iter::repeat_n(b']', 1_000_000));
        pickle.extend(std::iter::repeat_n(b'a', 999_999));
        pickle.push(b'.');
        assert_eq!(read(&pickle).map(|document| document.len(document.root())).ok(), Some(1));
    }
}
