//! The pickle machine: a stack, a memo, and a closed list of opcodes.
//!
//! A pickle is a program that builds a value. Python's own machine may call anything that the program
//! names; this one knows a few names (see [`global`](super::global)) and calls nothing. It guarantees that
//!
//! - an opcode takes time and memory in proportion to the bytes and values it is given, whatever it claims,
//!   and their number is limited;
//! - nothing recurses;
//! - an error names the byte at which it happened.

use std::collections::HashMap;

use super::{
    super::Reading,
    global::{self, Global},
    opcode::{self as op},
    value::{Heap, Value},
};

/// More than 30 000 tensors need. Bounds the memory of a hostile pickle to some hundred megabytes.
const MAX_OPCODES: usize = 2 << 20;

/// What a pickle builds.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    pub(super) root: Value<'a>,
    pub(super) heap: Heap<'a>,
    /// Where the next pickle, or what else there is, begins.
    pub(super) end: usize,
    /// Module and name of the first class that is not of a state_dict.
    pub(super) class: Option<[&'a str; 2]>,
}

impl<'a> Pickle<'a> {
    /// Runs the pickle that begins at byte `start` of `bytes`.
    ///
    /// # Errors
    /// The byte, what was expected there and what was found.
    pub(super) fn read(bytes: &'a [u8], start: usize) -> Reading<Self> {
        let mut machine = Machine {
            bytes,
            at: start,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            heap: Heap::default(),
            class: None,
        };
        for _ in 0..MAX_OPCODES {
            let at = machine.at;
            let stopped = machine.step().map_err(|reason| format!("byte {at}: {reason}"))?;
            if let Some(root) = stopped {
                return Ok(Self { root, heap: machine.heap, end: machine.at, class: machine.class });
            }
        }
        Err(format!("byte {}: the pickle has more than {MAX_OPCODES} opcodes", machine.at))
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at each MARK.
    marks: Vec<usize>,
    memo: HashMap<usize, Value<'a>>,
    heap: Heap<'a>,
    class: Option<[&'a str; 2]>,
}

impl<'a> Machine<'a> {
    /// One opcode. `Some` is the result, after STOP.
    fn step(&mut self) -> Reading<Option<Value<'a>>> {
        let opcode = self.byte()?;
        match opcode {
            op::STOP => return self.pop().map(Some),

            op::PROTO => drop(self.take(1)?),
            op::FRAME => drop(self.take(8)?),

            op::NONE => self.stack.push(Value::None),
            op::NEWTRUE => self.stack.push(Value::Bool(true)),
            op::NEWFALSE => self.stack.push(Value::Bool(false)),
            op::BININT => self.integer(4)?,
            op::BININT1 => self.unsigned(1)?,
            op::BININT2 => self.unsigned(2)?,
            op::LONG1 => {
                let length = self.length(1)?;
                self.integer(length)?;
            }
            op::LONG4 => {
                let length = self.length(4)?;
                self.integer(length)?;
            }
            op::BINFLOAT => self.opaque(8)?,
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING => self.text(1)?,
            op::BINUNICODE | op::BINSTRING => self.text(4)?,
            op::SHORT_BINBYTES => self.sized(1).map(|_| self.stack.push(Value::Opaque))?,
            op::BINBYTES => self.sized(4).map(|_| self.stack.push(Value::Opaque))?,

            op::MARK => self.marks.push(self.stack.len()),
            op::POP => drop(self.pop()?),
            op::POP_MARK => drop(self.pop_to_mark()?),
            op::DUP => self.stack.push(self.top()?),
            op::EMPTY_TUPLE => self.tuple(0)?,
            op::TUPLE1 => self.tuple(1)?,
            op::TUPLE2 => self.tuple(2)?,
            op::TUPLE3 => self.tuple(3)?,
            op::TUPLE => {
                let items = self.pop_to_mark()?;
                self.sequence(items);
            }
            op::EMPTY_LIST => self.sequence(Vec::new()),
            op::EMPTY_DICT => {
                let items = self.heap.add(Vec::new());
                self.stack.push(Value::Dict(items));
            }
            op::EMPTY_SET => self.stack.push(Value::Opaque),
            op::FROZENSET => {
                self.pop_to_mark()?;
                self.stack.push(Value::Opaque);
            }
            op::APPEND => self.pop_many(1).and_then(|items| self.extend(items))?,
            op::SETITEM => self.pop_many(2).and_then(|items| self.extend(items))?,
            op::APPENDS | op::SETITEMS | op::ADDITEMS => {
                let items = self.pop_to_mark()?;
                self.extend(items)?;
            }

            op::BINPUT => self.length(1).and_then(|index| self.put(index))?,
            op::LONG_BINPUT => self.length(4).and_then(|index| self.put(index))?,
            op::MEMOIZE => self.put(self.memo.len())?,
            op::BINGET => self.length(1).and_then(|index| self.get(index))?,
            op::LONG_BINGET => self.length(4).and_then(|index| self.get(index))?,

            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            op::STACK_GLOBAL => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.global(module, name)?,
                (name, module) => return Err(format!("a global is named by {module} and {name}")),
            },
            op::REDUCE | op::NEWOBJ => self.call()?,
            op::NEWOBJ_EX => {
                self.pop()?; // keyword arguments
                self.call()?;
            }
            // The state of an ordered dictionary, or of a value that nothing is made of.
            op::BUILD => drop(self.pop()?),
            op::BINPERSID => {
                let identity = self.pop()?;
                let storage = global::persistent(&mut self.heap, identity)?;
                self.stack.push(storage);
            }

            foreign => return Err(op::foreign(foreign)),
        }
        Ok(None)
    }

    // Bytes in.

    fn take(&mut self, count: usize) -> Reading<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or_else(|| {
            format!(
                "the pickle needs {count} more bytes, found {}; the file is cut short or damaged",
                rest.len()
            )
        })?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Reading<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// A length or an index of one, two or four bytes.
    fn length(&mut self, bytes: usize) -> Reading<usize> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte)))
    }

    /// Bytes that follow their own length.
    fn sized(&mut self, length_bytes: usize) -> Reading<&'a [u8]> {
        let length = self.length(length_bytes)?;
        self.take(length)
    }

    /// A text up to the end of the line.
    fn line(&mut self) -> Reading<&'a str> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("a name without an end")?;
        let line = self.take(length)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| "a name that is not UTF-8".to_owned())
    }

    // Values onto the stack.

    fn text(&mut self, length_bytes: usize) -> Reading<()> {
        let text = std::str::from_utf8(self.sized(length_bytes)?);
        self.stack.push(text.map_or(Value::Opaque, Value::Text));
        Ok(())
    }

    fn unsigned(&mut self, bytes: usize) -> Reading<()> {
        let value = self.length(bytes)?;
        self.stack.push(Value::Int(value as i128));
        Ok(())
    }

    /// Two's complement, little-endian. Nothing here is made of integers above 128 bits.
    fn integer(&mut self, length: usize) -> Reading<()> {
        let bytes = self.take(length)?;
        let sign = if bytes.last().is_some_and(|&top| top >= 0x80) { -1 } else { 0 };
        let value = bytes.iter().rev().fold(sign, |value: i128, &byte| value << 8 | i128::from(byte));
        self.stack.push(if length <= 16 { Value::Int(value) } else { Value::Opaque });
        Ok(())
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Reading<()> {
        let global = Global::find(module, name)?;
        if global == Global::Class {
            self.class.get_or_insert([module, name]);
        }
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn opaque(&mut self, bytes: usize) -> Reading<()> {
        self.take(bytes)?;
        self.stack.push(Value::Opaque);
        Ok(())
    }

    fn sequence(&mut self, items: Vec<Value<'a>>) {
        let items = self.heap.add(items);
        self.stack.push(Value::Sequence(items));
    }

    fn tuple(&mut self, length: usize) -> Reading<()> {
        let items = self.pop_many(length)?;
        self.sequence(items);
        Ok(())
    }

    // Values off the stack.

    /// The height below which the stack belongs to what came before the last MARK.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Reading<Value<'a>> {
        self.stack[self.floor()..].last().copied().ok_or_else(|| "the pickle's stack is empty".to_owned())
    }

    fn pop(&mut self) -> Reading<Value<'a>> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Reading<Vec<Value<'a>>> {
        let held = self.stack.len() - self.floor();
        if held < count {
            return Err(format!("the pickle's stack holds {held} values where {count} are needed"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_to_mark(&mut self) -> Reading<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or("the pickle's stack has no mark")?;
        Ok(self.stack.split_off(mark))
    }

    // Values changed and made.

    /// Adds to the list or dictionary on top of the stack. What an opaque value is given is lost with it.
    fn extend(&mut self, more: Vec<Value<'a>>) -> Reading<()> {
        match self.top()? {
            Value::Sequence(items) => self.heap.extend(items, more),
            Value::Dict(items) if more.len().is_multiple_of(2) => self.heap.extend(items, more),
            Value::Opaque => {}
            other => return Err(format!("{} items are added to {other}", more.len())),
        }
        Ok(())
    }

    fn put(&mut self, index: usize) -> Reading<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, index: usize) -> Reading<()> {
        let value = self.memo.get(&index).ok_or_else(|| format!("the pickle's memo has no {index}"))?;
        self.stack.push(*value);
        Ok(())
    }

    fn call(&mut self) -> Reading<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let made = match (callee, arguments) {
            (Value::Global(global), Value::Sequence(arguments)) => global.call(&mut self.heap, arguments)?,
            (Value::Opaque, _) => Value::Opaque,
            (callee, arguments) => return Err(format!("{callee} is called with {arguments}")),
        };
        self.stack.push(made);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
