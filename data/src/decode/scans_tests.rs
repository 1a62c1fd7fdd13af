use super::*;

/// A file of a frame of `kind` and these scans: channels, first and last coefficient, bits before
/// and after.
fn file(kind: u8, scans: &[(&[u8], u8, u8, u8)]) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, kind, 0, 17, 8, 0, 8, 0, 8, 3];
    file.extend([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    for (channels, first, last, bits) in scans {
        file.extend([0xff, 0xda, 0, 6 + 2 * channels.len() as u8, channels.len() as u8]);
        channels.iter().for_each(|&channel| file.extend([channel, 0]));
        // A stuffed byte and a restart are none of the markers that count.
        file.extend([*first, *last, *bits, 7, 0xff, 0, 9, 0xff, 0xd0]);
    }
    file.extend([0xff, 0xd9]);
    file
}

fn said(kind: u8, scans: &[(&[u8], u8, u8, u8)]) -> Option<Fault> {
    check(&file(kind, scans)).err()
}

/// The components of a scan, and its first coefficient, last coefficient and approximation.
type Scan = (&'static [u8], u8, u8, u8);

#[test]
fn scans_that_say_all_once_pass() {
    assert_eq!(said(0xc0, &[(&[1, 2, 3], 0, 63, 0)]), None);
    assert_eq!(said(0xc1, &[(&[2], 0, 63, 0), (&[1, 3], 0, 63, 0)]), None);
    let of_each =
        |id: &'static [u8]| [(id, 1, 5, 2), (id, 6, 63, 2), (id, 1, 63, 0x21), (id, 1, 63, 0x10)];
    let details: Vec<_> = [&[1u8][..], &[2], &[3]].into_iter().flat_map(of_each).collect();
    let means: [(&[u8], u8, u8, u8); 2] = [(&[1, 2, 3], 0, 0, 1), (&[1, 2, 3], 0, 0, 0x10)];
    assert_eq!(said(0xc2, &[&means[..], &details].concat()), None);
}

#[test]
fn scans_that_lack_or_do_not_follow_are_damage() {
    let lacks = Some(Fault::Damaged("is a JPEG image that lacks scans".into()));
    assert_eq!(said(0xc0, &[]), lacks);
    assert_eq!(said(0xc0, &[(&[1, 2], 0, 63, 0)]), lacks);
    assert_eq!(said(0xc2, &[(&[1, 2, 3], 0, 0, 0)]), lacks);
    let odd = Fault::Damaged("is a JPEG image of scans that do not follow upon one another".into());
    let all: &[u8] = &[1, 2, 3];
    let cases: [(u8, &[Scan]); 10] = [
        // Twice, a channel that is none, a part of the coefficients, lower bits.
        (0xc0, &[(all, 0, 63, 0), (all, 0, 63, 0)]),
        (0xc0, &[(&[1, 2, 9], 0, 63, 0)]),
        (0xc0, &[(all, 0, 5, 0)]),
        (0xc0, &[(all, 0, 63, 1)]),
        // Means and details at once, details of several channels or before the mean, beyond the
        // last coefficient.
        (0xc2, &[(all, 0, 63, 0)]),
        (0xc2, &[(all, 0, 0, 0), (all, 1, 63, 0)]),
        (0xc2, &[(&[1], 1, 63, 0)]),
        (0xc2, &[(all, 0, 0, 0), (&[1], 1, 64, 0)]),
        // A refinement of nothing, and one that leaves a bit out.
        (0xc2, &[(all, 0, 0, 0x10)]),
        (0xc2, &[(all, 0, 0, 2), (all, 0, 0, 0x20)]),
    ];
    for (i, (kind, scans)) in cases.into_iter().enumerate() {
        assert_eq!(said(kind, scans).as_ref(), Some(&odd), "case {i}");
    }
}
