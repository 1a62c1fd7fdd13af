use super::*;
use sha2::{Digest as _, Sha256};

fn resized(image: &[u8], size: [usize; 3], to: [usize; 2]) -> Vec<f32> {
    let [height, width, channels] = size;
    let mut out = vec![0.0; channels * to[0] * to[1]];
    let size = ImageSize { height, width, channels };
    tensorflow1_bilinear(ImageView { size, pixels: image }, to, &mut out);
    out
}

#[test]
fn doubling_a_row_puts_the_middle_between_and_repeats_the_end() {
    // scale 2/4: positions 0, 0.5, 1, 1.5; the last has no right neighbour.
    assert_eq!(resized(&[10, 20], [1, 2, 1], [1, 4]), [10.0, 15.0, 20.0, 20.0]);
    // Halving takes every other pixel: there is no antialiasing.
    assert_eq!(resized(&[10, 99, 20, 99], [4, 1, 1], [2, 1]), [10.0, 20.0]);
}

#[test]
fn an_image_of_the_same_size_is_unchanged_and_becomes_planes() {
    let image: Vec<u8> = (0..18).collect();
    let planes = resized(&image, [2, 3, 3], [2, 3]);
    let expected: Vec<f32> = (0..3).flat_map(|c| (0..6).map(move |i| (3 * i + c) as f32)).collect();
    assert_eq!(planes, expected);
}

// torch-fidelity 0.4.0 (torch 2.9.0) on the image below, hashed as little-endian f32 planes:
// from torch_fidelity.interpolate_compat_tensorflow import
// interpolate_bilinear_2d_like_tensorflow1x as resize
//   x = np.arange(h*w*c, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
//   x = (x >> np.uint64(56)).astype(np.uint8).reshape(h, w, c)
// y = resize(torch.from_numpy(x).permute(2,0,1)[None].float(), size=(299,299), align_corners=False)
//   hashlib.sha256(y.numpy().astype("<f4").tobytes()).hexdigest()
#[test]
fn resizing_to_299_has_torch_fidelitys_bits() {
    let golden = [
        ([32, 32, 3], "1200b475426c0e4de4364d63dc928ae6ed75164056df38b4b71ed117e5a0ef9c"),
        ([28, 28, 1], "9cf15642a50872cd0ce472283b31d882c29d6eaafd156453b51963ea853499b8"),
        ([5, 7, 3], "bf7ce1f42fd1ebac00b1987b2e3954172f40e88c355e7cd722502216ae9e5105"),
        ([1, 1, 3], "dc0a71de7ea32be1326ddad6e662093ede22f5eb9e6e9eb42c292562fd50369b"),
        ([16, 48, 3], "dbd56a39f16840275b1a75cf0fecba7483a89513710440876dd4a632a80a5a9b"),
        ([299, 299, 3], "7134f15ea49f504d5cf4c3a2aee7d510a716d3f86dde94f2d1ff1f08ee71da21"),
        ([300, 200, 3], "22be812d098721439eda980be3d6d5e3426efcfb32c29e79d32c0fb959b0baf1"),
        ([64, 1024, 1], "26955c4a763b76692ba658e8761a2162d5fb1922547aa7fa00f5dfdeceb0dc5e"),
        ([513, 299, 3], "8e4a770f23c7c6567c677ec963be5ccee1b7684f886b77bf66e5035167b3ac36"),
    ];
    for (size, sha256) in golden {
        let image: Vec<u8> = (0..size.iter().product::<usize>() as u64)
            .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
            .collect();
        let bytes: Vec<u8> =
            resized(&image, size, [299, 299]).iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(crate::weights::hex(&Sha256::digest(bytes)), sha256, "{size:?}");
    }
}
