//! The embedded images, and folders of files in every shape they come in.

use std::fs;
use std::path::{Path, PathBuf};

use wengert_autograd::ErrorKind;
use wengert_data::{Idx, ImageSet, Mnist, mnist};

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a set of `n` images whose pixels are all `n`, with labels 0, 1, 2, ... up to 9 and again.
fn write(folder: &Path, set: &str, sign: char, n: usize) {
    let images = Idx::new([n, 28, 28], vec![n as u8; n * 784]).unwrap();
    let labels = Idx::new([n], (0..n).map(|i| (i % 10) as u8).collect()).unwrap();
    fs::write(folder.join(format!("{set}-images{sign}idx3-ubyte")), images.to_bytes()).unwrap();
    fs::write(folder.join(format!("{set}-labels{sign}idx1-ubyte")), labels.to_bytes()).unwrap();
}

/// The grey levels as they are in the file.
fn levels(set: &ImageSet) -> impl Iterator<Item = u64> {
    set.inputs().as_slice().iter().map(|&value| (value * 255.0).round() as u64)
}

/// Sums over the unpacked files, weighted by position so that an exchange of two bytes is seen, too.
#[test]
fn embedded_images() {
    let (train, test) = mnist().unwrap();
    let expected = [
        (&train, 10_000, 263_523_172, 8_623_917_419_863, 225_160_435),
        (&test, 1_000, 26_703_247, 866_099_975_147, 2_249_008),
    ];
    for (set, n, sum, weighted, weighted_labels) in expected {
        assert_eq!((set.len(), &**set.inputs().shape(), &**set.targets().shape()), (n, &[n, 784][..], &[n][..]));
        for class in 0..10 {
            assert_eq!(set.targets().as_slice().iter().filter(|&&label| label == class).count(), n / 10);
        }
        assert_eq!(levels(set).sum::<u64>(), sum);
        assert_eq!(levels(set).zip(0u64..).map(|(value, i)| (i % 65_521 + 1) * value).sum::<u64>(), weighted);
        let labels = set.targets().as_slice().iter().zip(1..);
        assert_eq!(labels.map(|(&label, i)| label * i).sum::<usize>(), weighted_labels);
        assert!(set.inputs().as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(set.inputs().as_slice().contains(&1.0));
    }
}

#[test]
fn names_with_a_dot_and_with_a_hyphen() {
    let folder = folder("names");
    write(&folder, "train", '-', 12);
    write(&folder, "t10k", '.', 3);
    // A folder of the name of a file is what some archives unpack to.
    fs::create_dir(folder.join("t10k-labels-idx1-ubyte")).unwrap();
    let (train, test) = Mnist::open(&folder).unwrap();
    assert_eq!((train.len(), test.len()), (12, 3));
    assert_eq!(train.inputs().get(&[11, 783]), Some(12.0 / 255.0));
    assert_eq!(train.targets().as_slice(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
}

#[test]
fn no_images_at_all() {
    let folder = folder("none");
    write(&folder, "train", '-', 0);
    write(&folder, "t10k", '-', 0);
    let (train, _) = Mnist::open(&folder).unwrap();
    assert_eq!(*train.inputs().shape(), [0, 784]);
    assert_eq!(train.loader(8).into_iter().count(), 0);
}

#[test]
fn a_missing_file() {
    let folder = folder("missing");
    write(&folder, "train", '-', 2);
    let error = Mnist::open(&folder).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let text = format!(
        "Mnist::open: {}: no file t10k-images-idx3-ubyte or t10k-images.idx3-ubyte, plain or with .gz; \
         the four files of MNIST have to lie in this folder",
        folder.display()
    );
    assert_eq!(error.to_string(), text);
    let gone = folder.join("gone");
    let error = Mnist::read(&gone, &gone).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with(&format!("read_idx: {}: can't be read: ", gone.display())), "{error}");
}

/// Reads one set after its labels or images were replaced.
#[track_caller]
fn refused(name: &str, images: (&[usize], u8), labels: (&[usize], u8), text: &str) {
    let folder = folder(name);
    let [images, labels] = [("images", images), ("labels", labels)].map(|(name, (shape, value))| {
        let path = folder.join(name);
        let idx = Idx::new(shape, vec![value; shape.iter().product()]).unwrap();
        fs::write(&path, idx.to_bytes()).unwrap();
        path
    });
    let error = Mnist::read(&images, &labels).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(error.to_string().replace(&format!("{}/", folder.display()), ""), text);
}

#[test]
fn pairs_that_do_not_fit() {
    let hint = "images have 3 axes, labels 1: is it the right file?";
    let text = format!("read_idx: images: expected 3 axes, found 1: [4]; {hint}");
    refused("swapped", (&[4], 0), (&[4, 28, 28], 0), &text);
    let text = format!("read_idx: labels: expected 1 axis, found 2: [4, 1]; {hint}");
    refused("columns", (&[4, 28, 28], 0), (&[4, 1], 0), &text);
    let text = "read_idx: images: expected images of 28 x 28, found axes [4, 28, 27]; \
                other sizes can be read with Idx::open";
    refused("small", (&[4, 28, 27], 0), (&[4], 0), text);
    let text = "read_idx: labels: expected 4 labels, as many as images in images, found 5; \
                are both files of the same set?";
    refused("counts", (&[4, 28, 28], 0), (&[5], 0), text);
    let text = "read_idx: labels: expected labels from 0 to 9, found 10 at position 0; \
                sets with other classes can be read with Idx::open";
    refused("classes", (&[4, 28, 28], 0), (&[4], 10), text);
}
