//! What a packet costs in allocations: a cached login none that matters.

#[path = "../criterion/sample.rs"]
mod sample;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use benches::traffic::Method;
use proto::Packet;
use radiusd::accounting::{Context, read};
use sample::{NOW, Sample};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; this one only counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // No thread-local any more: a thread that ends counts for nobody.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Of this thread, after a first time.
fn allocations(mut work: impl FnMut()) -> usize {
    work();
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn a_cached_login_allocates_nothing_and_a_record_its_columns() {
    let desk = Sample::new(0);
    let mut buffer = Vec::with_capacity(4096);
    let mut answer = |method| {
        let octets = sample::login(method);
        allocations(|| buffer = desk.answer(&octets, std::mem::take(&mut buffer)))
    };
    assert_eq!(answer(Method::Pap), 0);
    assert_eq!(answer(Method::Chap), 0);
    // One for each value that the answer is given.
    assert!(answer(Method::Mschap2) <= 5);

    let octets = sample::accounting();
    let packet = Packet::parse(&octets).unwrap();
    let source = [127, 0, 0, 1].into();
    let context = Context { dictionary: &desk.dictionary, source, receipt: NOW, escape: false };
    // The event itself, and a text for each column that is filled.
    assert!(allocations(|| drop(read(&packet, &context))) <= 30);
}
