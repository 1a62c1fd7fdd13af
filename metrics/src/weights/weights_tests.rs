use ganbench_data::rng::Stream;
use source::WeightsSource;

use super::*;

// tests-data/tiny_*.pth, torch 2.9.0, all but tiny_zip with _use_new_zipfile_serialization=False:
//   base = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 8
//   tiny_legacy: an OrderedDict with _metadata of
//     "a.conv.weight": base, "a.transposed": base.t(), "a.part": base[1:, 1:3],
//     "a.bn.num_batches_tracked": torch.tensor(7),
//     "b.parameter": torch.nn.Parameter(torch.tensor([1.5, -2.5]))
// tiny_evil: {"a.conv.weight": base, "evil": an object whose __reduce__ is os.system("echo pwned")}
//   tiny_half: {"a": torch.ones(2).half()};   tiny_zip: {"a": torch.ones(2)}
const LEGACY: &[u8] = include_bytes!("../../tests-data/tiny_legacy.pth");
const EVIL: &[u8] = include_bytes!("../../tests-data/tiny_evil.pth");
const HALF: &[u8] = include_bytes!("../../tests-data/tiny_half.pth");
const ZIP: &[u8] = include_bytes!("../../tests-data/tiny_zip.pth");

fn specs(of: &[(&str, &[usize])]) -> Vec<TensorSpec> {
    of.iter()
        .map(|(name, shape)| TensorSpec { name: (*name).into(), shape: (*shape).into() })
        .collect()
}

fn tiny() -> Vec<TensorSpec> {
    specs(&[
        ("a.conv.weight", &[3, 4]),
        ("a.transposed", &[4, 3]),
        ("a.part", &[2, 2]),
        ("b.parameter", &[2]),
    ])
}

fn read(
    bytes: &[u8],
    specs: &[TensorSpec],
) -> Result<BTreeMap<String, WeightTensor>, WeightsError> {
    tensors(Path::new("w.pth"), bytes, specs)
}

fn refusal(bytes: &[u8], specs: &[TensorSpec]) -> String {
    read(bytes, specs).unwrap_err().to_string()
}

#[test]
fn a_legacy_file_gives_its_tensors_through_offsets_and_strides() {
    let tensors = read(LEGACY, &tiny()).unwrap();
    let base: Vec<f32> = (0..12).map(|i| i as f32 / 8.0).collect();
    assert_eq!(tensors["a.conv.weight"].values, base);
    let transposed: Vec<f32> = (0..12).map(|i| base[i % 3 * 4 + i / 3]).collect();
    assert_eq!(tensors["a.transposed"].values, transposed);
    assert_eq!(tensors["a.part"].values, [5.0, 6.0, 9.0, 10.0].map(|v| v / 8.0));
    assert_eq!(tensors["b.parameter"].values, [1.5, -2.5]);
}

#[test]
fn a_storage_key_that_is_a_path_is_only_a_name() {
    let (key, path) = (b"94468969090752", b"../../escaped0");
    let mut bytes = LEGACY.to_vec();
    let mut found = 0;
    for at in 0..bytes.len() - key.len() {
        if bytes[at..].starts_with(key) {
            bytes[at..at + key.len()].copy_from_slice(path);
            found += 1;
        }
    }
    assert_eq!(found, 4);
    assert_eq!(read(&bytes, &tiny()).unwrap(), read(LEGACY, &tiny()).unwrap());
}

#[test]
fn a_pickle_that_would_execute_code_is_refused_by_name() {
    let got = refusal(EVIL, &specs(&[("a.conv.weight", &[3, 4])]));
    // The Python name of os.system on the machine that wrote the file.
    let expected = "weights w.pth: pickle asks for the Python object \"posix.system\", which no weights \
                    need; nothing was executed at byte ";
    assert!(got.starts_with(expected), "{got}");
}

#[test]
fn other_formats_are_told_apart() {
    assert_eq!(
        refusal(ZIP, &tiny()),
        "weights w.pth are a zip archive (PyTorch's format since 1.6), expected the legacy format of the \
         published file; convert it to safetensors"
    );
    assert_eq!(
        refusal(b"hello weights", &tiny()),
        "weights w.pth begin with bytes [68, 65, 6c, 6c, 6f, 20, 77, 65], expected a PyTorch file in the \
         legacy format or safetensors"
    );
    assert!(refusal(b"", &tiny()).contains("begin with bytes []"));
    assert_eq!(
        refusal(HALF, &specs(&[("a", &[2])])),
        "weights w.pth: tensor \"a\" holds f16 numbers, expected f32"
    );
}

#[test]
fn missing_extra_and_misshapen_tensors_are_refused_by_name() {
    let with = |name: &str, shape: &[usize]| [tiny(), specs(&[(name, shape)])].concat();
    assert_eq!(
        refusal(LEGACY, &with("a.bn.bias", &[4])),
        "weights w.pth: 1 tensors missing, first \"a.bn.bias\"; refusing to score with partial weights"
    );
    assert_eq!(
        refusal(LEGACY, &tiny()[..3]),
        "weights w.pth: 1 tensors that the network does not have, first \"b.parameter\"; is it another \
         network's file?"
    );
    let mut misshapen = tiny();
    misshapen[0].shape = vec![4, 3];
    assert_eq!(
        refusal(LEGACY, &misshapen),
        "weights w.pth: tensor \"a.conv.weight\" has shape [3, 4], expected [4, 3]"
    );
}

#[test]
fn a_file_cut_anywhere_is_refused_with_the_offset() {
    for len in 0..LEGACY.len() {
        let got = refusal(&LEGACY[..len], &tiny());
        assert!(got.contains("at byte") || got.contains("begin with bytes"), "{len}: {got}");
    }
    let got = refusal(&LEGACY[..LEGACY.len() - 3], &tiny());
    assert_eq!(
        got,
        format!(
            "weights w.pth: file ends early: 8 bytes expected, 5 left at byte {}",
            LEGACY.len() - 8
        )
    );
    let longer = [LEGACY, b"xy"].concat();
    assert_eq!(
        refusal(&longer, &tiny()),
        format!(
            "weights w.pth: file goes on for 2 bytes after its last storage at byte {}",
            LEGACY.len()
        )
    );
}

/// A tuple that tensors share takes 13 bytes a tensor in the file, and a copy each in memory.
#[test]
fn tensors_that_share_a_shape_of_many_axes_are_refused_before_it_is_copied() {
    let state = LEGACY.windows(6).position(|bytes| bytes == b"\x80\x02M\xe9\x03.").unwrap() + 6;
    let (_, behind_facts) = pickle::Machine::new(LEGACY, state).run().unwrap();
    let tuple = |item: u8, slot: u8| {
        [b"(".to_vec(), [b'K', item].repeat(900_000), vec![b't', b'q', slot]].concat()
    };
    let storage =
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01NtQq\x03";
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\nq\x04(h\x03K\0h\x01h\x02tR.";
    let parts: [&[u8]; 6] =
        [&LEGACY[..behind_facts], b"\x80\x02", &tuple(1, 1), &tuple(0, 2), storage, tensor];
    let said = refusal(&parts.concat(), &tiny());
    let expected = "weights w.pth: tensor claims 900000 axes, expected at most 8 at byte ";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn a_hundred_thousand_damaged_files_never_panic() {
    const INPUTS: usize = 100_000;
    let mut stream = Stream::new(0, "mutations");
    let mut accepted = 0;
    for _ in 0..INPUTS {
        let mut bytes = LEGACY.to_vec();
        for _ in 0..=stream.below(4) {
            let at = stream.below(bytes.len() as u64) as usize;
            let end = (at + 1 + stream.below(32) as usize).min(bytes.len());
            match stream.below(6) {
                0 => bytes[at] = stream.u64() as u8,
                1 => bytes[at] ^= 1 << stream.below(8),
                2 => bytes.truncate(at.max(1)),
                3 => bytes.insert(at, stream.u64() as u8),
                4 if at > 0 => drop(bytes.drain(at..end)),
                _ => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            }
        }
        accepted += usize::from(read(&bytes, &tiny()).is_ok());
    }
    // Changes inside the numbers or the unused metadata are no damage that a reader could see.
    assert!(accepted > 0 && accepted < INPUTS / 2, "{accepted}");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let mut bytes = LEGACY.to_vec();
    let at = bytes.windows(4).position(|w| w == 1.5f32.to_le_bytes()).unwrap();
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    // 1.5 also stands in the other storage (12/8): whichever came first is named.
    let got = refusal(&bytes, &tiny());
    assert!(got.contains("holds NaN, expected finite numbers only"), "{got}");
}

#[test]
fn a_safetensors_file_gives_the_same_and_a_damaged_one_an_error() {
    let tensors = read(LEGACY, &tiny()).unwrap();
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, t)| {
            (name.clone(), t.shape.clone(), t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, data)| {
        let view = safetensors::tensor::TensorView::new(Dtype::F32, shape.clone(), data).unwrap();
        (name.clone(), view)
    });
    let file = safetensors::serialize(views, None).unwrap();
    assert_eq!(read(&file, &tiny()).unwrap(), tensors);
    let got = refusal(&file[..file.len() - 1], &tiny());
    assert!(got.starts_with("weights w.pth are no valid safetensors file: "), "{got}");
}

#[test]
fn weights_come_from_the_path_then_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny_legacy.pth");
    std::fs::write(&file, LEGACY).unwrap();
    let published = source::PublishedFile {
        repository: "nobody/nothing",
        revision: "0",
        file: "pytorch_model.pth",
        folder_name: "tiny_legacy.pth",
        sha256: "00",
    };
    let get = |file: Option<PathBuf>, variable: Option<PathBuf>| {
        let source = WeightsSource::Published { file, variable, download: false };
        source.weights(published, &tiny())
    };
    let hash = hex(&Sha256::digest(LEGACY));
    // A given file of another hash than the published one is taken, and its hash reported.
    assert_eq!(get(Some(file.clone()), None).unwrap().sha256, hash);
    assert_eq!(get(None, Some(file.clone())).unwrap().sha256, hash);
    assert_eq!(get(None, Some(folder.path().into())).unwrap().sha256, hash);
    let absent = folder.path().join("absent.pth");
    let got = get(Some(absent.clone()), Some(file.clone())).unwrap_err().to_string();
    assert!(got.starts_with(&format!("weights {}: ", absent.display())), "{got}");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        get(None, Some(empty.path().into())).unwrap_err().to_string(),
        format!(
            "no weights \"tiny_legacy.pth\": GANBENCH_WEIGHTS is {}, which does not hold it; put the file \
             there or pass its path with --weights",
            empty.path().display()
        )
    );
    assert_eq!(
        get(None, None).unwrap_err().to_string(),
        "weights \"pytorch_model.pth\" are neither given (--weights, GANBENCH_WEIGHTS) nor in the hub's \
         cache, and downloading nobody/nothing failed: downloads are switched off"
    );
    let got = Weights::read_expecting(&file, &tiny(), Some("00")).unwrap_err().to_string();
    assert!(
        got.ends_with(&format!("have sha256 {hash}, expected 00; delete the file and try again"))
    );
}

#[test]
fn what_a_published_file_holds_beside_the_weights_is_passed_over_by_name() {
    for name in [
        "Conv2d_1a_3x3.bn.num_batches_tracked",
        "vision_model.embeddings.position_ids",
        "text_model.final_layer_norm.weight",
        "text_projection.weight",
        "logit_scale",
    ] {
        assert!(is_passed_over(name), "{name}");
    }
    assert!(!is_passed_over("vision_model.embeddings.position_embedding.weight"));
}
