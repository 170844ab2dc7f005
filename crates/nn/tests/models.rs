//! Layers, models, files, training.

use rand::SeedableRng;
use rand::rngs::StdRng;
use wengert_autograd::{ErrorKind, StateDict, Tape, Tensor, Var};
use wengert_nn::{self as nn, *};
use wengert_optim::{Adam, Optimizer};

fn rng() -> StdRng {
    StdRng::seed_from_u64(3)
}

#[derive(Clone, Debug, Module)]
#[module(crate = wengert_nn)]
struct Mlp {
    hidden: Linear,
    out: Linear,
    #[module(skip)]
    #[allow(dead_code)]
    name: String,
}

impl Mlp {
    fn new() -> Self {
        let mut rng = rng();
        Mlp { hidden: Linear::new(2, 8, &mut rng), out: Linear::new(8, 1, &mut rng), name: "mlp".into() }
    }
}

impl Layer for Mlp {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.out.forward(self.hidden.forward(x).tanh())
    }
}

fn sequential() -> Sequential {
    let mut rng = rng();
    Sequential::new().push(Linear::new(2, 8, &mut rng)).push(Activation::Tanh).push(Linear::new(8, 1, &mut rng))
}

fn xor() -> (Tensor, Tensor) {
    (Tensor::from([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), Tensor::from([[0.0], [1.0], [1.0], [0.0]]))
}

fn learns_xor(mut model: impl Layer) {
    let (x, y) = xor();
    let mut optimizer = Adam::new(0.05);
    let mut last = f32::INFINITY;
    let mut tape = Tape::new();
    for _ in 0..400 {
        tape.clear();
        let loss = loss::mse(model.forward(tape.constant(&x)), tape.constant(&y));
        let grads = loss.backward().unwrap();
        last = loss.item().unwrap();
        optimizer.step(&mut model, &grads).unwrap();
    }
    assert!(last < 0.01, "{last}");
}

#[test]
fn xor_is_learnt() {
    learns_xor(sequential());
    learns_xor(Mlp::new());
}

#[test]
fn models_cross_threads() {
    fn assert_send_sync<T: Send + Sync + Clone>(_: &T) {}
    assert_send_sync(&sequential());
    assert_send_sync(&Mlp::new());
}

#[test]
fn a_clone_is_independent() {
    let model = sequential();
    let mut clone = model.clone();
    assert_eq!(clone.state_dict(), model.state_dict());
    for (a, b) in model.parameters().into_iter().zip(clone.parameters()) {
        assert_ne!(a.id(), b.id());
    }
    let before = model.state_dict();
    clone.parameters_mut().into_iter().for_each(|parameter| parameter.as_mut_slice().fill(0.0));
    assert_eq!(model.state_dict(), before);
}

#[test]
fn linear_takes_any_rank() {
    let layer: Linear<f64> = Linear::from_parts([[1.0, 2.0], [0.0, -1.0]], Some([0.5, 0.0].into())).unwrap();
    let tape = Tape::new();
    for (shape, out) in [(vec![2], vec![2]), (vec![3, 2], vec![3, 2]), (vec![4, 3, 2], vec![4, 3, 2])] {
        let y = layer.forward(tape.input(Tensor::ones(shape)));
        assert_eq!(y.shape()[..], out[..]);
        assert_eq!(y.value().unwrap().as_slice()[..2], [3.5, -1.0]);
    }
}

#[test]
fn a_wrong_width_names_scope_and_shapes() {
    let model = sequential();
    let tape = Tape::new();
    let error = model.forward(tape.constant(Tensor::zeros([5, 3]))).item().unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("linear: input [5, 3] does not fit weight [8, 2]: its last axis must have length 2"),
        "{text}"
    );
    assert!(text.ends_with("in scope \"0\""), "{text}");
    let error = Linear::<f32>::new(3, 2, &mut rng()).forward(Tape::new().scalar(1.0)).item().unwrap_err();
    assert!(error.to_string().starts_with("linear: input [] does not fit weight [2, 3]"), "{error}");
}

#[test]
fn initial_values_of_linear() {
    let layer: Linear = Linear::new(400, 300, &mut rng());
    for parameter in [&layer.weight, layer.bias.as_ref().unwrap()] {
        let values = parameter.value().as_slice();
        assert!(values.iter().all(|value| value.abs() <= 0.05));
        assert!(values.iter().any(|value| value.abs() > 0.045));
    }
    let bare: Linear = Linear::builder(4, 3).bias(false).init(|shape, _| nn::init::ones(shape)).build(&mut rng());
    assert_eq!(bare.weight.value().as_slice(), [1.0; 12]);
    assert_eq!(bare.named_parameters().len(), 1);
}

#[test]
fn dropout_only_in_training() {
    let layer = Dropout::new(0.25);
    let x = Tensor::<f32>::ones([10_000]);
    let (evaluation, training) = (Tape::new(), Tape::training(5));
    assert_eq!(layer.forward(evaluation.constant(&x)).value().unwrap(), x);
    let y = layer.forward(training.constant(&x)).value().unwrap();
    let zeros = y.as_slice().iter().filter(|&&value| value == 0.0).count();
    assert!((2_250..2_750).contains(&zeros), "{zeros}");
    assert!(y.as_slice().iter().all(|&value| value == 0.0 || (value - 4.0 / 3.0).abs() < 1e-6));
    let all = Dropout::new(1.0).forward(training.constant(&x)).value().unwrap();
    assert!(all.as_slice().iter().all(|&value| value == 0.0));
    let text = Dropout::new(1.5).forward(evaluation.constant(&x)).value().unwrap_err().to_string();
    assert!(text.starts_with("dropout: the probability is 1.5, but must be from 0 to 1"), "{text}");
}

#[test]
fn state_dicts_go_round() {
    let (model, mut other) = (Mlp::new(), Mlp::new());
    other.parameters_mut().into_iter().for_each(|parameter| parameter.as_mut_slice().fill(0.0));
    let id = other.hidden.weight.id();
    other.out.weight.freeze();
    other.load_state_dict(&model.state_dict()).unwrap();
    assert_eq!(other.state_dict(), model.state_dict());
    assert_eq!(other.hidden.weight.id(), id);
    assert!(!other.out.weight.is_trained());
}

#[test]
fn all_differences_are_named_and_nothing_is_loaded() {
    let mut model = Mlp::new();
    let before = model.state_dict();
    let mut dict: StateDict = before.clone();
    dict.remove("out.bias");
    dict.insert("hidden.weight", Tensor::zeros([2, 8]));
    dict.insert("head.weight", Tensor::zeros([1]));
    let error = model.load_state_dict(&dict).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    let text = "load_state_dict: missing: \"out.bias\"; unexpected: \"head.weight\"; \
                shapes differ: \"hidden.weight\" is [8, 2] in the model, [2, 8] here";
    assert_eq!(error.to_string(), text);
    assert_eq!(model.state_dict(), before);
}

/// A folder of its own, gone at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wengert-nn-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files() {
    let folder = Folder::new("files");
    let path = folder.0.join("model.safetensors");
    let model = sequential();
    nn::save(&Mlp::new(), &path).unwrap();
    nn::save(&model, &path).unwrap();
    let names: Vec<_> = std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["model.safetensors"]);
    let mut other = sequential();
    other.parameters_mut().into_iter().for_each(|parameter| parameter.as_mut_slice().fill(0.0));
    nn::load(&mut other, &path).unwrap();
    assert_eq!(other.state_dict(), model.state_dict());

    let before = other.state_dict();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = nn::load(&mut other, &path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    assert_eq!(other.state_dict(), before);
    assert_eq!(nn::load(&mut other, folder.0.join("none")).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(nn::save(&other, folder.0.join("none/model")).unwrap_err().kind(), ErrorKind::Io);
    nn::save(&other, folder.0.join("other.safetensors")).unwrap();
    let error = nn::load(&mut Mlp::new(), folder.0.join("other.safetensors")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
}

#[test]
fn f64_files_and_optimisers() {
    let folder = Folder::new("f64");
    let path = folder.0.join("state.safetensors");
    let mut model: Linear<f64> = Linear::new(2, 1, &mut rng());
    let tape = Tape::new();
    let grads = model.forward(tape.constant([[0.1, 0.2]])).sum().backward().unwrap();
    let mut optimizer = Adam::new(0.1);
    optimizer.step(&mut model, &grads).unwrap();
    nn::save_state(&optimizer.state_dict(), &path).unwrap();
    assert_eq!(nn::load_state::<f64>(&path).unwrap(), optimizer.state_dict());
    assert_eq!(nn::load_state::<f32>(&path).unwrap_err().kind(), ErrorKind::Data);
}
