//! WebP: chunks of RIFF, and the headers of pictures in them.

use ganbench_data::rng::Stream;

use super::numbers::{any_byte, below, change, one_of, resize};

/// Name, and what is in it.
type Chunk = ([u8; 4], Vec<u8>);

const NAMES: [&[u8; 4]; 9] =
    [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "];

/// The chunks of a whole file.
pub fn chunks(file: &[u8]) -> Vec<Chunk> {
    let mut rest = &file[12..];
    let mut chunks = Vec::new();
    while let Some((name, behind)) = rest.split_first_chunk::<4>() {
        let (length, behind) = behind.split_first_chunk::<4>().unwrap();
        let length = u32::from_le_bytes(*length) as usize;
        chunks.push((*name, behind[..length].to_vec()));
        rest = &behind[length + length % 2..];
    }
    chunks
}

fn bytes_of((name, body): &Chunk) -> Vec<u8> {
    let mut out = [name.as_slice(), &(body.len() as u32).to_le_bytes(), body].concat();
    out.resize(out.len() + body.len() % 2, 0);
    out
}

fn file_of(chunks: &[Chunk]) -> Vec<u8> {
    let body: Vec<u8> = chunks.iter().flat_map(bytes_of).collect();
    [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
}

/// The same picture of `width` times `height` pixels in the extended form: as it is, below a plane
/// of opacities that are not packed, and as the only frame of an animation.
pub fn extended(file: &[u8], width: u32, height: u32) -> [Vec<u8>; 3] {
    let size = [width - 1, height - 1].map(|side| side.to_le_bytes());
    let size = [&size[0][..3], &size[1][..3]].concat();
    let head = |flags: u8| (*b"VP8X", [&[flags, 0, 0, 0], size.as_slice()].concat());
    let picture = chunks(file);
    let plain = [vec![head(0)], picture.clone()].concat();
    let opacities = vec![200; 1 + (width * height) as usize];
    let opacities = (*b"ALPH", [&[0], &opacities[1..]].concat());
    let alpha = [vec![head(0x10), opacities], picture.clone()].concat();
    let frame: Vec<u8> = picture.iter().flat_map(bytes_of).collect();
    // At the left upper corner, for 100 ms.
    let frame = [[0; 6].as_slice(), &size, &[100, 0, 0, 0], &frame].concat();
    let animation = vec![head(2), (*b"ANIM", vec![0; 6]), (*b"ANMF", frame)];
    [plain, alpha, animation].map(|chunks| file_of(&chunks))
}

/// The file after one to three changes of its chunks, their sizes and the fields of their headers.
pub fn damaged(file: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut chunks = chunks(file);
    // A chunk, and what is added to the length that it claims.
    let mut false_length = None;
    let mut file_length = None;
    for _ in 0..=stream.below(3) {
        if chunks.is_empty() {
            break;
        }
        let [at, with] = [(); 2].map(|()| below(stream, chunks.len()));
        match stream.below(14) {
            0 => chunks.swap(at, with),
            1 => chunks.insert(at, chunks[with].clone()),
            2 => drop(chunks.remove(at)),
            3 => chunks[at].0 = *one_of(stream, &NAMES),
            4 => resize(stream, &mut chunks[at].1),
            5 => false_length = Some(at),
            6 => file_length = Some(()),
            7 => any_byte(stream, &mut chunks[at].1),
            8 => chunks.insert(at, (*one_of(stream, &NAMES), vec![stream.u64() as u8; with + 6])),
            _ => header(stream, &mut chunks[at]),
        }
    }
    let mut out = file_of(&chunks);
    if let Some(at) = false_length.filter(|at| *at < chunks.len()) {
        let before: usize = chunks[..at].iter().map(|chunk| bytes_of(chunk).len()).sum();
        change(stream, &mut out, 12 + before + 4, 4);
    }
    if file_length.is_some() {
        change(stream, &mut out, 4, 4);
    }
    out
}

/// Changes a field of the chunk's header.
fn header(stream: &mut Stream, (name, body): &mut Chunk) {
    let fields: &[(usize, usize)] = match &*name {
        // The frame's tag, the start code, and the sides with their scale.
        b"VP8 " => &[(0, 3), (3, 3), (6, 2), (8, 2)],
        // The signature, then 14 bits for each side, alpha and version, then the transforms.
        b"VP8L" => &[(0, 1), (1, 2), (2, 2), (3, 2), (5, 1)],
        b"VP8X" => &[(0, 1), (1, 3), (4, 3), (7, 3)],
        b"ALPH" => &[(0, 1)],
        b"ANIM" => &[(0, 4), (4, 2)],
        // Place, size, time, flags, and the length of the chunk within.
        b"ANMF" => &[(0, 3), (3, 3), (6, 3), (9, 3), (12, 3), (15, 1), (20, 4)],
        _ => return any_byte(stream, body),
    };
    let (at, width) = one_of(stream, fields);
    change(stream, body, at, width);
}
