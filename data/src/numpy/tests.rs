use std::io::{Cursor, Write as _};

use super::*;

// nn/tests-data/arrays.npz and arrays_deflated.npz, numpy 2.4: numpy.savez and
// numpy.savez_compressed of
//   a = numpy.arange(6, dtype="<f4").reshape(2, 3) / 4, b = numpy.int64(7),
//   c = numpy.asfortranarray(numpy.arange(6, dtype=">i2").reshape(2, 3)),
//   d = numpy.array([{"a": 1}], dtype=object)
const STORED: &[u8] = include_bytes!("../../tests-data/arrays.npz");
const DEFLATED: &[u8] = include_bytes!("../../tests-data/arrays_deflated.npz");

/// A version 1.0 file with this header and data.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

fn simple(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    npy(&header, data)
}

fn read(bytes: &[u8]) -> Result<(Header, Vec<u8>), NumpyError> {
    let mut array = Array::npy("x.npy", Cursor::new(bytes))?;
    let data = array.read_all()?;
    Ok((array.header().clone(), data))
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn open(bytes: &[u8]) -> Result<Archive, NumpyError> {
    Archive::open("x.npz", Box::new(Cursor::new(bytes.to_vec())))
}

fn member(bytes: &[u8], name: &str) -> Result<(Header, Vec<u8>), NumpyError> {
    let mut archive = open(bytes)?;
    let mut array = archive.array(name)?;
    let data = array.read_all()?;
    Ok((array.header().clone(), data))
}

#[test]
fn arrays_that_numpy_stored_or_deflated_come_out_the_same() {
    for file in [STORED, DEFLATED] {
        assert_eq!(open(file).unwrap().names(), ["a", "b", "c", "d"]);
        let (header, data) = member(file, "a").unwrap();
        assert_eq!((header.shape, header.fortran_order), (vec![2, 3], false));
        assert_eq!(header.element.to_string(), "float32");
        let values = [0.0f32, 0.25, 0.5, 0.75, 1.0, 1.25];
        assert_eq!(data, values.map(f32::to_le_bytes).concat());
        let (header, data) = member(file, "b").unwrap();
        assert_eq!((header.shape, header.numbers), (vec![], 1));
        assert_eq!(data, 7i64.to_le_bytes());
        let (header, data) = member(file, "c").unwrap();
        assert_eq!((header.shape, header.fortran_order), (vec![2, 3], true));
        assert_eq!(header.element.to_string(), "big-endian int16");
        assert_eq!(data, [0, 0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5]);
        assert_eq!(
            member(file, "d").unwrap_err().to_string(),
            "x.npz member d.npy holds pickled Python objects, which are never loaded; save the array with a \
             number type"
        );
        let mut kept = open(file).unwrap().into_array("a").unwrap();
        let halves = [kept.read(11).unwrap(), kept.read_all().unwrap()];
        assert_eq!(halves.concat(), values.map(f32::to_le_bytes).concat());
    }
}

#[test]
fn headers_of_every_version_and_of_python_2_are_read() {
    let (header, data) = read(&simple("|u1", "(3L,)", &[1, 2, 3])).unwrap();
    assert_eq!((header.shape, data), (vec![3], vec![1, 2, 3]));
    let text = "{\"shape\":(1,2),'descr':'<u2','fortran_order':True}";
    for version in [2, 3] {
        let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend([1, 0, 2, 0]);
        let (header, data) = read(&bytes).unwrap();
        assert_eq!((header.shape, header.fortran_order), (vec![1, 2], true));
        assert_eq!(data, [1, 0, 2, 0]);
    }
}

#[test]
fn a_header_that_lies_is_refused_before_any_memory_is_taken() {
    let text = "x.npy needs 1000000000000 bytes for its shape [1000000, 1000000] but holds 3 after its \
                header of 82 bytes; it was cut off, or its header is wrong";
    assert_eq!(refusal(&simple("|u1", "(1000000, 1000000)", &[1, 2, 3])), text);
    assert_eq!(
        refusal(&simple("|u1", "(4294967296, 4294967296)", &[])),
        "x.npy claims the shape [4294967296, 4294967296], more than any memory holds"
    );
    assert_eq!(
        refusal(&simple("<f8", "(2305843009213693952,)", &[])),
        "x.npy claims the shape [2305843009213693952], more than any memory holds"
    );
    let more = refusal(&simple("|u1", "(2,)", &[1, 2, 3]));
    assert!(more.starts_with("x.npy needs 2 bytes for its shape [2] but holds 3 after"), "{more}");
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(0xffff_fff0u32.to_le_bytes());
    assert_eq!(refusal(&long), "x.npy claims a header of 4294967280 bytes, expected at most 10000");
}

#[test]
fn damaged_headers_are_refused_at_their_byte() {
    assert_eq!(
        refusal(b"hello array"),
        "x.npy is no .npy array: it begins with bytes [68, 65, 6c, 6c, 6f, 20], expected \"\\x93NUMPY\""
    );
    assert_eq!(refusal(b"\x93NUMPY\x09\x00"), "x.npy is of .npy version 9.0; known: 1.0, 2.0, 3.0");
    let header = |text: &str| refusal(&npy(text, &[]));
    let all = "each of the keys descr, fortran_order, shape once";
    for (text, expected, offset) in [
        ("(1)", "\"{\"", 10),
        ("{'descr': '<f4'", "\",\" or \"}\" after a value", 25),
        ("{'descr': '<f4', 'descr': '<f4'}", all, 27),
        ("{'evil': '<f4'}", all, 11),
        ("{'shape': (1, -2)}", "a tuple of at most 8 whole numbers", 24),
        ("{'shape': (1,1,1,1,1,1,1,1,1)}", "a tuple of at most 8 whole numbers", 37),
        ("{'shape': (99999999999999999999,)}", "sizes below 2 to the power of 64", 21),
        ("{'fortran_order': 1}", "True or False", 28),
        ("{} x", "only spaces after \"}\"", 13),
        ("{}", "all of the keys descr, fortran_order, shape", 12),
    ] {
        let message = format!("x.npy has a damaged header: expected {expected} at byte {offset}");
        assert_eq!(header(text), message, "{text}");
    }
    // A nest that overflows the stack of a recursive parser.
    let nest = "(".repeat(9000);
    assert_eq!(
        header(&format!("{{'shape': {nest}}}")),
        "x.npy has a damaged header: expected a tuple of at most 8 whole numbers at byte 21"
    );
    assert_eq!(
        header("{'fortran_order': False, 'shape': (1,), 'descr': [('a', '<f4')]}"),
        "x.npy holds elements of kind \"[('a', '<f4')]\", expected integers or floats of at most 64 bits"
    );
}

#[test]
fn archives_that_were_cut_changed_or_swollen_are_refused() {
    for length in 0..STORED.len() {
        assert!(open(&STORED[..length]).is_err(), "cut at {length}");
    }
    assert_eq!(
        open(STORED).unwrap().array("e").unwrap_err().to_string(),
        "x.npz is no whole .npz archive: it has no member e.npy; copy it or make it again"
    );
    let mut changed = STORED.to_vec();
    let at = changed.windows(4).position(|w| w == 1.25f32.to_le_bytes()).unwrap();
    changed[at] ^= 1;
    assert_eq!(
        member(&changed, "a").unwrap_err().to_string(),
        "x.npz member a.npy ends or is damaged at byte 0 of its numbers: the checksum of the member does \
         not fit its bytes"
    );
    // Directory entries that promise 1 TB of a few bytes: the size lies at byte 24 of an entry.
    let mut swollen = DEFLATED.to_vec();
    let entry = swollen.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    swollen[entry + 24..entry + 28].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    let message = member(&swollen, "a").unwrap_err().to_string();
    assert!(
        message.starts_with("x.npz member a.npy claims 4294967280 bytes compressed to "),
        "{message}"
    );
}

#[test]
fn a_member_that_inflates_to_more_than_promised_is_refused() {
    // 4 MB of zeros behind a header for 8 bytes, with the promise changed to fit the header.
    let whole = simple("|u1", "(8,)", &vec![0; 4 << 20]);
    let size = whole.len() - (4 << 20) + 8;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&whole).unwrap();
    let body = encoder.finish().unwrap();
    let field = |signature: &[u8], central: bool| {
        let mut out = signature.to_vec();
        if central {
            out.extend([20, 0]);
        }
        out.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
        out.extend(crc32fast::hash(&whole[..size]).to_le_bytes());
        out.extend((body.len() as u32).to_le_bytes());
        out.extend((size as u32).to_le_bytes());
        out.extend([5, 0, 0, 0]);
        if central {
            out.extend([0; 14]);
        }
        out.extend(b"a.npy");
        out
    };
    let mut file = field(b"PK\x03\x04", false);
    file.extend(&body);
    let (start, entry) = (file.len() as u32, field(b"PK\x01\x02", true));
    file.extend(&entry);
    file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend((entry.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    assert_eq!(
        member(&file, "a").unwrap_err().to_string(),
        "x.npz member a.npy ends or is damaged at byte 0 of its numbers: the member goes on beyond the \
         size that the directory promises"
    );
}

#[test]
fn members_that_are_encrypted_or_compressed_by_other_means_are_refused() {
    // In the first entry of the directory the flags stand at byte 8 and the method at byte 10.
    let entry = STORED.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let with = |at: usize, value: u8| {
        let mut bytes = STORED.to_vec();
        bytes[entry + at] = value;
        member(&bytes, "a").unwrap_err().to_string()
    };
    assert_eq!(with(8, 1), "x.npz member a.npy is encrypted; store it without a password");
    let got = with(10, 12);
    assert!(
        got.starts_with("x.npz member a.npy is compressed by ")
            && got.ends_with(", expected no compression or deflate"),
        "{got}"
    );
}

#[test]
fn an_archive_of_too_many_members_is_refused() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for i in 0..257 {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        zip.start_file(format!("{i}.npy"), options).unwrap();
    }
    let file = zip.finish().unwrap().into_inner();
    assert_eq!(
        open(&file).err().unwrap().to_string(),
        "x.npz has 257 members, expected at most 256 arrays"
    );
}
