//! Documents written by a small pickler and read back: the same data, whatever the protocol and
//! however the containers were filled.

use proptest::prelude::*;

use super::{opcode as op, read};
use crate::document::{Document, Value, View};

/// Plain data, owned.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Plain>),
    Tuple(Vec<Plain>),
    Dict(Vec<(String, Plain)>),
}

fn plain() -> impl Strategy<Value = Plain> {
    let edges = vec![0, 255, 256, 65535, 65536, i128::from(u64::MAX), i128::MIN, i128::MAX, -1];
    let scalar = prop_oneof![
        Just(Plain::None),
        any::<bool>().prop_map(Plain::Bool),
        any::<i64>().prop_map(|number| Plain::Int(i128::from(number))),
        prop::sample::select(edges).prop_map(Plain::Int),
        (-1e300..1e300).prop_map(Plain::Float),
        ".{0,8}".prop_map(Plain::Text),
        "a{250,270}".prop_map(Plain::Text),
    ];
    scalar.prop_recursive(4, 60, 6, |inner| {
        let keyed = prop::collection::btree_map("[a-d]{1,2}", inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Plain::List),
            prop::collection::vec(inner, 0..5).prop_map(Plain::Tuple),
            keyed.prop_map(|entries| Plain::Dict(entries.into_iter().collect())),
        ]
    })
}

/// Writes pickles as Python does, but fills containers `batch` items at a time.
struct Pickler {
    protocol: u8,
    batch: usize,
    bytes: Vec<u8>,
    kept: u32,
}

impl Pickler {
    fn pickle(plain: &Plain, protocol: u8, batch: usize) -> Vec<u8> {
        let mut pickler = Self { protocol, batch, bytes: vec![op::PROTO, protocol], kept: 0 };
        if protocol == 4 {
            // Frames are skipped: their size may be anything.
            pickler.bytes.extend([op::FRAME, 1, 2, 3, 4, 5, 6, 7, 8]);
        }
        pickler.write(plain);
        pickler.bytes.push(op::STOP);
        pickler.bytes
    }

    fn write(&mut self, plain: &Plain) {
        match plain {
            Plain::None => self.bytes.push(op::NONE),
            Plain::Bool(flag) => self.bytes.push(if *flag { op::NEWTRUE } else { op::NEWFALSE }),
            Plain::Int(number) => self.int(*number),
            Plain::Float(number) => {
                self.bytes.push(op::BINFLOAT);
                self.bytes.extend(number.to_be_bytes());
            }
            Plain::Text(text) => self.text(text),
            Plain::List(items) => {
                self.bytes.push(op::EMPTY_LIST);
                self.keep();
                for batch in items.chunks(self.batch) {
                    self.fill(op::APPEND, op::APPENDS, batch.len() == 1, |pickler| {
                        for item in batch {
                            pickler.write(item);
                        }
                    });
                }
            }
            Plain::Tuple(items) => self.tuple(items),
            Plain::Dict(entries) => {
                self.bytes.push(op::EMPTY_DICT);
                self.keep();
                for batch in entries.chunks(self.batch) {
                    self.fill(op::SETITEM, op::SETITEMS, batch.len() == 1, |pickler| {
                        for (key, value) in batch {
                            pickler.text(key);
                            pickler.write(value);
                        }
                    });
                }
            }
        }
    }

    fn fill(&mut self, one: u8, many: u8, is_one: bool, write: impl FnOnce(&mut Self)) {
        if !is_one {
            self.bytes.push(op::MARK);
        }
        write(self);
        self.bytes.push(if is_one { one } else { many });
    }

    fn tuple(&mut self, items: &[Plain]) {
        let opcode = match items.len() {
            0 => op::EMPTY_TUPLE,
            1 => op::TUPLE1,
            2 => op::TUPLE2,
            3 => op::TUPLE3,
            _ => op::TUPLE,
        };
        if opcode == op::TUPLE {
            self.bytes.push(op::MARK);
        }
        for item in items {
            self.write(item);
        }
        self.bytes.push(opcode);
        if !items.is_empty() {
            self.keep();
        }
    }

    fn int(&mut self, number: i128) {
        if let Ok(number) = u8::try_from(number) {
            self.bytes.extend([op::BININT1, number]);
        } else if let Ok(number) = u16::try_from(number) {
            self.bytes.push(op::BININT2);
            self.bytes.extend(number.to_le_bytes());
        } else if let Ok(number) = i32::try_from(number) {
            self.bytes.push(op::BININT);
            self.bytes.extend(number.to_le_bytes());
        } else {
            self.bytes.extend([op::LONG1, 16]);
            self.bytes.extend(number.to_le_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        let size = u32::try_from(text.len()).unwrap();
        match u8::try_from(size) {
            Ok(size) if 4 <= self.protocol => self.bytes.extend([op::SHORT_BINUNICODE, size]),
            _ => {
                self.bytes.push(op::BINUNICODE);
                self.bytes.extend(size.to_le_bytes());
            }
        }
        self.bytes.extend(text.as_bytes());
        self.keep();
    }

    fn keep(&mut self) {
        match u8::try_from(self.kept) {
            _ if 4 <= self.protocol => self.bytes.push(op::MEMOIZE),
            Ok(index) => self.bytes.extend([op::BINPUT, index]),
            Err(_) => {
                self.bytes.push(op::LONG_BINPUT);
                self.bytes.extend(self.kept.to_le_bytes());
            }
        }
        self.kept += 1;
    }
}

/// The data of a document that holds nothing twice.
fn copied(document: &Document, value: Value) -> Plain {
    let items = || document.items(value).map(|item| copied(document, item)).collect();
    match document.view(value) {
        View::None => Plain::None,
        View::Bool(flag) => Plain::Bool(flag),
        View::Int(number) => Plain::Int(number),
        View::Float(number) => Plain::Float(number),
        View::Text(text) => Plain::Text(text.to_owned()),
        View::List => Plain::List(items()),
        View::Tuple => Plain::Tuple(items()),
        View::Dict => {
            let entries = document.entries(value);
            Plain::Dict(entries.map(|(k, v)| (k.to_owned(), copied(document, v))).collect())
        }
        View::Opaque => panic!("the pickler writes no bytes"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(plain in plain(), protocol in 2..=5_u8, batch in 1..4_usize) {
        let document = read(&Pickler::pickle(&plain, protocol, batch)).unwrap();
        prop_assert_eq!(copied(&document, document.root()), plain);
    }

    #[test]
    fn no_beginning_is_a_pickle(plain in plain(), protocol in 2..=5_u8) {
        let pickle = Pickler::pickle(&plain, protocol, 1000);
        for end in 0..pickle.len() {
            prop_assert!(read(&pickle[..end]).is_err(), "{}", end);
        }
    }
}
