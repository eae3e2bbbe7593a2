//! IPTC as it travels in JPEG and PNG: one of Photoshop's resources.
//!
//! ```text
//!   8BIM, id, name (its length first), length, bytes: name and bytes are filled up to an even length
//! ```

const SIGNATURE: &[u8] = b"8BIM";
const IPTC: [u8; 2] = [0x04, 0x04];

/// The IPTC records among Photoshop's resources.
pub(super) fn iptc(mut resources: &[u8]) -> Option<Vec<u8>> {
    while let Some(rest) = resources.strip_prefix(SIGNATURE) {
        let (id, rest) = rest.split_first_chunk::<2>()?;
        let name = 1 + usize::from(*rest.first()?);
        let (len, rest) = rest.get(name.next_multiple_of(2)..)?.split_first_chunk()?;
        let len = u32::from_be_bytes(*len) as usize;
        let bytes = rest.get(..len)?;
        if *id == IPTC {
            return Some(bytes.to_vec());
        }
        resources = rest.get(len.next_multiple_of(2)..)?;
    }
    None
}

/// The records as a resource.
pub(in crate::image) fn resource(iptc: &[u8]) -> Vec<u8> {
    let mut resource = [SIGNATURE, &IPTC, &[0, 0], &(iptc.len() as u32).to_be_bytes(), iptc].concat();
    resource.resize(resource.len().next_multiple_of(2), 0);
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_behind_other_resources() {
        let other = [SIGNATURE, &[4, 5], b"\x03abc", &[0, 0, 0, 3], b"xyz\0"].concat();
        for records in [b"\x1c\x02\x19\0\x01k".as_slice(), b"odd"] {
            let resources = [&other[..], &resource(records)].concat();
            assert_eq!(iptc(&resources).unwrap(), records);
            for kept in 0..resources.len() - 1 {
                assert_eq!(iptc(&resources[..kept]), None);
            }
        }
        assert_eq!(iptc(&other), None);
    }
}
