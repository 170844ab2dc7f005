//! Mistakes outside formulas: files, data sets, state dicts, options, and arguments without sense.

use wengert::prelude::*;
use wengert::{IndexTensor, StateDict, data};

use crate::bad_input::tells;
use crate::model::Mlp;

#[test]
fn idx_files() {
    let read = |bytes: &[u8]| data::read_idx(bytes, "train");
    tells(
        read(&[]),
        "read_idx: train: expected an IDX header of at least 4 bytes, found 0; the file is cut off: \
            fetch or write it again",
    );
    tells(
        read(&[0, 0, 8]),
        "read_idx: train: expected an IDX header of at least 4 bytes, found 3; the file is cut off: \
            fetch or write it again",
    );
    tells(
        read(&[0, 0, 8, 2, 0, 0]),
        "read_idx: train: expected 8 bytes for the lengths of 2 axes, found 2; the file is cut off: \
            fetch or write it again",
    );
    tells(
        read(b"PK\x03\x04 and more"),
        "read_idx: train: expected an IDX file, which begins [00, 00, 08], found [50, 4b, 03, 04]; \
            it looks like a zip archive: unpack it first",
    );
    tells(
        read(&[0, 0, 13, 1, 0, 0, 0, 0]),
        "read_idx: train: expected elements of type 0x08 (unsigned byte), found 0x0d (32-bit float); \
            convert the array to unsigned bytes before writing it",
    );
    tells(
        read(&[0, 0, 8, 1, 0, 0, 0, 3, 5, 0]),
        "read_idx: train: expected 3 bytes for axes [3], found 2; the file is cut off: fetch or write it again",
    );
    tells(
        read(&[0, 0, 8, 1, 0, 0, 0, 1, 5, 0]),
        "read_idx: train: expected 1 bytes for axes [1], found more; the header is damaged, or \
            something else was appended",
    );
    tells(
        read(&[&[0, 0, 8, 3][..], &[255; 12]].concat()),
        "read_idx: train: expected axes whose product fits into memory, found [4294967295, \
            4294967295, 4294967295]; the header is damaged",
    );
    let error = read(&[&[0, 0, 8, 255][..], &[255; 4 * 255]].concat()).expect_err("255 axes").to_string();
    assert!(error.starts_with("read_idx: train: expected axes whose product fits into memory, found ["), "{error}");
    tells(
        read(&[0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]).and_then(|labels| labels.expect_rank(3)),
        "read_idx: train: expected 3 axes, found 1: [3]; images have 3 axes, labels 1: is it the right file?",
    );
    tells(
        read(&[0x1f, 0x8b, 8, 0, 0]),
        "read_idx: train: expected a whole gzip stream, found one that ends early; the file is cut \
            off: fetch or write it again",
    );
    let folder = std::env::temp_dir().join(format!("wengert-idx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (images, labels) = (folder.join("images"), folder.join("labels"));
    std::fs::write(&images, [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 9]).expect("written");
    std::fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]).expect("written");
    let error = data::Mnist::read(&images, &labels).expect_err("2 images, 3 labels").to_string();
    std::fs::remove_dir_all(&folder).expect("removed");
    assert_eq!(
        error.replace(&folder.display().to_string(), "DIR"),
        "read_idx: DIR/images: expected images of 28 x 28, found axes [2, 1, 1]; other sizes can be \
            read with Idx::open"
    );
}

#[test]
fn data_sets() {
    let points = data::moons(10, 0.1, 0);
    let first = |size| points.loader(size).shuffle(1).into_iter().next().expect("one item");
    tells(first(0), "Loader: a batch size of 0; a batch needs at least one row");
    assert_eq!(points.loader(0).into_iter().count(), 1);
    tells(points.batch(&[10]), "take_rows: row 10 of an operand of shape [10, 2]; its rows are 0 to 9");
    tells(
        points.split(1.5, 0).map(|_| ()),
        "Dataset::split: a fraction of 1.5; the first part's share of the rows is between 0 and 1, for example 0.8",
    );
    tells(
        points.split(f64::NAN, 0).map(|_| ()),
        "Dataset::split: a fraction of NaN; the first part's share of the rows is between 0 and 1, for example 0.8",
    );
    tells(
        data::Dataset::new(Tensor::<f32>::ones([2, 1]), IndexTensor::from([0])),
        "Dataset::new: inputs have 2 rows, targets 1; each input needs one target, along the first axis",
    );
    tells(
        data::Dataset::new(Tensor::scalar(1.0f32), IndexTensor::from([0])),
        "Dataset::new, inputs: an operand of shape [] has no rows; give it a first axis with reshape",
    );
    assert_eq!(data::moons(0, 0.1, 0).loader(4).into_iter().count(), 0);
}

#[test]
fn state_dicts() -> Result<()> {
    let mut model = Mlp::new(3, 4, 2, 1);
    let before = model.state_dict();
    let mut dict: StateDict = before
        .iter()
        .filter(|(path, _)| *path != "out.bias")
        .map(|(path, tensor)| (path.to_string(), tensor.clone()))
        .collect();
    dict.insert("extra.weight".to_string(), Tensor::ones([1]));
    dict.insert("first.bias".to_string(), Tensor::ones([7]));
    tells(
        model.load_state_dict(&dict),
        "load_state_dict: missing: \"out.bias\"; unexpected: \"extra.weight\"; shapes differ: \
            \"first.bias\" is [4] in the model, [7] here",
    );
    assert_eq!(model.state_dict(), before, "a dict that does not fit changes nothing");
    tells(
        Adam::<f32>::new(0.1).load_state_dict(&before),
        "load_state_dict: unexpected: \"first.bias\"; unexpected: \"first.weight\"; unexpected: \
            \"out.bias\"; unexpected: \"out.weight\"; unexpected: \"second.bias\"; unexpected: \
            \"second.weight\"",
    );

    let path = std::env::temp_dir().join(format!("wengert-state-{}.safetensors", std::process::id()));
    let mut load = |expected: &str| {
        let outcome = nn::load(&mut model, &path).expect_err("no model");
        let text = outcome.to_string().replace(&path.display().to_string(), "FILE");
        assert_eq!(text, expected);
    };
    load("can't read FILE: No such file or directory (os error 2)");
    std::fs::write(&path, [255; 40])?;
    load("no safetensors file: header too large; the file is FILE");
    nn::save(&Mlp::new(3, 4, 1, 1), &path)?;
    load(
        "load_state_dict: shapes differ: \"out.weight\" is [2, 4] in the model, [1, 4] here, \
            \"out.bias\" is [2] in the model, [1] here; the file is FILE",
    );
    let whole = std::fs::read(&path)?;
    std::fs::write(&path, &whole[..whole.len() - 1])?;
    load("no safetensors file: incomplete metadata, file not fully covered; the file is FILE");
    std::fs::remove_file(&path)?;
    assert_eq!(model.state_dict(), before);
    Ok(())
}

/// Files cut off anywhere, with bytes changed, appended or claimed: an error that names the file, or a model of the same
/// shapes where only numbers were hit.
#[test]
fn damaged_files() -> Result<()> {
    let path = std::env::temp_dir().join(format!("wengert-damaged-{}.safetensors", std::process::id()));
    nn::save(&Mlp::new(3, 4, 2, 1), &path)?;
    let whole = std::fs::read(&path)?;
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("8 bytes")) as usize;
    let mut files: Vec<Vec<u8>> = (0..whole.len()).step_by(7).map(|length| whole[..length].to_vec()).collect();
    files.push([&whole[..], &[0; 4]].concat());
    for length in [0, 1, header as u64 - 7, 1 << 31, u64::MAX - 7, u64::MAX] {
        files.push([&length.to_le_bytes(), &whole[8..]].concat());
    }
    for claim in [
        r#"{"first.weight":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}"#,
        r#"{"first.weight":{"dtype":"F32","shape":[1,18446744073709551615],"data_offsets":[0,18446744073709551612]}}"#,
        r#"{"first.weight":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
        r#"{"first.weight":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}"#,
        r#"{"first.weight":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        "{}",
        "",
    ] {
        files.push([&(claim.len() as u64).to_le_bytes(), claim.as_bytes(), &[0; 4]].concat());
    }
    let certain = files.len();
    // The header is text: most changes make it another one that does not fit.
    files.extend((0..2000).map(|i| {
        let (mut damaged, place) = (whole.clone(), (i * 2_654_435_761) % header);
        damaged[place] ^= 1 << (i % 8);
        damaged
    }));
    let mut refused = 0;
    for (i, file) in files.iter().enumerate() {
        std::fs::write(&path, file)?;
        let mut model = Mlp::new(3, 4, 2, 2);
        let before = model.state_dict();
        match nn::load(&mut model, &path) {
            Ok(()) => assert!(i >= certain, "file {i} is whole"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(&path.display().to_string()), "{error}");
                assert_eq!(model.state_dict(), before, "{error}");
            }
        }
    }
    std::fs::remove_file(&path)?;
    assert!(refused > certain + 1000, "only {refused} of {} files", files.len());
    Ok(())
}

#[test]
fn options_of_optimisers() -> Result<()> {
    let mut model = Param::new(Tensor::from([1.0f32, 2.0]));
    let tape = Tape::<f32>::new();
    let grads = tape.param(&model).square().sum().backward()?;
    let mut step = |mut optimizer: Box<dyn Optimizer>, expected: &str| {
        tells(optimizer.step(&mut model, &grads), expected);
        assert_eq!(model.value().as_slice(), [1.0, 2.0]);
    };
    for rate in [f64::NAN, -0.1, f64::INFINITY] {
        let text = format!("step: the learning rate is {rate}, but must be a finite number of at least 0");
        step(Box::new(Sgd::new(rate)), &text);
        step(Box::new(Adam::new(rate)), &text);
        step(Box::new(AdamW::new(rate)), &text);
        let mut later = Adam::new(0.1);
        later.set_learning_rate(rate);
        step(Box::new(later), &text);
    }
    step(Box::new(Sgd::new(0.1).momentum(-1.0)), "step: momentum is -1, but must be a finite number of at least 0");
    step(
        Box::new(Sgd::new(0.1).weight_decay(f64::NAN)),
        "step: weight_decay is NaN, but must be a finite number of at least 0",
    );
    step(Box::new(Adam::new(0.1).betas(0.9, 1.0)), "step: a beta is 1, but must be at least 0 and below 1");
    step(Box::new(Adam::new(0.1).eps(f64::NAN)), "step: eps is NaN, but must be a finite number of at least 0");
    Ok(())
}

/// Numbers without sense are refused or give what they say, but nothing panics.
#[test]
fn strange_arguments() -> Result<()> {
    assert_eq!(Tensor::arange(0.0f32, 1.0, 0.0).len(), 0);
    assert_eq!(Tensor::arange(0.0f32, f32::NAN, 1.0).len(), 0);
    assert_eq!(Tensor::linspace(0.0f32, 1.0, 0).len(), 0);
    assert_eq!(Tensor::<f32>::eye(0).len(), 0);
    assert_eq!(data::permutation(0, 1).len(), 0);
    let mut rng: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(1);
    assert!(Tensor::rand_uniform([4], 1.0f32, -1.0, &mut rng).is_finite());
    let nothing: Linear = Linear::new(0, 0, &mut rng);
    assert_eq!(*nothing.forward(Tape::<f32>::new().input(Tensor::zeros([2, 0]))).value()?.shape(), [2, 0]);
    let tape = Tape::<f32>::new();
    let mut grads = tape.input([3.0f32]).square().sum().backward()?;
    assert_eq!(grads.clip_norm(f64::NAN), 0.0);
    Ok(())
}
