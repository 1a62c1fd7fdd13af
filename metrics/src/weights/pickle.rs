//! A pickle machine that can build dictionaries of tensors and nothing else.
//!
//! Python's pickle is a program for a stack machine. This one knows the instructions that
//! `torch.save` writes for a state dictionary, and a closed list of names that such a file may
//! refer to; it calls nothing. Any other instruction or name is refused. Sources: the instruction
//! list of CPython's `pickletools`, and `torch/serialization.py` (`_legacy_save`).

use std::collections::HashMap;
use std::rc::Rc;

use thiserror::Error;

/// Enough for a hundred Inceptions; bounds time and memory on a hostile file.
const MOST_INSTRUCTIONS: usize = 2_000_000;
const LONGEST_NAME: usize = 256;
/// Axes of a tensor: those of a network have at most four. Tensors may share one tuple of sizes,
/// and each copies it.
const MOST_AXES: usize = 8;

/// Where and why a pickle was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{problem} at byte {offset}")]
pub struct PickleError {
    /// Bytes of the pickle in front of the fault.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// Why a pickle was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum Problem {
    #[error("file ends early: {wanted} bytes expected, {left} left")]
    Truncated { wanted: usize, left: usize },
    #[error("pickle instruction {0:#04x} has no place in a file of weights")]
    Instruction(u8),
    #[error(
        "pickle asks for the Python object \"{0}\", which no weights need; nothing was executed"
    )]
    Global(String),
    #[error("pickle is malformed: {0}")]
    Malformed(&'static str),
    #[error("pickle runs for more than {MOST_INSTRUCTIONS} instructions")]
    TooLong,
    #[error("tensor claims {0} axes, expected at most {MOST_AXES}")]
    Axes(usize),
    #[error("tensor reaches beyond its storage of {0} numbers")]
    BeyondStorage(usize),
    #[error("storage \"{key}\" is said to hold {declared} numbers but its data says {found}")]
    StorageSize { key: String, declared: usize, found: i64 },
    #[error("file goes on for {0} bytes after its last storage")]
    Trailing(usize),
}

/// A Python name that a state dictionary may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(Element),
}

/// The number type of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) bytes: usize,
}

pub(super) const F32: Element = Element { name: "f32", bytes: 4 };

fn global(module: &str, name: &str) -> Option<Global> {
    let element = |name, bytes| Some(Global::Storage(Element { name, bytes }));
    match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
        ("torch", "Size") => Some(Global::Size),
        ("torch", "FloatStorage") => Some(Global::Storage(F32)),
        ("torch", "DoubleStorage") => element("f64", 8),
        ("torch", "HalfStorage") => element("f16", 2),
        ("torch", "BFloat16Storage") => element("bf16", 2),
        ("torch", "LongStorage") => element("i64", 8),
        ("torch", "IntStorage") => element("i32", 4),
        ("torch", "ShortStorage") => element("i16", 2),
        ("torch", "CharStorage") => element("i8", 1),
        ("torch", "ByteStorage") => element("u8", 1),
        ("torch", "BoolStorage") => element("bool", 1),
        _ => None,
    }
}

/// A value of the machine. Containers live in [`Machine::objects`], so that copies are cheap and a
/// container fetched twice is one.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A float or a long integer: read over, never used.
    Opaque,
    Text(Rc<str>),
    Global(Global),
    Object(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Object {
    Dict(Vec<(Value, Value)>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Storage(Storage),
    Tensor(Tensor),
}

/// A storage as the pickle announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) key: Rc<str>,
    pub(super) element: Element,
    pub(super) len: usize,
}

/// A view of a storage; checked to stay inside it and not to be larger than it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Runs one pickle of `bytes` from `start`.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) objects: Vec<Object>,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8], start: usize) -> Self {
        let (objects, stack, marks) = (Vec::new(), Vec::new(), Vec::new());
        Self { bytes, at: start, objects, stack, marks, memo: HashMap::new() }
    }

    /// The value that the pickle leaves, and the offset behind it.
    pub(super) fn run(&mut self) -> Result<(Value, usize), PickleError> {
        for _ in 0..MOST_INSTRUCTIONS {
            let offset = self.at;
            match self.step() {
                Ok(None) => {}
                Ok(Some(value)) => return Ok((value, self.at)),
                Err(problem) => return Err(PickleError { offset, problem }),
            }
        }
        Err(PickleError { offset: self.at, problem: Problem::TooLong })
    }

    /// One instruction; the result once it was STOP.
    fn step(&mut self) -> Result<Option<Value>, Problem> {
        let [instruction] = self.take::<1>()?;
        match instruction {
            0x80 => {
                self.take::<1>()?; // PROTO; the instructions themselves tell what is needed
            }
            b'}' => self.new_object(Object::Dict(Vec::new())),
            b']' => self.new_object(Object::List(Vec::new())),
            b')' => self.new_object(Object::Tuple(Vec::new())),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'K' => {
                let [value] = self.take()?;
                self.stack.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'G' => {
                self.take::<8>()?;
                self.stack.push(Value::Opaque);
            }
            0x8a => self.long()?,
            b'X' | b'T' => {
                let len = u32::from_le_bytes(self.take()?);
                self.text(len as usize)?;
            }
            b'U' => {
                let [len] = self.take()?;
                self.text(len.into())?;
            }
            b'q' => {
                let [slot] = self.take()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.remember(slot)?;
            }
            b'h' => {
                let [slot] = self.take()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.recall(slot)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let known = global(module, name);
                let known = known.ok_or_else(|| Problem::Global(format!("{module}.{name}")))?;
                self.stack.push(Value::Global(known));
            }
            b't' => {
                let items = self.marked()?;
                self.new_object(Object::Tuple(items));
            }
            0x85..=0x87 => {
                let len = usize::from(instruction - 0x84);
                let first = self.depth_below(len)?;
                let items = self.stack.split_off(first);
                self.new_object(Object::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.list()?.push(item);
            }
            b'e' => {
                let items = self.marked()?;
                self.list()?.extend(items);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.dict()?.push((key, value));
            }
            b'u' => {
                let mut items = self.marked()?.into_iter();
                let dict = self.dict()?;
                while let Some(key) = items.next() {
                    let value = items.next().ok_or(Problem::Malformed("a key without a value"))?;
                    dict.push((key, value));
                }
            }
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            b'b' => {
                // The state of an OrderedDict is its `_metadata`: nothing that weights need.
                self.pop()?;
                self.dict()?;
            }
            b'.' => return self.pop().map(Some),
            other => return Err(Problem::Instruction(other)),
        }
        Ok(None)
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let left = self.bytes.len().saturating_sub(self.at);
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = rest.get(..len).ok_or(Problem::Truncated { wanted: len, left })?;
        self.at += len;
        Ok(found)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut out = [0; N];
        out.copy_from_slice(self.slice(N)?);
        Ok(out)
    }

    fn long(&mut self) -> Result<(), Problem> {
        let [len] = self.take()?;
        let bytes = self.slice(len.into())?;
        let value = if bytes.len() <= 8 {
            let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        } else {
            Value::Opaque
        };
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, len: usize) -> Result<(), Problem> {
        let text = std::str::from_utf8(self.slice(len)?)
            .map_err(|_| Problem::Malformed("a text that is not UTF-8"))?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, Problem> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let window = &rest[..rest.len().min(LONGEST_NAME)];
        let end = window.iter().position(|&b| b == b'\n');
        let end = end.ok_or(Problem::Malformed("a name without an end"))?;
        self.at += end + 1;
        std::str::from_utf8(&window[..end])
            .map_err(|_| Problem::Malformed("a name that is not UTF-8"))
    }

    fn pop(&mut self) -> Result<Value, Problem> {
        let first = self.depth_below(1)?;
        let value = self.stack.split_off(first).pop();
        value.ok_or(Problem::Malformed("the stack is empty"))
    }

    /// Stack depth under the top `len` values, none of which may lie below the last mark.
    fn depth_below(&self, len: usize) -> Result<usize, Problem> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let depth = self.stack.len().checked_sub(len).filter(|&depth| depth >= floor);
        depth.ok_or(Problem::Malformed("the stack is empty"))
    }

    fn marked(&mut self) -> Result<Vec<Value>, Problem> {
        let mark = self.marks.pop().ok_or(Problem::Malformed("a mark is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    fn new_object(&mut self, object: Object) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn remember(&mut self, slot: u32) -> Result<(), Problem> {
        let value = self.stack.last().ok_or(Problem::Malformed("nothing to remember"))?;
        self.memo.insert(slot, value.clone());
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), Problem> {
        let value = self.memo.get(&slot).ok_or(Problem::Malformed("an empty memory slot"))?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn top_object(&mut self) -> Option<&mut Object> {
        match self.stack.last() {
            Some(Value::Object(i)) => self.objects.get_mut(*i),
            _ => None,
        }
    }

    fn list(&mut self) -> Result<&mut Vec<Value>, Problem> {
        match self.top_object() {
            Some(Object::List(items)) => Ok(items),
            _ => Err(Problem::Malformed("an item for what is no list")),
        }
    }

    fn dict(&mut self) -> Result<&mut Vec<(Value, Value)>, Problem> {
        match self.top_object() {
            Some(Object::Dict(items)) => Ok(items),
            _ => Err(Problem::Malformed("an entry for what is no dictionary")),
        }
    }

    pub(super) fn object(&self, value: &Value) -> Option<&Object> {
        match value {
            Value::Object(i) => self.objects.get(*i),
            _ => None,
        }
    }

    fn tuple(&self, value: &Value) -> Option<&[Value]> {
        match self.object(value) {
            Some(Object::Tuple(items)) => Some(items),
            _ => None,
        }
    }

    /// BINPERSID: ("storage", type, key, device, length, no view).
    fn persistent(&mut self) -> Result<(), Problem> {
        let id = self.pop()?;
        let storage = match self.tuple(&id) {
            Some(
                [
                    Value::Text(kind),
                    Value::Global(Global::Storage(element)),
                    Value::Text(key),
                    _,
                    Value::Int(len),
                    rest @ ..,
                ],
            ) if &**kind == "storage" && matches!(rest, [] | [Value::None]) => {
                let len =
                    usize::try_from(*len).ok().filter(|n| n.checked_mul(element.bytes).is_some());
                let len = len.ok_or(Problem::Malformed("a storage of impossible size"))?;
                Storage { key: Rc::clone(key), element: *element, len }
            }
            _ => return Err(Problem::Malformed("a reference to what is no storage")),
        };
        self.new_object(Object::Storage(storage));
        Ok(())
    }

    /// REDUCE: a call, of which only those that build tensors and dictionaries exist.
    fn reduce(&mut self) -> Result<(), Problem> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Global(callee) = callee else {
            return Err(Problem::Malformed("a call of what is no function"));
        };
        let arguments =
            self.tuple(&arguments).ok_or(Problem::Malformed("a call without arguments"))?;
        match (callee, arguments) {
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let Some(Object::Storage(storage)) = self.object(storage) else {
                    return Err(Problem::Malformed("a tensor without a storage"));
                };
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                let offset = size(offset)?;
                let tensor = Tensor { storage: storage.clone(), offset, shape, strides };
                tensor.check()?;
                self.new_object(Object::Tensor(tensor));
            }
            (Global::RebuildParameter, [tensor, ..]) => {
                if !matches!(self.object(tensor), Some(Object::Tensor(_))) {
                    return Err(Problem::Malformed("a parameter that is no tensor"));
                }
                let tensor = tensor.clone();
                self.stack.push(tensor);
            }
            (Global::Size, [sizes]) => {
                let sizes = sizes.clone();
                self.stack.push(sizes);
            }
            (Global::OrderedDict, []) => self.new_object(Object::Dict(Vec::new())),
            _ => return Err(Problem::Malformed("a call with wrong arguments")),
        }
        Ok(())
    }

    fn sizes(&self, value: &Value) -> Result<Vec<usize>, Problem> {
        let items = self.tuple(value).ok_or(Problem::Malformed("a shape that is no tuple"))?;
        if items.len() > MOST_AXES {
            return Err(Problem::Axes(items.len()));
        }
        items.iter().map(size).collect()
    }
}

fn size(value: &Value) -> Result<usize, Problem> {
    match value {
        Value::Int(n) => usize::try_from(*n).map_err(|_| Problem::Malformed("a negative size")),
        _ => Err(Problem::Malformed("a size that is no integer")),
    }
}

impl Tensor {
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn check(&self) -> Result<(), Problem> {
        let beyond = Problem::BeyondStorage(self.storage.len);
        if self.shape.len() != self.strides.len() {
            return Err(Problem::Malformed("a shape and strides of different ranks"));
        }
        let len = self.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        let last =
            self.shape.iter().zip(&self.strides).try_fold(self.offset, |at, (&s, &stride)| {
                at.checked_add(s.saturating_sub(1).checked_mul(stride)?)
            });
        match (len, last) {
            (Some(0), _) => Ok(()),
            // A view that repeats its storage would let a small file ask for a huge tensor.
            (Some(len), Some(last)) if last < self.storage.len && len <= self.storage.len => Ok(()),
            _ => Err(beyond),
        }
    }
}
