//! Folders with links and with files that are none, and images that decoders stumble over.

use std::fs;

use image::ImageFormat;

use super::tests::{all, open_path, refusal, write};
use super::*;
use crate::fixtures::encode;
use crate::images::ImageSize;
use crate::{DatasetRequest, Places, Split, load_from};

fn png() -> Vec<u8> {
    encode(0, ImageSize::new(4, 4, 3), ImageFormat::Png)
}

fn refused_in(folder: &Path) -> String {
    refusal(open_path(folder)).replace(&folder.display().to_string(), "DIR")
}

/// As a set to train on.
fn refused_for_training(folder: &Path) -> String {
    let request = DatasetRequest::new(format!("folder:{}", folder.display()), Split::Train);
    let places = Places { cache: None, ..Places::from_env() };
    let error = load_from(&request, &places, &mut |_| {}).unwrap_err();
    error.to_string().replace(&folder.display().to_string(), "DIR")
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_to_a_folder_above_it_is_refused_with_both_names() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("a.png"), &png());
        symlink(".", dir.path().join("x")).unwrap();
        let expected = "DIR/x and DIR are one folder, whose images would count twice; remove the link or move it \
                        elsewhere";
        assert_eq!(refused_in(dir.path()), expected);
        // Two such links are 2^40 folders within 40 levels.
        symlink(".", dir.path().join("y")).unwrap();
        assert!(refused_in(dir.path()).contains(" are one folder"));
    }

    #[test]
    fn a_folder_that_is_reached_twice_is_refused_and_the_link_is_named_first() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("b/0.png"), &png());
        symlink("b", dir.path().join("a")).unwrap();
        let expected = "DIR/a and DIR/b are one folder, whose images would count twice; remove the link or move it \
                        elsewhere";
        assert_eq!(refused_in(dir.path()), expected);
        assert_eq!(refused_for_training(dir.path()), expected);
    }

    #[test]
    fn links_to_files_and_to_folders_elsewhere_are_followed() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(other.path().join("folder/0.png"), &png());
        write(dir.path().join("a.png"), &png());
        symlink(other.path().join("folder"), dir.path().join("linked")).unwrap();
        symlink(other.path().join("folder/0.png"), dir.path().join("b.png")).unwrap();
        assert_eq!(all(open_path(dir.path()).unwrap(), 2).unwrap().len(), 3);
    }

    #[test]
    fn a_fifo_and_a_device_among_the_images_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("a.png"), &png());
        let fifo = dir.path().join("b.png");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let is_a = |found: &str| {
            format!(
                "cannot read DIR/b.png: it is {found}, expected a regular file; remove it or give another path"
            )
        };
        let said = refused_in(dir.path());
        assert!(said.contains(&is_a("a FIFO")), "{said}");
        fs::remove_file(&fifo).unwrap();
        symlink("/dev/zero", &fifo).unwrap();
        let said = refused_in(dir.path());
        assert!(said.contains(&is_a("a device")), "{said}");
        let said = refused_for_training(dir.path());
        assert!(said.contains("it is a device, expected a regular file"), "{said}");
    }
}

#[test]
fn a_file_of_images_that_is_larger_than_the_memory_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776, 1, 1, 1)}";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    write(path.clone(), &bytes);
    // The numbers take no place on the disk.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(bytes.len() as u64 + (1 << 40)).unwrap();
    assert_eq!(all_of_first(&path), 3);
    let dataset =
        DatasetRequest { limit: Some(1 << 40), ..DatasetRequest::new("shapes", Split::Train) };
    let error = load_from(&dataset, &Places::from_env(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains(" of memory, but "), "{error}");
}

/// Three images of a source whose end nobody would live to see.
fn all_of_first(path: &Path) -> usize {
    open_path(path).unwrap().next(3).unwrap().len()
}

#[test]
fn a_palette_of_broken_colours_is_refused_before_the_decoder_sees_it() {
    for (length, refused) in [(3, false), (4, true), (0, true), (768, false), (771, true)] {
        let palette = vec![9; length];
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut put = |kind: &[u8], body: &[u8]| {
            file.extend((body.len() as u32).to_be_bytes());
            let chunk = [kind, body].concat();
            file.extend(&chunk);
            file.extend(crc32fast::hash(&chunk).to_be_bytes());
        };
        put(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0]);
        put(b"PLTE", &palette);
        // One row of one pixel of colour 0, stored.
        put(b"IDAT", &[0x78, 1, 1, 2, 0, 0xfd, 0xff, 0, 0, 0, 2, 0, 1]);
        put(b"IEND", b"");
        let read = decode_image(&file, "x");
        if refused {
            let expected = format!(
                "x is a PNG image with a palette of {length} bytes, expected 3 for each of 1 to 256 colours"
            );
            assert_eq!(read.unwrap_err().to_string(), expected);
        } else {
            assert_eq!(read.unwrap().pixels, [9, 9, 9], "{length}");
        }
    }
}
