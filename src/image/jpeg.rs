//! Whether a JPEG's data is whole. Decoders fill what is missing or broken with gray and say nothing, so the codes are
//! walked through here, without making pixels of them.
//!
//! ```text
//!   for each scan:  for each of its blocks:  codes that are none, coefficients behind the 64th ─► damaged
//!                   data ends before the last block, or goes on behind it ─────────────────────► damaged
//!                   restart markers that are missing or in another order ──────────────────────► damaged
//!   at the end:     components or bits of coefficients that no scan had ───────────────────────► damaged
//! ```
//!
//! What is not walked through is left to the decoder: arithmetic codes, lossless and hierarchical frames, files
//! without tables or with their height at the end.

mod bits;

use bits::{Bits, Codes};

/// The last coefficient of a block.
const LAST: u8 = 63;

/// More than a block's mean can be, in 8 bits.
const MEAN: i32 = 1 << 12;

/// What is wrong with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// There is less than the header says.
    Ends,
    /// And more.
    GoesOn,
    /// Bits that are no code.
    NoCode,
    /// Numbers that no picture has.
    NoPicture,
    /// A restart marker is not where it should be.
    Restart,
    /// Scans are missing.
    Scans,
}

/// Walks through a JPEG. The error is a sentence.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    let mut walk = Walk::default();
    walk.file(file).map_err(|damage| {
        let what = match damage {
            Damage::Ends => "its data ends",
            Damage::GoesOn => "its data goes on behind the last pixel: bytes before are lost or changed",
            Damage::NoCode | Damage::NoPicture => "its data is no picture any more",
            Damage::Restart => "its data is out of step",
            Damage::Scans => return "the JPEG is damaged: its last scans are missing".to_owned(),
        };
        format!("the JPEG is damaged: {what} at about row {} of {}", walk.row.min(walk.height), walk.height)
    })
}

/// What a JPEG says of its picture.
pub(super) struct Frame {
    pub(super) size: [u32; 2],
    /// 1 gray, 3 colour, 4 inks.
    pub(super) components: u8,
}

/// The first frame's header.
pub(super) fn frame(mut file: &[u8]) -> Option<Frame> {
    while let [0xff, marker, rest @ ..] = file {
        let skipped = match marker {
            0xc0..=0xc2 => {
                let &[_, _, _, a, b, c, d, components] = rest.first_chunk()?;
                let size = [u16::from_be_bytes([c, d]), u16::from_be_bytes([a, b])].map(u32::from);
                return Some(Frame { size, components });
            }
            0xd8 => 0,
            0xff => {
                file = &file[1..];
                continue;
            }
            _ => usize::from(u16::from_be_bytes(*rest.first_chunk()?)),
        };
        file = rest.get(skipped..)?;
    }
    None
}

#[derive(Default)]
struct Walk {
    width: u32,
    height: u32,
    /// Bits a sample.
    precision: u8,
    progressive: bool,
    components: Vec<Component>,
    /// Tables of direct and alternating coefficients, as the file numbers them.
    tables: [[Option<Codes>; 4]; 2],
    restart_interval: u32,
    /// The row of pixels that has been reached.
    row: u32,
}

struct Component {
    id: u8,
    /// Blocks of a minimum coded unit, across and down.
    across: u32,
    down: u32,
    /// Of each coefficient, the lowest bit that scans have given, and one more: 0 is all.
    missing: [u8; 64],
    /// Of each block, which coefficients are not zero. Those behind the end have none.
    blocks: Vec<u64>,
}

/// One component's part in a scan.
struct Part {
    component: usize,
    direct: usize,
    alternating: usize,
}

/// What a scan gives: coefficients `first ..= last`, their bits from `high` (0: from the top) down to `low`.
struct Scan {
    parts: Vec<Part>,
    first: u8,
    last: u8,
    high: u8,
    low: u8,
}

impl Walk {
    fn file(&mut self, file: &[u8]) -> Result<(), Damage> {
        let mut rest = file;
        loop {
            // Between segments there may be anything that is no marker: decoders pass over it.
            let Some(at) = rest.windows(2).position(|two| two[0] == 0xff && !matches!(two[1], 0 | 0xff))
            else {
                return self.end();
            };
            let marker = rest[at + 1];
            rest = &rest[at + 2..];
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            if marker == 0xd9 {
                return self.end();
            }
            let Some((len, _)) = rest.split_first_chunk() else { return self.end() };
            let Some((content, behind)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)).max(2))
            else {
                return self.end();
            };
            rest = behind;
            let content = &content[2..];
            match marker {
                0xc0..=0xc2 => {
                    self.frame(marker == 0xc2, content).ok_or(Damage::NoPicture)?;
                    if self.height == 0 {
                        return Ok(());
                    }
                }
                0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => return Ok(()),
                0xc4 => self.codes(content).ok_or(Damage::NoPicture)?,
                0xdd => {
                    let interval = content.first_chunk().ok_or(Damage::NoPicture)?;
                    self.restart_interval = u16::from_be_bytes(*interval).into();
                }
                0xda => {
                    let scan = self.scan(content).ok_or(Damage::NoPicture)?;
                    if !self.has_tables(&scan) {
                        return Ok(());
                    }
                    rest = self.data(&scan, rest)?;
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, progressive: bool, content: &[u8]) -> Option<()> {
        let &[precision, h0, h1, w0, w1, count, ref components @ ..] = content else { return None };
        (self.width, self.height) =
            (u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into());
        (self.precision, self.progressive) = (precision, progressive);
        let components = components.as_chunks().0.iter().take(count.into());
        let component = |&[id, sampling, _]: &[u8; 3]| {
            let (across, down) = (u32::from(sampling >> 4), u32::from(sampling & 15));
            Component { id, across, down, missing: [u8::MAX; 64], blocks: Vec::new() }
        };
        self.components = components.map(component).collect();
        let sampled =
            self.components.iter().all(|c| (1..=4).contains(&c.across) && (1..=4).contains(&c.down));
        let is_one =
            self.width > 0 && self.height > 0 && sampled && self.components.len() == usize::from(count);
        (is_one && count > 0).then_some(())
    }

    fn codes(&mut self, mut content: &[u8]) -> Option<()> {
        while let [place, rest @ ..] = content {
            let (counts, rest) = rest.split_first_chunk()?;
            let len = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(len)?;
            let table = self.tables.get_mut(usize::from(place >> 4))?.get_mut(usize::from(place & 15))?;
            *table = Some(Codes::new(counts, symbols)?);
            content = rest;
        }
        Some(())
    }

    /// The header of a scan.
    fn scan(&self, content: &[u8]) -> Option<Scan> {
        let (&count, rest) = content.split_first()?;
        let (selectors, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let &[first, last, bits, ..] = rest else { return None };
        let part = |&[id, tables]: &[u8; 2]| {
            let component = self.components.iter().position(|component| component.id == id)?;
            Some(Part { component, direct: usize::from(tables >> 4), alternating: usize::from(tables & 15) })
        };
        let parts = selectors.as_chunks().0.iter().map(part).collect::<Option<Vec<_>>>()?;
        let (first, last, high, low) =
            if self.progressive { (first, last, bits >> 4, bits & 15) } else { (0, LAST, 0, 0) };
        let is_one = first <= last && last <= LAST && low < 14 && (1..=4).contains(&parts.len());
        (is_one && (first == 0 || parts.len() == 1)).then_some(Scan { parts, first, last, high, low })
    }

    /// Whether there are the tables that the scan needs.
    fn has_tables(&self, Scan { parts, first, last, high, .. }: &Scan) -> bool {
        let has = |kind: usize, place: usize| self.tables[kind].get(place).is_some_and(Option::is_some);
        parts.iter().all(|part| {
            (*first > 0 || *high > 0 || has(0, part.direct)) && (*last == 0 || has(1, part.alternating))
        })
    }

    /// Walks through the data of a scan; what follows it.
    fn data<'a>(&mut self, scan: &Scan, data: &'a [u8]) -> Result<&'a [u8], Damage> {
        let (units_across, units_down) = self.units(scan);
        let mut state = State { bits: Bits::new(data), means: [0; 4], blank: 0 };
        let unit_rows = self.height.div_ceil(units_down);
        let (mut until_restart, mut restarts) = (self.restart_interval, 0);
        for y in 0..units_down {
            self.row = y * unit_rows;
            for x in 0..units_across {
                if self.restart_interval > 0 && until_restart == 0 {
                    let rest = state.bits.rest()?;
                    state =
                        State { bits: Bits::new(after_restart(rest, restarts)?), means: [0; 4], blank: 0 };
                    (until_restart, restarts) = (self.restart_interval, (restarts + 1) % 8);
                }
                until_restart = until_restart.wrapping_sub(1);
                self.unit(scan, &mut state, [x, y], units_across)?;
            }
        }
        self.row = self.height;
        for part in &scan.parts {
            for missing in &mut self.components[part.component].missing[scan.first.into()..=scan.last.into()]
            {
                *missing = (*missing).min(scan.low);
            }
        }
        state.bits.rest()
    }

    /// How many minimum coded units there are: of one component alone each is a block.
    fn units(&self, scan: &Scan) -> (u32, u32) {
        let across = self.components.iter().map(|component| component.across).max().unwrap_or(1);
        let down = self.components.iter().map(|component| component.down).max().unwrap_or(1);
        if let [part] = &scan.parts[..] {
            let component = &self.components[part.component];
            let blocks = |side: u32, share: u32, of: u32| (side * share).div_ceil(of).div_ceil(8);
            return (blocks(self.width, component.across, across), blocks(self.height, component.down, down));
        }
        (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down))
    }

    fn unit(
        &mut self,
        scan: &Scan,
        state: &mut State,
        [x, y]: [u32; 2],
        units_across: u32,
    ) -> Result<(), Damage> {
        let Self { components, tables, precision, progressive, .. } = self;
        for (part, mean) in scan.parts.iter().zip(0..) {
            let component = &mut components[part.component];
            let direct = tables[0].get(part.direct).and_then(Option::as_ref);
            let alternating = tables[1].get(part.alternating).and_then(Option::as_ref);
            let alone = scan.parts.len() == 1;
            let count = if alone { 1 } else { component.across * component.down };
            for _ in 0..count {
                if let (0, 0, Some(codes)) = (scan.first, scan.high, direct) {
                    state.mean(codes, mean, scan.low, *precision)?;
                } else if scan.first == 0 {
                    state.bits.take(1)?;
                }
                let Some(codes) = alternating.filter(|_| scan.last > 0) else { continue };
                if !*progressive {
                    state.coefficients(codes)?;
                    continue;
                }
                let place = (y * units_across + x) as usize;
                let mut block = component.blocks.get(place).copied().unwrap_or(0);
                if scan.high == 0 {
                    state.first(codes, scan, &mut block)
                } else {
                    state.finer(codes, scan, &mut block)
                }?;
                if block != 0 {
                    component.blocks.resize(component.blocks.len().max(place + 1), 0);
                    component.blocks[place] = block;
                }
            }
        }
        Ok(())
    }

    /// Whether every component has had all of its bits.
    fn end(&self) -> Result<(), Damage> {
        let seen =
            self.components.iter().all(|component| component.missing.iter().all(|&missing| missing == 0));
        if seen && !self.components.is_empty() { Ok(()) } else { Err(Damage::Scans) }
    }
}

/// What stands behind restart marker `number`, which the data begins with.
fn after_restart(mut data: &[u8], number: u8) -> Result<&[u8], Damage> {
    while let [0xff, 0xff, ..] = data {
        data = &data[1..];
    }
    match data {
        [] | [0xff, 0xd9, ..] => Err(Damage::Ends),
        [0xff, marker, rest @ ..] if *marker == 0xd0 + number => Ok(rest),
        _ => Err(Damage::Restart),
    }
}

struct State<'a> {
    bits: Bits<'a>,
    /// The last block's direct coefficient, of each part of the scan.
    means: [i32; 4],
    /// How many of the next blocks have nothing, or nothing new, in this scan.
    blank: u32,
}

impl State<'_> {
    fn mean(&mut self, codes: &Codes, part: usize, low: u8, precision: u8) -> Result<(), Damage> {
        let bits = u32::from(self.bits.symbol(codes)?);
        if bits > 16 {
            return Err(Damage::NoPicture);
        }
        let number = self.bits.take(bits)? as i32;
        let is_negative = bits > 0 && number < 1 << (bits - 1);
        let step = if is_negative { number - (1 << bits) + 1 } else { number };
        let mean = self.means.get_mut(part).ok_or(Damage::NoPicture)?;
        *mean = mean.saturating_add(step);
        if precision == 8 && mean.saturating_mul(1 << low).abs() > MEAN {
            Err(Damage::NoPicture)
        } else {
            Ok(())
        }
    }

    /// Those of a sequential block.
    fn coefficients(&mut self, codes: &Codes) -> Result<(), Damage> {
        let mut at = 1;
        while at <= LAST {
            let (zeros, bits) = halves(self.bits.symbol(codes)?);
            if bits == 0 && zeros < 15 {
                return Ok(());
            }
            self.bits.take(bits)?;
            at += zeros + 1;
        }
        if at > LAST + 1 { Err(Damage::NoPicture) } else { Ok(()) }
    }

    /// The upper bits of some coefficients.
    fn first(&mut self, codes: &Codes, scan: &Scan, block: &mut u64) -> Result<(), Damage> {
        if self.blank > 0 {
            self.blank -= 1;
            return Ok(());
        }
        let mut at = scan.first;
        while at <= scan.last {
            let (zeros, bits) = halves(self.bits.symbol(codes)?);
            if bits == 0 && zeros < 15 {
                self.blank = (1 << zeros) - 1 + self.bits.take(zeros.into())?;
                return Ok(());
            }
            at += zeros;
            if bits > 0 && at <= scan.last {
                *block |= 1 << at;
            }
            self.bits.take(bits)?;
            at += 1;
        }
        if at > scan.last + 1 { Err(Damage::NoPicture) } else { Ok(()) }
    }

    /// One more bit of some coefficients: of those that are not zero, and of those that become it, a sign.
    fn finer(&mut self, codes: &Codes, scan: &Scan, block: &mut u64) -> Result<(), Damage> {
        let mut at = scan.first;
        while self.blank == 0 && at <= scan.last {
            let (mut zeros, bits) = halves(self.bits.symbol(codes)?);
            match bits {
                0 if zeros < 15 => {
                    self.blank = (1 << zeros) + self.bits.take(zeros.into())?;
                    break;
                }
                0 | 1 => self.bits.take(bits)?,
                _ => return Err(Damage::NoPicture),
            };
            while at <= scan.last {
                if *block & 1 << at != 0 {
                    self.bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                at += 1;
            }
            if bits > 0 {
                if at > scan.last {
                    return Err(Damage::NoPicture);
                }
                *block |= 1 << at;
            }
            at += 1;
        }
        if self.blank > 0 {
            for at in at..=scan.last {
                self.bits.take((*block >> at & 1) as u32)?;
            }
            self.blank -= 1;
        }
        Ok(())
    }
}

/// A run of zeros, and the bits of the coefficient behind it.
fn halves(symbol: u8) -> (u8, u32) {
    (symbol >> 4, u32::from(symbol & 15))
}
