//! Kernels of a card.

use std::ffi::{CStr, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use super::context::{Context, Refusal};
use super::stream::Stream;

/// Kernels that the driver compiled.
#[derive(Debug)]
pub(super) struct Module {
    context: Arc<Context>,
    raw: *mut c_void,
}

/// A kernel of a module, which it keeps.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    raw: *mut c_void,
    _module: Arc<Module>,
}

// SAFETY: the driver's functions may be called from any thread, and the pointer is only handed to them.
unsafe impl Send for Module {}
// SAFETY: likewise.
unsafe impl Sync for Module {}
// SAFETY: likewise.
unsafe impl Send for Kernel {}
// SAFETY: likewise.
unsafe impl Sync for Kernel {}

impl Module {
    /// Has kernels compiled from their text in PTX.
    pub(super) fn compile(
        context: Arc<Context>,
        text: &'static CStr,
    ) -> Result<Arc<Self>, Refusal> {
        let mut module = null_mut();
        {
            let _entered = context.enter()?;
            // SAFETY: the text ends with a zero, and it writes to a place of ours.
            unsafe { context.driver.load_module(&raw mut module, text.as_ptr().cast()) }?;
        }
        Ok(Arc::new(Self { context, raw: module }))
    }

    pub(super) fn kernel(self: &Arc<Self>, name: &CStr) -> Result<Kernel, Refusal> {
        let _entered = self.context.enter()?;
        let mut kernel = null_mut();
        // SAFETY: the module lives, the name ends with a zero, and it writes to a place of ours.
        unsafe { self.context.driver.find_kernel(&raw mut kernel, self.raw, name.as_ptr()) }?;
        Ok(Kernel { raw: kernel, _module: Arc::clone(self) })
    }
}

impl Kernel {
    /// Queues it on a stream.
    pub(super) fn launch(
        &self,
        stream: &Stream,
        blocks: u32,
        threads: u32,
        arguments: [u64; 4],
    ) -> Result<(), Refusal> {
        let _entered = stream.context.enter()?;
        let mut arguments = arguments;
        let mut places = arguments.each_mut().map(|argument| (&raw mut *argument).cast::<c_void>());
        // SAFETY: stream and kernel live, and no kernel of ours has more arguments, which are read
        // before the call answers.
        unsafe {
            stream.context.driver.launch(
                self.raw,
                blocks,
                1,
                1,
                threads,
                1,
                1,
                0,
                stream.raw,
                places.as_mut_ptr(),
                null_mut(),
            )
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: it was loaded, and this is the only time; no kernel of it is left.
            let _ = unsafe { self.context.driver.unload_module(self.raw) };
        }
    }
}
