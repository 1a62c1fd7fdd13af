//! Safetensors: the length of the header, and the JSON in it.

use ganbench_data::rng::Stream;
use serde_json::{Value, json};

use super::numbers::{below, change, one_of, other, resize};

const KINDS: [&str; 20] = [
    "BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "BF16", "F32", "F64",
    "F8_E4M3", "F8_E5M2", "F4", "F6_E2M3", "C64", "u8", "",
];
const NAMES: [&str; 8] = ["images", "labels", "__metadata__", "", "weight", "\u{0}", "a.b", "x"];

/// The file after one to three changes of its header and of how much follows it.
pub fn damaged(file: &[u8], stream: &mut Stream) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    let mut data = data.to_vec();
    let (mut padding, mut false_length) = (0, false);
    for _ in 0..=stream.below(3) {
        let Some(tensors) = header.as_object_mut().filter(|tensors| !tensors.is_empty()) else {
            break;
        };
        let names: Vec<String> = tensors.keys().cloned().collect();
        let name = &names[below(stream, names.len())];
        match stream.below(12) {
            0 => drop(tensors.remove(name)),
            1 => {
                let tensor = tensors[name].clone();
                tensors.insert(one_of(stream, &NAMES).into(), tensor);
            }
            2 => {
                let tensor = tensors.remove(name).unwrap();
                tensors.insert(one_of(stream, &NAMES).into(), tensor);
            }
            3 => drop(tensors.insert("__metadata__".into(), json!({ "format": "pt" }))),
            4 => resize(stream, &mut data),
            5 => padding = 1 + below(stream, 9),
            6 => false_length = true,
            7 => {
                if let Some(tensor) = tensors[name].as_object_mut() {
                    tensor.insert("dtype".into(), one_of(stream, &KINDS).into());
                }
            }
            8 => {
                let odd = [
                    Value::Null,
                    json!([]),
                    json!({}),
                    json!(-1),
                    json!(1.5),
                    json!("1"),
                    json!([[1]]),
                ];
                let odd = odd[below(stream, odd.len())].clone();
                match one_of(stream, &["", "dtype", "shape", "data_offsets", "more"]) {
                    "" => tensors[name] = odd,
                    _ if !tensors[name].is_object() => {}
                    field => tensors[name][field] = odd,
                }
            }
            kind => {
                let field = if kind == 9 { "shape" } else { "data_offsets" };
                let Some(numbers) = tensors[name].get_mut(field).and_then(Value::as_array_mut)
                else {
                    continue;
                };
                let at = below(stream, numbers.len() + 1);
                let number = numbers.get(at).and_then(Value::as_u64);
                let value = other(stream, number.unwrap_or(1));
                match numbers.get_mut(at) {
                    Some(number) => *number = value.into(),
                    None if stream.below(2) == 0 => numbers.push(value.into()),
                    None => drop(numbers.pop()),
                }
            }
        }
    }
    let header = format!("{header}{}", " ".repeat(padding));
    let length = (header.len() as u64).to_le_bytes();
    let mut out = [&length, header.as_bytes(), &data].concat();
    if false_length {
        change(stream, &mut out, 0, 8);
    }
    out
}
