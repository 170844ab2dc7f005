//! interim
/// interim
pub fn threads() -> usize {
    1
}
/// interim
pub fn run(tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..tasks).for_each(task)
}
