//! The stack machine that carries out a pickle's opcodes for plain data.

use gapless_trace::Note;

use super::cursor::Cursor;
use super::error::PickleError;
use super::{lines, opcode as op};
use crate::document::{BuildError, Builder, Document, Value};

/// The machine: what is on its stack, where the marks are, what it was told to keep.
pub(super) struct Machine<'a> {
    cursor: Cursor<'a>,
    builder: Builder,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            builder: Builder::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
        }
    }

    /// Carries out the whole pickle.
    pub(super) fn run(mut self) -> Result<Document, PickleError> {
        loop {
            let opcode = self.cursor.opcode()?;
            if opcode == op::STOP {
                break;
            }
            self.carry_out(opcode)?;
        }
        let root = self.pop()?;
        if 0 < self.cursor.left() {
            let text = format!(
                "{} bytes behind the end of the pickle at byte {} were not read",
                self.cursor.left(),
                self.cursor.taken()
            );
            self.builder.note(Note::missing("trailing-bytes", text));
        }
        Ok(self.builder.finish(root))
    }

    fn carry_out(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            op::BINGET => self.get(|cursor| cursor.byte().map(u64::from)),
            op::LONG_BINGET => self.get(|cursor| cursor.u32().map(u64::from)),
            op::MEMOIZE => self.put(self.memo.len() as u64),
            op::BINPUT => {
                let index = self.cursor.byte()?;
                self.put(u64::from(index))
            }
            op::LONG_BINPUT => {
                let index = self.cursor.u32()?;
                self.put(u64::from(index))
            }
            op::GET | op::PUT => self.carry_out_line_reference(opcode),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP | op::POP_MARK | op::DUP => self.rearrange(opcode),
            op::PROTO => self.cursor.byte().map(|_| ()),
            op::FRAME => self.cursor.u64().map(|_| ()),
            op::EMPTY_DICT
            | op::EMPTY_LIST
            | op::EMPTY_TUPLE
            | op::TUPLE1
            | op::TUPLE2
            | op::TUPLE3
            | op::TUPLE
            | op::LIST
            | op::DICT => self.make(opcode),
            op::APPEND | op::APPENDS | op::SETITEM | op::SETITEMS => self.fill(opcode),
            _ => self.push_scalar(opcode),
        }
    }

    /// Numbers, texts, and all that is refused.
    fn push_scalar(&mut self, opcode: u8) -> Result<(), PickleError> {
        let value = match opcode {
            op::NONE => Value::NONE,
            op::NEWTRUE => Value::bool(true),
            op::NEWFALSE => Value::bool(false),
            op::BININT1 => self.cursor.byte().map(i128::from).and_then(|n| self.int(n))?,
            op::BININT2 => {
                let number = u16::from_le_bytes(self.cursor.array()?);
                self.int(i128::from(number))?
            }
            op::BININT => {
                let number = i32::from_le_bytes(self.cursor.array()?);
                self.int(i128::from(number))?
            }
            op::LONG1 => {
                let size = self.cursor.byte()?;
                self.long(u64::from(size))?
            }
            op::LONG4 => {
                let size = self.cursor.u32()?;
                self.long(u64::from(size))?
            }
            op::BINFLOAT => {
                let number = f64::from_be_bytes(self.cursor.array()?);
                let float = self.builder.float(number);
                self.built(float)?
            }
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING => {
                let size = self.cursor.byte()?;
                self.text(u64::from(size))?
            }
            op::BINUNICODE | op::BINSTRING => {
                let size = self.cursor.u32()?;
                self.text(u64::from(size))?
            }
            op::BINUNICODE8 => {
                let size = self.cursor.u64()?;
                self.text(size)?
            }
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => {
                self.bytes(opcode)?
            }
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE => self.line(opcode)?,
            _ => return Err(self.refuse(opcode)),
        };
        self.stack.push(value);
        Ok(())
    }

    fn make(&mut self, opcode: u8) -> Result<(), PickleError> {
        let from = match opcode {
            op::TUPLE1 => self.stack.len().checked_sub(1),
            op::TUPLE2 => self.stack.len().checked_sub(2),
            op::TUPLE3 => self.stack.len().checked_sub(3),
            op::TUPLE | op::LIST | op::DICT => Some(self.mark()?),
            _ => Some(self.stack.len()),
        };
        let from = from.filter(|&from| self.floor() <= from).ok_or_else(|| self.underflow())?;
        let items = &self.stack[from..];
        let made = match opcode {
            op::EMPTY_DICT | op::DICT if !items.len().is_multiple_of(2) => {
                return Err(PickleError::OddPairs { at: self.cursor.opcode_at() });
            }
            op::EMPTY_DICT | op::DICT => self.builder.dict(items),
            op::EMPTY_LIST | op::LIST => self.builder.list(items),
            _ => self.builder.tuple(items),
        };
        let made = self.built(made)?;
        self.stack.truncate(from);
        self.stack.push(made);
        Ok(())
    }

    /// Adds what is on the stack to the container below it.
    fn fill(&mut self, opcode: u8) -> Result<(), PickleError> {
        let from = match opcode {
            op::APPEND => self.stack.len().checked_sub(1),
            op::SETITEM => self.stack.len().checked_sub(2),
            _ => Some(self.mark()?),
        };
        let container = from.and_then(|from| from.checked_sub(1));
        let container = container.filter(|&below| self.floor() <= below);
        let (Some(from), Some(below)) = (from, container) else { return Err(self.underflow()) };
        let items = &self.stack[from..];
        let filled = if matches!(opcode, op::APPEND | op::APPENDS) {
            self.builder.append(self.stack[below], items)
        } else if items.len().is_multiple_of(2) {
            self.builder.set_items(self.stack[below], items)
        } else {
            return Err(PickleError::OddPairs { at: self.cursor.opcode_at() });
        };
        self.built(filled)?;
        self.stack.truncate(from);
        Ok(())
    }

    fn rearrange(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            op::POP_MARK => {
                let mark = self.mark()?;
                self.stack.truncate(mark);
            }
            op::DUP => {
                let top = *self.stack.last().ok_or_else(|| self.underflow())?;
                self.stack.push(top);
            }
            _ if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
            }
            _ => {
                self.pop()?;
            }
        }
        Ok(())
    }

    fn get(
        &mut self,
        index: impl FnOnce(&mut Cursor<'a>) -> Result<u64, PickleError>,
    ) -> Result<(), PickleError> {
        let index = index(&mut self.cursor)?;
        let kept = usize::try_from(index).ok().and_then(|index| self.memo.get(index));
        let at = self.cursor.opcode_at();
        let value = kept.copied().flatten().ok_or(PickleError::NoSuchObject { at, index })?;
        self.stack.push(value);
        Ok(())
    }

    /// Keeps the top of the stack under a number. Writers number what they keep one by one, so no
    /// number exceeds the bytes read so far.
    fn put(&mut self, index: u64) -> Result<(), PickleError> {
        let top = *self.stack.last().ok_or_else(|| self.underflow())?;
        let at = self.cursor.opcode_at();
        let place = usize::try_from(index).ok().filter(|&index| index <= self.cursor.taken());
        let place = place.ok_or(PickleError::NoSuchObject { at, index })?;
        if self.memo.len() <= place {
            self.memo.resize(place + 1, None);
        }
        self.memo[place] = Some(top);
        Ok(())
    }

    /// The references of protocol 0: a decimal number on a line.
    fn carry_out_line_reference(&mut self, opcode: u8) -> Result<(), PickleError> {
        let at = self.cursor.opcode_at();
        let index = lines::integer(self.cursor.line()?).and_then(|index| u64::try_from(index).ok());
        let index = index.ok_or(PickleError::BadNumber { at })?;
        if opcode == op::GET { self.get(|_| Ok(index)) } else { self.put(index) }
    }

    fn int(&mut self, number: i128) -> Result<Value, PickleError> {
        let value = self.builder.int(number);
        self.built(value)
    }

    /// A little-endian number in two's complement.
    fn long(&mut self, size: u64) -> Result<Value, PickleError> {
        let bytes = self.cursor.bytes(size)?;
        let negative = bytes.last().is_some_and(|&last| 0x80 <= last);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        let at = self.cursor.opcode_at();
        wide.get_mut(..bytes.len()).ok_or(PickleError::BadNumber { at })?.copy_from_slice(bytes);
        self.int(i128::from_le_bytes(wide))
    }

    fn text(&mut self, size: u64) -> Result<Value, PickleError> {
        let bytes = self.cursor.bytes(size)?;
        let text = self.builder.text(bytes);
        self.built(text)
    }

    fn bytes(&mut self, opcode: u8) -> Result<Value, PickleError> {
        let size = match opcode {
            op::SHORT_BINBYTES => self.cursor.byte().map(u64::from),
            op::BINBYTES => self.cursor.u32().map(u64::from),
            _ => self.cursor.u64(),
        }?;
        self.cursor.bytes(size)?;
        Ok(Builder::opaque())
    }

    fn line(&mut self, opcode: u8) -> Result<Value, PickleError> {
        let line = self.cursor.line()?;
        let bad = PickleError::BadNumber { at: self.cursor.opcode_at() };
        let value = match opcode {
            op::INT if line == b"00" => Ok(Value::bool(false)),
            op::INT if line == b"01" => Ok(Value::bool(true)),
            op::INT | op::LONG => self.builder.int(lines::integer(line).ok_or(bad)?),
            op::FLOAT => self.builder.float(lines::float(line).ok_or(bad)?),
            op::UNICODE => self.builder.text(lines::unicode(line).as_bytes()),
            _ => self.builder.text(&lines::quoted(line)),
        };
        self.built(value)
    }

    fn pop(&mut self) -> Result<Value, PickleError> {
        self.stack.pop().ok_or_else(|| self.underflow())
    }

    /// Takes the last mark off; what is above it belongs to the current opcode.
    fn mark(&mut self) -> Result<usize, PickleError> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        mark.ok_or_else(|| self.underflow())
    }

    /// The lowest place on the stack that may be touched: right above the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn built<T>(&self, built: Result<T, BuildError>) -> Result<T, PickleError> {
        let at = self.cursor.opcode_at();
        built.map_err(|source| PickleError::Unbuildable { at, source })
    }

    fn underflow(&self) -> PickleError {
        PickleError::Underflow { at: self.cursor.opcode_at() }
    }

    /// Says what an opcode that is not carried out would have done.
    fn refuse(&mut self, opcode: u8) -> PickleError {
        let at = self.cursor.opcode_at();
        let Some(name) = op::refused_name(opcode) else {
            return PickleError::NoOpcode { at, opcode };
        };
        let global = match opcode {
            op::GLOBAL | op::INST => self.named_on_lines(),
            op::STACK_GLOBAL => self.named_on_stack(),
            _ => None,
        };
        match global {
            Some(global) => PickleError::NamesCode { at, opcode, name, global },
            None => PickleError::Refused { at, opcode, name },
        }
    }

    fn named_on_lines(&mut self) -> Option<String> {
        let module = String::from_utf8_lossy(self.cursor.line().ok()?).into_owned();
        let name = String::from_utf8_lossy(self.cursor.line().ok()?).into_owned();
        Some(shortened(&format!("{module}.{name}")))
    }

    fn named_on_stack(&mut self) -> Option<String> {
        let (name, module) = (self.stack.pop()?, self.stack.pop()?);
        let document = std::mem::replace(&mut self.builder, Builder::new()).finish(Value::NONE);
        let (module, name) = (document.as_text(module)?, document.as_text(name)?);
        Some(shortened(&format!("{module}.{name}")))
    }
}

/// The beginning of a name that may be as long as its file.
fn shortened(name: &str) -> String {
    name.chars().take(120).collect()
}
