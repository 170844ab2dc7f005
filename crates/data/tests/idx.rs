//! IDX files: what is read back, and what each kind of damage is told as.

use std::io::{self, Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use wengert_autograd::{ErrorKind, Result};
use wengert_data::{Idx, read_idx};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A header, with any element type and lengths, and a body.
fn file(element: u8, lengths: &[u32], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, lengths.len() as u8];
    bytes.extend(lengths.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend_from_slice(body);
    bytes
}

fn read(bytes: &[u8]) -> Result<Idx> {
    read_idx(bytes, "a.idx")
}

#[track_caller]
fn refused(bytes: &[u8], text: &str) {
    let error = read(bytes).unwrap_err();
    assert_eq!(error.to_string(), format!("read_idx: a.idx: {text}"));
    assert_eq!(error.kind(), ErrorKind::Data);
}

/// A reader that hands out one byte at a time and counts them.
struct Drip<'a, R>(R, &'a mut u64);

impl<R: Read> Read for Drip<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let room = to.len().min(1);
        let count = self.0.read(&mut to[..room])?;
        *self.1 += count as u64;
        Ok(count)
    }
}

#[test]
fn plain_and_gzip_are_told_apart_by_content() {
    let bytes = file(8, &[2, 3], &[1, 2, 3, 4, 5, 255]);
    for bytes in [bytes.clone(), gzip(&bytes)] {
        let idx = read(&bytes).unwrap();
        assert_eq!(*idx.shape(), [2, 3]);
        assert_eq!(idx.as_bytes(), [1, 2, 3, 4, 5, 255]);
        assert_eq!(idx.to_tensor(5.0).as_slice(), [0.2, 0.4, 0.6, 0.8, 1.0, 51.0]);
        assert_eq!(*idx.to_indices().shape(), [2, 3]);
        let mut count = 0;
        assert_eq!(read_idx(Drip(bytes.as_slice(), &mut count), "drip").unwrap(), idx);
        assert_eq!(count, bytes.len() as u64);
    }
}

#[test]
fn odd_but_whole() {
    assert_eq!(read(&file(8, &[], &[9])).unwrap().as_bytes(), [9]);
    assert_eq!(*read(&file(8, &[0, 28, 28], &[])).unwrap().to_tensor(1.0).shape(), [0, 28, 28]);
    assert_eq!(read(&file(8, &[1; 255], &[9])).unwrap().shape().len(), 255);
    // A file may consist of several gzip streams.
    let bytes = file(8, &[3], &[1, 2, 3]);
    let halves = [gzip(&bytes[..5]), gzip(&[]), gzip(&bytes[5..])].concat();
    assert_eq!(read(&halves).unwrap().as_bytes(), [1, 2, 3]);
}

#[test]
fn not_idx() {
    let begin = "expected an IDX file, which begins [00, 00, 08], found";
    refused(b"PK\x03\x04zip", &format!("{begin} [50, 4b, 03, 04]; it looks like a zip archive: unpack it first"));
    refused(b"<!DOCTYPE", &format!("{begin} [3c, 21, 44, 4f]; it looks like a web page: the download went wrong"));
    refused(b"BZh9", &format!("{begin} [42, 5a, 68, 39]; it looks like bzip2: unpack it first"));
    refused(b"\x28\xb5\x2f\xfd", &format!("{begin} [28, b5, 2f, fd]; it looks like zstd: unpack it first"));
    refused(b"\xfd7zXZ", &format!("{begin} [fd, 37, 7a, 58]; it looks like xz: unpack it first"));
    let twice = gzip(&gzip(&file(8, &[0], &[])));
    refused(&twice, &format!("{begin} [1f, 8b, 08, 00]; it looks like gzip within gzip: unpack it once"));
    let other = "IDX files are read plain or in gzip, other archives must be unpacked first";
    refused(&[8, 0, 0, 1], &format!("{begin} [08, 00, 00, 01]; {other}"));
    refused(&[0, 1, 8, 1], &format!("{begin} [00, 01, 08, 01]; {other}"));
}

#[test]
fn other_element_types() {
    let found = [
        (0x09, "signed byte"),
        (0x0b, "16-bit integer"),
        (0x0c, "32-bit integer"),
        (0x0d, "32-bit float"),
        (0x0e, "64-bit float"),
        (0x0a, "none that IDX has"),
    ];
    for (element, name) in found {
        let text = format!(
            "expected elements of type 0x08 (unsigned byte), found 0x{element:02x} ({name}); \
             convert the array to unsigned bytes before writing it"
        );
        refused(&file(element, &[1], &[0; 8]), &text);
    }
}

#[test]
fn cut_off() {
    let hint = "the file is cut off: fetch or write it again";
    refused(&[], &format!("expected an IDX header of at least 4 bytes, found 0; {hint}"));
    refused(&[0], &format!("expected an IDX header of at least 4 bytes, found 1; {hint}"));
    refused(&[0, 0, 8], &format!("expected an IDX header of at least 4 bytes, found 3; {hint}"));
    let whole = file(8, &[2, 3], &[0; 6]);
    refused(&whole[..11], &format!("expected 8 bytes for the lengths of 2 axes, found 7; {hint}"));
    refused(&whole[..17], &format!("expected 6 bytes for axes [2, 3], found 5; {hint}"));
    refused(&gzip(&whole[..17]), &format!("expected 6 bytes for axes [2, 3], found 5; {hint}"));
    let packed = gzip(&whole);
    for length in 2..packed.len() {
        refused(&packed[..length], &format!("expected a whole gzip stream, found one that ends early; {hint}"));
    }
}

#[test]
fn too_much() {
    let hint = "the header is damaged, or something else was appended";
    refused(&file(8, &[2], &[1, 2, 3]), &format!("expected 2 bytes for axes [2], found more; {hint}"));
    refused(&gzip(&file(8, &[2], &[1, 2, 3])), &format!("expected 2 bytes for axes [2], found more; {hint}"));
    refused(&file(8, &[0], &[1]), &format!("expected 0 bytes for axes [0], found more; {hint}"));
    let appended = [gzip(&file(8, &[2], &[1, 2])), b"more".to_vec()].concat();
    let error = read(&appended).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let text = error.to_string();
    assert!(text.starts_with("read_idx: a.idx: expected a whole gzip stream, found "), "{text}");
}

#[test]
fn damaged_gzip() {
    let hint = "the file is damaged, or something else was appended: fetch or write it again";
    let packed = gzip(&file(8, &[4], &[1, 2, 3, 4]));
    let mut wrong_method = packed.clone();
    wrong_method[2] = 7;
    let text = "expected a whole gzip stream, found a damaged one (invalid gzip header)";
    refused(&wrong_method, &format!("{text}; {hint}"));
    let mut wrong_sum = packed.clone();
    let sum = packed.len() - 8;
    wrong_sum[sum] ^= 1;
    let text =
        "expected a whole gzip stream, found a damaged one (corrupt gzip stream does not have a matching checksum)";
    refused(&wrong_sum, &format!("{text}; {hint}"));
    let mut wrong_stream = packed;
    wrong_stream[10] = 0xff;
    let text = "expected a whole gzip stream, found a damaged one (corrupt deflate stream)";
    refused(&wrong_stream, &format!("{text}; {hint}"));
}

#[test]
fn a_header_is_a_claim() {
    let damaged = "the header is damaged";
    let most = u32::MAX;
    let text = format!("expected axes whose product fits into memory, found [{most}, {most}, {most}]; {damaged}");
    refused(&file(8, &[most; 3], &[1, 2]), &text);
    let text = format!("expected axes whose product fits into memory, found [{most}, {most}, {most}, 0]; {damaged}");
    refused(&file(8, &[most, most, most, 0], &[]), &text);
    let text = format!("expected axes whose product fits into memory, found [0, {most}, {most}, {most}]; {damaged}");
    refused(&file(8, &[0, most, most, most], &[]), &text);
    // Memory for 2^59 bytes can't be had: this passes where none is asked for before bytes arrive.
    let text = "expected 576460752303423488 bytes for axes [1048576, 1048576, 524288], found 2; \
                the file is cut off: fetch or write it again";
    refused(&file(8, &[1 << 20, 1 << 20, 1 << 19], &[1, 2]), text);
    refused(&gzip(&file(8, &[1 << 20, 1 << 20, 1 << 19], &[1, 2])), text);
}

#[test]
fn bombs_are_left_unexploded() {
    let mut count = 0;
    let endless = Cursor::new(file(8, &[100], &[])).chain(io::repeat(0));
    let error = read_idx(Drip(endless, &mut count), "endless").unwrap_err();
    assert!(error.to_string().contains("expected 100 bytes for axes [100], found more"), "{error}");
    assert_eq!(count, 4 + 4 + 100 + 1);
    // 64 MB in 64 kB, of which all but the beginning stays packed.
    let bomb = gzip(&file(8, &[100], &vec![0; 64 << 20]));
    let mut count = 0;
    let error = read_idx(Drip(bomb.as_slice(), &mut count), "bomb").unwrap_err();
    assert!(error.to_string().contains("expected 100 bytes for axes [100], found more"), "{error}");
    assert!(count < 1000 && bomb.len() > 60_000, "{count} of {} bytes unpacked", bomb.len());
}

#[test]
fn readers_that_fail() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    for begin in [vec![], file(8, &[4], &[1]), gzip(&file(8, &[4], &[1; 4]))[..12].to_vec()] {
        let error = read_idx(Cursor::new(begin).chain(Broken), "disk").unwrap_err();
        assert_eq!(error.to_string(), "read_idx: disk: can't be read: the disk is on fire");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
    let error = Idx::open(env!("CARGO_MANIFEST_DIR")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains(env!("CARGO_MANIFEST_DIR")), "{error}");
}

#[test]
fn arrays_that_idx_cannot_say() {
    let error = Idx::new(vec![1; 256], vec![0]).unwrap_err().to_string();
    assert!(error.starts_with("Idx::new: IDX has at most 255 axes of at most 4294967295 each, got"), "{error}");
    let error = Idx::new([0, 1 << 32], vec![]).unwrap_err().to_string();
    assert!(error.ends_with("got shape [0, 4294967296]"), "{error}");
    let error = Idx::new([1 << 31, 1 << 31, 1 << 31], vec![]).unwrap_err().to_string();
    assert_eq!(error, "Idx::new: an array of shape [2147483648, 2147483648, 2147483648] is too large for memory");
}

fn idx() -> impl Strategy<Value = Idx> {
    prop::collection::vec(0usize..5, 0..4).prop_flat_map(|lengths| {
        let volume = lengths.iter().product::<usize>();
        prop::collection::vec(any::<u8>(), volume).prop_map(move |bytes| Idx::new(lengths.clone(), bytes).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(idx in idx()) {
        prop_assert_eq!(read(&idx.to_bytes()).unwrap(), idx.clone());
        prop_assert_eq!(read(&gzip(&idx.to_bytes())).unwrap(), idx);
    }

    #[test]
    fn any_bytes(begin in 0usize..5, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let begin: &[u8] = [&[][..], &[0, 0, 8], &[0, 0, 8, 1, 0, 0, 0], &[0x1f, 0x8b], &[0x1f, 0x8b, 8, 0]][begin];
        let bytes = [begin, &bytes].concat();
        for file in [bytes.clone(), gzip(&bytes)] {
            match read(&file) {
                // No bytes drawn at random are a whole gzip stream.
                Ok(idx) => prop_assert_eq!(&idx.to_bytes(), &bytes),
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Data);
                    prop_assert!(error.to_string().starts_with("read_idx: a.idx: expected "), "{}", error);
                }
            }
        }
    }

    #[test]
    fn any_beginning_of_a_file(idx in idx(), share in 0.0..1.0) {
        for file in [idx.to_bytes(), gzip(&idx.to_bytes())] {
            let length = (file.len() as f64 * share) as usize;
            prop_assert_eq!(read(&file[..length]).unwrap_err().kind(), ErrorKind::Data);
        }
    }

    #[test]
    fn any_byte_changed(idx in idx(), share in 0.0..1.0, change in 1u8..) {
        let changed = |mut file: Vec<u8>| {
            let at = (file.len() as f64 * share) as usize;
            file[at] ^= change;
            file
        };
        // Without a checksum another array may be read, but no other than the bytes say; with one, only the right one.
        let plain = changed(idx.to_bytes());
        prop_assert!(read(&plain).is_ok_and(|read| read.to_bytes() == plain) || read(&plain).is_err());
        let packed = changed(gzip(&idx.to_bytes()));
        prop_assert!(read(&packed).is_ok_and(|read| read == idx) || read(&packed).is_err());
    }
}
