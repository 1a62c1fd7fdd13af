//! The header of a `.npy` array: a Python dictionary with exactly three known keys.
//!
//! Parsed without recursion, since a nested literal would overflow the stack of a recursive parser,
//! and without executing anything. Source: `numpy/lib/format.py`, "Format Version 1.0" to "3.0".

use std::io::Read;

use super::NumpyError;

/// As numpy's `max_header_size`.
const LONGEST: usize = 10_000;
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// More than any array here has.
const MOST_AXES: usize = 8;

/// What the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Whether a number is an integer, a float or a truth value.
    pub kind: Kind,
    /// Of one number.
    pub bytes: usize,
    /// Whether the first byte of a number is its highest.
    pub big_endian: bool,
}

/// Kinds of numbers that are read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// numpy's `uint8` to `uint64`.
    Unsigned,
    /// numpy's `int8` to `int64`.
    Signed,
    /// numpy's `float16` to `float64`.
    Float,
    /// numpy's `bool`, one byte each.
    Bool,
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Unsigned => "uint",
            Kind::Signed => "int",
            Kind::Float => "float",
            Kind::Bool => return f.write_str("bool"),
        };
        let order = if self.big_endian { "big-endian " } else { "" };
        write!(f, "{order}{kind}{}", 8 * self.bytes)
    }
}

/// What a `.npy` array says of itself. Not checked against how many bytes follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of the numbers.
    pub element: Element,
    /// Columns first.
    pub fortran_order: bool,
    /// Empty for a scalar.
    pub shape: Vec<usize>,
    /// Of the header with everything before the first number.
    pub bytes: usize,
    /// Numbers in the array.
    pub numbers: usize,
}

impl Header {
    /// Bytes of all numbers.
    pub fn data_bytes(&self) -> usize {
        // Checked when it was made.
        self.numbers * self.element.bytes
    }

    /// Reads a header and stands at the first number. `origin` is what errors call the array.
    pub(super) fn read(origin: &str, input: &mut impl Read) -> Result<Self, NumpyError> {
        let mut start = Vec::new();
        take(origin, input, 8, &mut start)?;
        if !start.starts_with(MAGIC) || start.len() < 8 {
            start.truncate(MAGIC.len());
            return Err(NumpyError::Magic { origin: origin.into(), start });
        }
        let (major, minor) = (start[6], start[7]);
        let width = match (major, minor) {
            (1, 0) => 2,
            (2 | 3, 0) => 4,
            _ => return Err(NumpyError::Version { origin: origin.into(), major, minor }),
        };
        take(origin, input, width, &mut start)?;
        let length = start[8..].iter().rev().fold(0usize, |n, &b| n << 8 | usize::from(b));
        if start.len() < 8 + width {
            return Err(damaged(origin, start.len(), "the length of the header"));
        }
        if length > LONGEST {
            return Err(NumpyError::LongHeader { origin: origin.into(), bytes: length });
        }
        let mut text = Vec::new();
        take(origin, input, length, &mut text)?;
        let before = 8 + width;
        if text.len() < length {
            return Err(damaged(origin, before + text.len(), "the rest of the header"));
        }
        let fields = Parser { text: &text, at: 0 }
            .dictionary()
            .map_err(|(at, expected)| damaged(origin, before + at, expected))?;
        let element = element(origin, &fields.descr)?;
        let shape = fields.shape;
        let huge = || NumpyError::Huge { origin: origin.into(), shape: shape.clone() };
        let numbers =
            shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)).ok_or_else(huge)?;
        // Half of the address space, so that sums of sizes do not overflow either.
        let bytes = numbers.checked_mul(element.bytes).ok_or_else(huge)?;
        if bytes > isize::MAX as usize / 2 {
            return Err(huge());
        }
        let fortran_order = fields.fortran_order;
        Ok(Self { element, fortran_order, shape, bytes: before + length, numbers })
    }
}

/// Appends up to `count` bytes: fewer where the input ends.
fn take(
    origin: &str,
    input: &mut impl Read,
    count: usize,
    out: &mut Vec<u8>,
) -> Result<(), NumpyError> {
    let read = input.take(count as u64).read_to_end(out);
    read.map(|_| ()).map_err(|source| NumpyError::Io { origin: origin.into(), source })
}

fn damaged(origin: &str, offset: usize, expected: &'static str) -> NumpyError {
    NumpyError::Header { origin: origin.into(), offset, expected }
}

fn element(origin: &str, descr: &str) -> Result<Element, NumpyError> {
    let unknown = || NumpyError::Element { origin: origin.into(), descr: descr.into() };
    let mut chars = descr.chars();
    let order = chars.next().ok_or_else(unknown)?;
    let (kind, big_endian) = match order {
        '<' | '|' | '=' => (chars.next(), order == '=' && cfg!(target_endian = "big")),
        '>' => (chars.next(), true),
        other => (Some(other), false),
    };
    let bytes = chars.as_str();
    let kind = match kind.ok_or_else(unknown)? {
        'u' => Kind::Unsigned,
        'i' => Kind::Signed,
        'f' => Kind::Float,
        'b' => Kind::Bool,
        'O' => return Err(NumpyError::Object { origin: origin.into() }),
        _ => return Err(unknown()),
    };
    let bytes = match (bytes, kind) {
        ("1", Kind::Unsigned | Kind::Signed | Kind::Bool) => 1,
        ("2", Kind::Unsigned | Kind::Signed | Kind::Float) => 2,
        ("4", Kind::Unsigned | Kind::Signed | Kind::Float) => 4,
        ("8", Kind::Unsigned | Kind::Signed | Kind::Float) => 8,
        _ => return Err(unknown()),
    };
    Ok(Element { kind, bytes, big_endian: big_endian && bytes > 1 })
}

struct Fields {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// Where in the text, and what was expected there.
type Wrong = (usize, &'static str);

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn dictionary(mut self) -> Result<Fields, Wrong> {
        let (mut descr, mut order, mut shape) = (None, None, None);
        self.expect(b'{', "\"{\"")?;
        while !self.accept(b'}') {
            let at = self.at;
            let key = self.string("one of the keys descr, fortran_order, shape")?;
            self.expect(b':', "\":\" after a key")?;
            let again = match key.as_str() {
                "descr" => descr.replace(self.descr()?).is_some(),
                "fortran_order" => order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.tuple()?).is_some(),
                _ => true,
            };
            if again {
                return Err((at, "each of the keys descr, fortran_order, shape once"));
            }
            if !self.accept(b',') {
                self.expect(b'}', "\",\" or \"}\" after a value")?;
                break;
            }
        }
        self.space();
        if self.at != self.text.len() {
            return Err((self.at, "only spaces after \"}\""));
        }
        match (descr, order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => {
                Ok(Fields { descr, fortran_order, shape })
            }
            _ => Err((self.at, "all of the keys descr, fortran_order, shape")),
        }
    }

    /// A string, or the list of fields of a structured array, which comes out as its first
    /// characters so that the error can say what was found.
    fn descr(&mut self) -> Result<String, Wrong> {
        self.space();
        if self.text.get(self.at) != Some(&b'[') {
            return self.string("the kind of the numbers as a string");
        }
        let rest = &self.text[self.at..];
        let close = rest.iter().position(|&b| b == b']').map_or(rest.len(), |close| close + 1);
        let shown = rest[..close.min(40)].iter().filter(|b| matches!(b, b' '..=b'~'));
        let shown: String = shown.map(|&b| b as char).collect();
        // What follows does not matter: no structured array is read.
        let end = rest.iter().rposition(|&b| b == b']').map_or(rest.len(), |end| end + 1);
        self.at += end;
        Ok(shown)
    }

    fn boolean(&mut self) -> Result<bool, Wrong> {
        self.space();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err((self.at, "True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, Wrong> {
        const EXPECTED: &str = "a tuple of at most 8 whole numbers";
        self.expect(b'(', EXPECTED)?;
        let mut shape = Vec::new();
        while !self.accept(b')') {
            let start = self.at;
            let mut number = 0usize;
            while let Some(digit) = self.text.get(self.at).filter(|b| b.is_ascii_digit()) {
                number = number
                    .checked_mul(10)
                    .and_then(|n| n.checked_add(usize::from(digit - b'0')))
                    .ok_or((start, "sizes below 2 to the power of 64"))?;
                self.at += 1;
            }
            if self.at == start || shape.len() == MOST_AXES {
                return Err((start, EXPECTED));
            }
            // Python 2 wrote its long integers so.
            if self.text.get(self.at) == Some(&b'L') {
                self.at += 1;
            }
            shape.push(number);
            if !self.accept(b',') {
                self.expect(b')', EXPECTED)?;
                break;
            }
            self.space();
        }
        Ok(shape)
    }

    fn string(&mut self, expected: &'static str) -> Result<String, Wrong> {
        self.space();
        let start = self.at;
        let quote = *self.text.get(start).ok_or((start, expected))?;
        if !matches!(quote, b'\'' | b'"') {
            return Err((start, expected));
        }
        let rest = &self.text[start + 1..];
        let end = rest.iter().position(|&b| b == quote).ok_or((start, expected))?;
        self.at = start + end + 2;
        // No name or kind that is read here needs an escape or a letter beyond ASCII.
        if end > 64 || !rest[..end].iter().all(|b| b.is_ascii_graphic() && *b != b'\\') {
            return Err((start, expected));
        }
        Ok(rest[..end].iter().map(|&b| b as char).collect())
    }

    fn space(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Wrong> {
        if self.accept(byte) { Ok(()) } else { Err((self.at, expected)) }
    }
}
