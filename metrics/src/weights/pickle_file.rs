//! The file format of `torch.save` before PyTorch 1.6 (and since, with
//! `_use_new_zipfile_serialization=False`): a magic number, a version, facts on the writing
//! machine, the state dictionary and the list of storage keys, each a pickle, and then for each key
//! an 8-byte count and the raw little-endian numbers. Source: `torch/serialization.py`,
//! `_legacy_save`.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Range;

use super::pickle::{F32, Machine, Object, PickleError, Problem, Tensor, Value};

/// The pickle of the magic number 0x1950a86a20f9469cfc6c.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// The pickle of protocol version 1001.
const VERSION: &[u8] = b"\x80\x02M\xe9\x03.";

/// Whether the bytes begin as such a file does.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The tensors of a state dictionary and the bytes that hold their numbers.
pub(super) struct PickleFile<'a> {
    bytes: &'a [u8],
    pub(super) tensors: BTreeMap<String, Tensor>,
    storages: HashMap<String, Range<usize>>,
}

impl<'a> PickleFile<'a> {
    /// Reads the structure and checks that every storage lies in the file; decodes no numbers yet.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, PickleError> {
        let fail = |offset, problem| PickleError { offset, problem };
        let body = MAGIC.len() + VERSION.len();
        if !bytes.get(MAGIC.len()..).is_some_and(|rest| rest.starts_with(VERSION)) {
            return Err(fail(
                MAGIC.len(),
                Problem::Malformed("another protocol version than 1001"),
            ));
        }

        let mut machine = Machine::new(bytes, body);
        let (facts, at) = machine.run()?;
        let little = match machine.object(&facts) {
            Some(Object::Dict(facts)) => facts.iter().any(|(key, value)| {
                matches!((key, value), (Value::Text(key), Value::Bool(true)) if &**key == "little_endian")
            }),
            _ => false,
        };
        if !little {
            return Err(fail(body, Problem::Malformed("not written on a little-endian machine")));
        }

        let state_at = at;
        let mut machine = Machine::new(bytes, state_at);
        let (state, at) = machine.run()?;
        let Some(Object::Dict(entries)) = machine.object(&state) else {
            return Err(fail(state_at, Problem::Malformed("no dictionary of tensors")));
        };
        let mut tensors = BTreeMap::new();
        for (key, value) in entries {
            let (Value::Text(name), Some(Object::Tensor(tensor))) = (key, machine.object(value))
            else {
                return Err(fail(state_at, Problem::Malformed("an entry that is no named tensor")));
            };
            if tensors.insert(name.to_string(), tensor.clone()).is_some() {
                return Err(fail(state_at, Problem::Malformed("two tensors of one name")));
            }
        }

        let declared = declared(&machine.objects).map_err(|problem| fail(state_at, problem))?;
        let keys_at = at;
        let mut machine = Machine::new(bytes, keys_at);
        let (keys, mut at) = machine.run()?;
        let Some(Object::List(keys)) = machine.object(&keys) else {
            return Err(fail(keys_at, Problem::Malformed("no list of storages")));
        };
        let mut storages = HashMap::new();
        for key in keys {
            let storage = match key {
                Value::Text(key) => declared.get(&**key).map(|&storage| (key.to_string(), storage)),
                _ => None,
            };
            let Some((key, (len, size))) = storage else {
                return Err(fail(keys_at, Problem::Malformed("a storage that no tensor uses")));
            };
            let data = storage_data(bytes, at, &key, len, size)?;
            at = data.end;
            storages.insert(key, data);
        }
        if let Some(absent) = declared.keys().find(|key| !storages.contains_key(**key)) {
            let key = (*absent).to_owned();
            let declared = declared[absent].0;
            return Err(fail(at, Problem::StorageSize { key, declared, found: 0 }));
        }
        if at != bytes.len() {
            return Err(fail(at, Problem::Trailing(bytes.len() - at)));
        }
        Ok(Self { bytes, tensors, storages })
    }

    /// The numbers of one of [`Self::tensors`], row-major; the name of their type where it is not
    /// f32.
    pub(super) fn values(&self, tensor: &Tensor) -> Result<Vec<f32>, &'static str> {
        if tensor.storage.element != F32 {
            return Err(tensor.storage.element.name);
        }
        let data = self.storages.get(&*tensor.storage.key).cloned().unwrap_or(0..0);
        let data = self.bytes.get(data).unwrap_or_default();
        let (numbers, _) = data.as_chunks::<4>();
        let number = |at: usize| numbers.get(at).map_or(f32::NAN, |&b| f32::from_le_bytes(b));
        // Row-major walk with an odometer; `parse` and `Tensor::check` hold every position inside.
        let mut values = Vec::with_capacity(tensor.len());
        let mut index = vec![0usize; tensor.shape.len()];
        let mut at = tensor.offset;
        for _ in 0..tensor.len() {
            values.push(number(at));
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += tensor.strides[axis];
                if index[axis] < tensor.shape[axis] {
                    break;
                }
                at -= index[axis] * tensor.strides[axis];
                index[axis] = 0;
            }
        }
        Ok(values)
    }
}

/// Length and bytes per number of every storage the pickle speaks of.
fn declared(objects: &[Object]) -> Result<HashMap<&str, (usize, usize)>, Problem> {
    let mut found = HashMap::new();
    for object in objects {
        if let Object::Storage(storage) = object {
            let size = (storage.len, storage.element.bytes);
            if found.insert(&*storage.key, size).is_some_and(|before| before != size) {
                return Err(Problem::Malformed("two storages of one key"));
            }
        }
    }
    Ok(found)
}

/// Where the numbers of the storage whose count stands at `at` lie.
fn storage_data(
    bytes: &[u8],
    at: usize,
    key: &str,
    len: usize,
    size: usize,
) -> Result<Range<usize>, PickleError> {
    let fail = |offset, problem| PickleError { offset, problem };
    let left = bytes.len().saturating_sub(at);
    let Some((count, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<8>()) else {
        return Err(fail(at, Problem::Truncated { wanted: 8, left }));
    };
    let found = i64::from_le_bytes(*count);
    if usize::try_from(found) != Ok(len) {
        let key = key.to_owned();
        return Err(fail(at, Problem::StorageSize { key, declared: len, found }));
    }
    // No overflow: the machine has checked the product.
    let wanted = len * size;
    if rest.len() < wanted {
        return Err(fail(at + 8, Problem::Truncated { wanted, left: rest.len() }));
    }
    Ok(at + 8..at + 8 + wanted)
}
