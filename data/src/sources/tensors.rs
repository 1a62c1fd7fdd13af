//! `.safetensors` with a u8 tensor of images. Only the header and the images asked for are read.

use std::io::{Read, Seek as _, SeekFrom};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::array::{Images, Pixels, Source, Stored, image_shape};
use super::bytes::{ArrayFormat, Backing};
use super::{SourceError, SourceRequest};
use crate::datasets::labels::Labels;
use crate::numpy::{Element, Input, Kind};

/// A handful of tensors needs less than 1 kB.
const LONGEST_HEADER: u64 = 1 << 20;

/// The file behind its header.
struct File {
    origin: String,
    input: Box<dyn Input>,
    metadata: Metadata,
    /// Where the tensors begin.
    start: u64,
}

pub(super) fn open(backing: Backing, request: &SourceRequest) -> Result<Source, SourceError> {
    let mut file = File::read(&backing)?;
    let images = file.images_name()?;
    let origin = format!("{} tensor {images}", file.origin);
    let info = file.info(&images)?.clone();
    let is_integer = |element: &Element| matches!(element.kind, Kind::Unsigned | Kind::Signed);
    let Some(element) = number(info.dtype).filter(is_integer) else {
        return Err(SourceError::NotBytes { origin, found: kind(info.dtype) });
    };
    let (found, size) = image_shape(&origin, &info.shape)?;
    let labels = match file.metadata.info("labels").cloned() {
        None => Labels::default(),
        Some(info) => {
            let origin = format!("{} tensor labels", file.origin);
            match number(info.dtype) {
                None => {
                    let found = kind(info.dtype);
                    Labels::faulty(SourceError::LabelKind { origin, found }.to_string())
                }
                Some(element) => {
                    let stored = Stored { origin: origin.clone(), element, shape: &info.shape };
                    let mut bytes = file.range(&origin, &info)?.into_iter();
                    stored.labels(found, &mut |n| Ok(bytes.by_ref().take(n).collect()))?
                }
            }
        }
    };
    let start = file.start + info.data_offsets.0 as u64;
    let mut input = file.input;
    let failed = |source| SourceError::Data { origin: origin.clone(), offset: 0, source };
    input.seek(SeekFrom::Start(start)).map_err(failed)?;
    let pixels = Box::new(Tensor { origin, input: std::io::BufReader::new(input), offset: 0 });
    let images = Images { format: ArrayFormat::SafeTensors, element, size, found, labels, pixels };
    Ok(Source::new(images, backing, request))
}

struct Tensor {
    origin: String,
    input: std::io::BufReader<Box<dyn Input>>,
    offset: u64,
}

impl Pixels for Tensor {
    fn read(&mut self, bytes: usize) -> Result<Vec<u8>, SourceError> {
        // The range lies within the file, which the header was checked against.
        let mut out = vec![0; bytes];
        self.input.read_exact(&mut out).map_err(|source| SourceError::Data {
            origin: self.origin.clone(),
            offset: self.offset,
            source,
        })?;
        self.offset += bytes as u64;
        Ok(out)
    }
}

impl File {
    fn read(backing: &Backing) -> Result<Self, SourceError> {
        let origin = backing.origin();
        let damaged = |reason: String| SourceError::SafeTensors { origin: origin.clone(), reason };
        let mut input = backing.input()?;
        let file_bytes = input.seek(SeekFrom::End(0)).map_err(|e| damaged(e.to_string()))?;
        input.seek(SeekFrom::Start(0)).map_err(|e| damaged(e.to_string()))?;
        let mut length = [0; 8];
        input.read_exact(&mut length).map_err(|e| damaged(e.to_string()))?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER || length > file_bytes - 8 {
            let reason = format!(
                "it claims a header of {length} bytes, expected at most {}",
                LONGEST_HEADER.min(file_bytes - 8)
            );
            return Err(damaged(reason));
        }
        let mut text = vec![0; length as usize];
        input.read_exact(&mut text).map_err(|e| damaged(e.to_string()))?;
        let metadata: Metadata =
            serde_json::from_slice(&text).map_err(|e| damaged(format!("its header: {e}")))?;
        let start = 8 + length;
        // Shapes, types and ranges were checked against one another when it was made.
        let data = metadata.data_len();
        if start.checked_add(data as u64) != Some(file_bytes) {
            let held = file_bytes - start;
            let reason = format!("its tensors take {data} bytes but it holds {held}");
            return Err(damaged(reason));
        }
        Ok(Self { origin, input, metadata, start })
    }

    fn images_name(&self) -> Result<String, SourceError> {
        let tensors = self.metadata.tensors();
        if tensors.contains_key("images") {
            return Ok("images".into());
        }
        let is_images = |info: &TensorInfo| info.dtype == Dtype::U8 && info.shape.len() == 4;
        let mut names: Vec<_> =
            tensors.iter().filter(|(_, info)| is_images(info)).map(|(name, _)| name).collect();
        if let (Some(name), true) = (names.pop(), names.is_empty()) {
            return Ok(name.clone());
        }
        let mut found: Vec<_> = tensors
            .iter()
            .map(|(name, info)| format!("{name} {} {:?}", kind(info.dtype), info.shape))
            .collect();
        found.sort_unstable();
        found.truncate(8);
        Err(SourceError::NoArray {
            origin: self.origin.clone(),
            expected: "tensor images, nor a single uint8 tensor of 4 axes",
            found: found.join(", "),
        })
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, SourceError> {
        self.metadata.info(name).ok_or_else(|| SourceError::SafeTensors {
            origin: self.origin.clone(),
            reason: format!("its header does not describe {name}"),
        })
    }

    /// The bytes of a tensor, which lie within the file.
    fn range(&mut self, origin: &str, info: &TensorInfo) -> Result<Vec<u8>, SourceError> {
        let (start, end) = info.data_offsets;
        let failed = |source| SourceError::Data { origin: origin.into(), offset: 0, source };
        self.input.seek(SeekFrom::Start(self.start + start as u64)).map_err(failed)?;
        let mut out = vec![0; end.saturating_sub(start)];
        self.input.read_exact(&mut out).map_err(failed)?;
        Ok(out)
    }
}

fn number(dtype: Dtype) -> Option<Element> {
    let (kind, bytes) = match dtype {
        Dtype::U8 => (Kind::Unsigned, 1),
        Dtype::U16 => (Kind::Unsigned, 2),
        Dtype::U32 => (Kind::Unsigned, 4),
        Dtype::U64 => (Kind::Unsigned, 8),
        Dtype::I8 => (Kind::Signed, 1),
        Dtype::I16 => (Kind::Signed, 2),
        Dtype::I32 => (Kind::Signed, 4),
        Dtype::I64 => (Kind::Signed, 8),
        Dtype::F16 => (Kind::Float, 2),
        Dtype::F32 => (Kind::Float, 4),
        Dtype::F64 => (Kind::Float, 8),
        Dtype::BOOL => (Kind::Bool, 1),
        _ => return None,
    };
    Some(Element { kind, bytes, big_endian: false })
}

/// As numpy calls it, where it has a name.
fn kind(dtype: Dtype) -> String {
    number(dtype).map_or_else(|| format!("{dtype:?}"), |element| element.to_string())
}
