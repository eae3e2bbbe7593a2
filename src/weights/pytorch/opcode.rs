//! The pickle opcodes that are accepted: those of Python's pickle protocols 2 to 5 that a checkpoint uses.

/// Declares each opcode as a constant, and all of them as a table.
macro_rules! opcodes {
    ($($name:ident = $byte:literal,)*) => {
        $(pub(super) const $name: u8 = $byte;)*

        /// Every accepted opcode and its name.
        pub(super) const ACCEPTED: &[(u8, &str)] = &[$(($byte, stringify!($name)),)*];
    };
}

opcodes! {
    PROTO = 0x80,
    FRAME = 0x95,
    STOP = b'.',

    NONE = b'N',
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    BININT = b'J',
    BININT1 = b'K',
    BININT2 = b'M',
    LONG1 = 0x8a,
    LONG4 = 0x8b,
    BINFLOAT = b'G',
    BINUNICODE = b'X',
    SHORT_BINUNICODE = 0x8c,
    BINSTRING = b'T',
    SHORT_BINSTRING = b'U',
    BINBYTES = b'B',
    SHORT_BINBYTES = b'C',

    MARK = b'(',
    POP = b'0',
    POP_MARK = b'1',
    DUP = b'2',
    EMPTY_TUPLE = b')',
    TUPLE = b't',
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    EMPTY_LIST = b']',
    APPEND = b'a',
    APPENDS = b'e',
    EMPTY_DICT = b'}',
    SETITEM = b's',
    SETITEMS = b'u',
    EMPTY_SET = 0x8f,
    ADDITEMS = 0x90,
    FROZENSET = 0x91,

    BINPUT = b'q',
    LONG_BINPUT = b'r',
    MEMOIZE = 0x94,
    BINGET = b'h',
    LONG_BINGET = b'j',

    GLOBAL = b'c',
    STACK_GLOBAL = 0x93,
    REDUCE = b'R',
    NEWOBJ = 0x81,
    NEWOBJ_EX = 0x92,
    BUILD = b'b',
    BINPERSID = b'Q',
}

/// Says that `opcode` is foreign, and which are not.
pub(super) fn foreign(opcode: u8) -> String {
    let accepted: Vec<_> = ACCEPTED.iter().map(|(_, name)| *name).collect();
    format!("the pickle opcode {opcode:#04x} is not accepted; accepted are {}", accepted.join(", "))
}
