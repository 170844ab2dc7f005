//! More tapes at the same time than there are numbers for. This file holds one test, because the numbers are the process's.

use wengert_autograd::scalar::Tape;

#[test]
fn too_many_tapes_are_refused() {
    let mut tapes: Vec<Tape> = (0..65_535).map(|_| Tape::new()).collect();
    let panic = std::panic::catch_unwind(Tape::<f64>::new).expect_err("no number is left");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("more than 65535 tapes at the same time"), "{message}");
    // One given back is enough for another one.
    tapes.swap_remove(12_345);
    let tape = Tape::new();
    let (x, y) = (tape.var(3.0), tapes[500].var(2.0));
    assert_eq!(((x * x).backward().wrt(x), (y * y).backward().wrt(y)), (6.0, 4.0));
}
