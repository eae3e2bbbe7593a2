//! Protocol buffers, as far as ONNX needs them: the fields of a message, borrowed from the file.
//!
//! A message is a run of fields, each a number and data; data that are a message again are bytes until somebody asks for
//! their fields. So nothing is allocated here and nothing recurs, whatever a file nests.

pub(super) use crate::import::Reading;

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Data<'a> {
    /// A number of variable length.
    Number(u64),
    /// Four bytes.
    Four([u8; 4]),
    /// Eight bytes.
    Eight([u8; 8]),
    /// Text, a message, or numbers one after the other.
    Bytes(&'a [u8]),
}

/// A message's bytes. Fields that are asked for behind damage are not there: ask [`Message::is_sound`] first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a>(pub(super) &'a [u8]);

impl<'a> Message<'a> {
    /// Its fields, up to the first that is damaged.
    pub(super) fn fields(self) -> Fields<'a> {
        Fields { rest: self.0 }
    }

    /// Whether it is made of fields to its last byte.
    pub(super) fn is_sound(self) -> bool {
        let mut fields = self.fields();
        fields.by_ref().for_each(drop);
        fields.rest.is_empty()
    }

    /// The data of all fields of this number.
    pub(super) fn all(self, field: u64) -> impl Iterator<Item = Data<'a>> {
        self.fields().filter(move |(number, _)| *number == field).map(|(_, data)| data)
    }

    /// All messages under a field.
    pub(super) fn messages(self, field: u64) -> impl Iterator<Item = Message<'a>> {
        self.all(field).filter_map(|data| match data {
            Data::Bytes(bytes) => Some(Message(bytes)),
            _ => None,
        })
    }

    /// The last message under a field.
    pub(super) fn message(self, field: u64) -> Option<Message<'a>> {
        self.messages(field).last()
    }

    /// All texts under a field; what is no UTF-8 is empty.
    pub(super) fn texts(self, field: u64) -> impl Iterator<Item = &'a str> {
        self.messages(field).map(|text| std::str::from_utf8(text.0).unwrap_or_default())
    }

    /// The text under a field; empty where there is none.
    pub(super) fn text(self, field: u64) -> &'a str {
        self.texts(field).last().unwrap_or_default()
    }

    /// The number under a field.
    pub(super) fn number(self, field: u64) -> Option<i64> {
        self.numbers(field).last()
    }

    /// All whole numbers under a field, one a field or many in one.
    pub(super) fn numbers(self, field: u64) -> impl Iterator<Item = i64> {
        self.all(field).flat_map(|data| {
            let (one, mut many) = match data {
                Data::Number(number) => (Some(number), &[][..]),
                Data::Bytes(bytes) => (None, bytes),
                _ => (None, &[][..]),
            };
            let many = std::iter::from_fn(move || varint(&mut many));
            one.into_iter().chain(many).map(u64::cast_signed)
        })
    }

    /// All real numbers under a field, one a field or many in one.
    pub(super) fn floats(self, field: u64) -> impl Iterator<Item = f32> {
        self.all(field).flat_map(|data| {
            let (one, many) = match data {
                Data::Four(bytes) => (Some(bytes), &[][..]),
                Data::Bytes(bytes) => (None, bytes),
                _ => (None, &[][..]),
            };
            one.into_iter().chain(many.as_chunks::<4>().0.iter().copied()).map(f32::from_le_bytes)
        })
    }

    /// The same of eight bytes each.
    pub(super) fn doubles(self, field: u64) -> impl Iterator<Item = f64> {
        self.all(field).flat_map(|data| {
            let (one, many) = match data {
                Data::Eight(bytes) => (Some(bytes), &[][..]),
                Data::Bytes(bytes) => (None, bytes),
                _ => (None, &[][..]),
            };
            one.into_iter().chain(many.as_chunks::<8>().0.iter().copied()).map(f64::from_le_bytes)
        })
    }
}

/// Goes through a message. It ends at the end or before the first field that is damaged.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Data<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest;
        let key = varint(&mut rest)?;
        let data = match key & 7 {
            0 => Data::Number(varint(&mut rest)?),
            1 => Data::Eight(taken(&mut rest, 8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                Data::Bytes(taken(&mut rest, length)?)
            }
            5 => Data::Four(taken(&mut rest, 4)?.try_into().ok()?),
            _ => return None,
        };
        let field = key >> 3;
        if field == 0 {
            return None;
        }
        self.rest = rest;
        Some((field, data))
    }
}

/// So many bytes off the front, if there are as many.
fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

/// A number in sevens of bits, the lowest first.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, byte) in rest.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *rest = &rest[at + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_every_form() {
        // 1: 300; 2: "ab"; 3: 1.0 as four bytes; 4: packed 1, 2, 300; 4: 5.
        let bytes = b"\x08\xac\x02\x12\x02ab\x1d\x00\x00\x80\x3f\x22\x04\x01\x02\xac\x02\x20\x05";
        let message = Message(bytes);
        assert!(message.is_sound());
        assert_eq!(message.number(1), Some(300));
        assert_eq!(message.text(2), "ab");
        assert_eq!(message.floats(3).collect::<Vec<_>>(), [1.0]);
        assert_eq!(message.numbers(4).collect::<Vec<_>>(), [1, 2, 300, 5]);
        assert_eq!((message.number(9), message.text(9)), (None, ""));
    }

    #[test]
    fn damage_ends_a_message() {
        for bytes in [
            &b"\x08"[..],
            b"\x12\x05ab",
            b"\x00\x01",
            b"\x0b",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert!(!Message(bytes).is_sound(), "{bytes:?}");
            assert_eq!(Message(bytes).fields().count(), 0);
        }
        assert!(!Message(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").is_sound(), "a length of 2^64 - 1");
    }
}
