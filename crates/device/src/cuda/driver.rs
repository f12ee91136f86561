//! The driver's functions, found by name in the library that is there.
//!
//! All are looked up when the library is opened, so that one that is missing is an error then and no
//! surprise later. The names are those of CUDA 11.4 and later.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::fmt;

/// What a function answers: 0 where it did what it was asked.
type Code = c_int;
/// A place in a device's memory.
pub(super) type DevicePtr = c_ulonglong;

/// The library.
const NAME: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// The code for want of memory, addresses, or mappings.
const OUT_OF_MEMORY: Code = 2;
/// The code for work that is not done yet.
const NOT_READY: Code = 600;

/// Where memory is (`CUmemLocation`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    pub(super) kind: c_int,
    pub(super) id: c_int,
}

/// A location on a device (`CU_MEM_LOCATION_TYPE_DEVICE`).
pub(super) const ON_DEVICE: c_int = 1;

/// What physical memory is like (`CUmemAllocationProp`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties {
    /// 1 is memory that stays where it is (`CU_MEM_ALLOCATION_TYPE_PINNED`).
    pub(super) kind: c_int,
    pub(super) handle_types: c_int,
    pub(super) location: Location,
    pub(super) windows: *mut c_void,
    pub(super) flags: [u8; 8],
}

/// Who may do what with a mapping (`CUmemAccessDesc`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) location: Location,
    /// 3 is to read and to write (`CU_MEM_ACCESS_FLAGS_PROT_READWRITE`).
    pub(super) flags: c_int,
}

/// Why a card cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// There is no driver on this machine.
    #[error("there is no NVIDIA driver: {reason}")]
    NoDriver {
        /// What the system says.
        reason: String,
    },
    /// The driver is from before CUDA 11.4.
    #[error("the NVIDIA driver has no function `{missing}`: it is older than CUDA 11.4")]
    TooOld {
        /// What it lacks.
        missing: &'static str,
    },
    /// The driver shows no such card, or does not let it be used.
    #[error("the NVIDIA driver refuses card {ordinal}: {reason}")]
    Refused {
        /// The card.
        ordinal: u32,
        /// The driver's words.
        reason: String,
    },
    /// The card cannot map memory.
    #[error("card {ordinal} has no virtual memory management")]
    NoVirtualMemory {
        /// The card.
        ordinal: u32,
    },
}

/// A call that the driver did not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    function: &'static str,
    code: Code,
    name: String,
}

impl Refusal {
    /// Whether something ran out: what, the driver leaves to guess.
    pub(super) fn is_shortage(&self) -> bool {
        self.code == OUT_OF_MEMORY
    }

    /// Whether the work that was asked about is not done yet.
    pub(super) fn is_not_ready(&self) -> bool {
        self.code == NOT_READY
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {}", self.name, self.function)
    }
}

macro_rules! functions {
    ($($name:ident = $symbol:literal ($($argument:ident: $kind:ty),*);)*) => {
        /// The functions.
        pub(super) struct Driver {
            $($name: unsafe extern "C" fn($($kind),*) -> Code,)*
            name_of: unsafe extern "C" fn(Code, *mut *const c_char) -> Code,
            /// What the functions are in, which stays as long as they are called.
            _found: libloading::Library,
        }

        #[expect(clippy::too_many_arguments, reason = "as many as the driver's function has")]
        impl Driver {
            /// Finds the library and all its functions.
            pub(super) fn open() -> Result<Self, CudaError> {
                let library = find()?;
                Ok(Self {
                    $($name: function(&library, $symbol)?,)*
                    name_of: function(&library, "cuGetErrorName")?,
                    _found: library,
                })
            }

            $(
                /// # Safety
                ///
                /// What NVIDIA's documentation of the function asks for.
                pub(super) unsafe fn $name(&self, $($argument: $kind),*) -> Result<(), Refusal> {
                    // SAFETY: the caller keeps what is asked for.
                    let code = unsafe { (self.$name)($($argument),*) };
                    if code == 0 { Ok(()) } else { Err(self.refusal($symbol, code)) }
                }
            )*
        }
    };
}

functions! {
    init = "cuInit"(flags: c_uint);
    device = "cuDeviceGet"(device: *mut c_int, ordinal: c_int);
    attribute = "cuDeviceGetAttribute"(value: *mut c_int, attribute: c_int, device: c_int);
    can_access_peer = "cuDeviceCanAccessPeer"(can: *mut c_int, device: c_int, peer: c_int);
    retain_context = "cuDevicePrimaryCtxRetain"(context: *mut *mut c_void, device: c_int);
    release_context = "cuDevicePrimaryCtxRelease_v2"(device: c_int);
    current_context = "cuCtxGetCurrent"(context: *mut *mut c_void);
    push_context = "cuCtxPushCurrent_v2"(context: *mut c_void);
    pop_context = "cuCtxPopCurrent_v2"(context: *mut *mut c_void);
    wait_for_context = "cuCtxSynchronize"();
    memory = "cuMemGetInfo_v2"(free: *mut usize, total: *mut usize);
    granule = "cuMemGetAllocationGranularity"(
        granule: *mut usize,
        properties: *const Properties,
        which: c_int
    );
    allocate = "cuMemAlloc_v2"(addr: *mut DevicePtr, size: usize);
    free = "cuMemFree_v2"(addr: DevicePtr);
    reserve = "cuMemAddressReserve"(
        addr: *mut DevicePtr,
        size: usize,
        alignment: usize,
        wanted: DevicePtr,
        flags: c_ulonglong
    );
    unreserve = "cuMemAddressFree"(addr: DevicePtr, size: usize);
    create = "cuMemCreate"(
        handle: *mut c_ulonglong,
        size: usize,
        properties: *const Properties,
        flags: c_ulonglong
    );
    release = "cuMemRelease"(handle: c_ulonglong);
    map = "cuMemMap"(
        addr: DevicePtr,
        size: usize,
        offset: usize,
        handle: c_ulonglong,
        flags: c_ulonglong
    );
    set_access = "cuMemSetAccess"(
        addr: DevicePtr,
        size: usize,
        access: *const Access,
        count: usize
    );
    unmap = "cuMemUnmap"(addr: DevicePtr, size: usize);
    zero = "cuMemsetD8_v2"(addr: DevicePtr, byte: u8, size: usize);
    copy_to_host = "cuMemcpyDtoH_v2"(to: *mut c_void, from: DevicePtr, size: usize);
    make_event = "cuEventCreate"(event: *mut *mut c_void, flags: c_uint);
    record_event = "cuEventRecord"(event: *mut c_void, stream: *mut c_void);
    query_event = "cuEventQuery"(event: *mut c_void);
    wait_for_event = "cuEventSynchronize"(event: *mut c_void);
    destroy_event = "cuEventDestroy_v2"(event: *mut c_void);
    make_stream = "cuStreamCreate"(stream: *mut *mut c_void, flags: c_uint);
    wait_for_stream = "cuStreamSynchronize"(stream: *mut c_void);
    make_stream_wait = "cuStreamWaitEvent"(
        stream: *mut c_void,
        event: *mut c_void,
        flags: c_uint
    );
    destroy_stream = "cuStreamDestroy_v2"(stream: *mut c_void);
    begin_capture = "cuStreamBeginCapture_v2"(stream: *mut c_void, mode: c_int);
    end_capture = "cuStreamEndCapture"(stream: *mut c_void, captured: *mut *mut c_void);
    instantiate = "cuGraphInstantiateWithFlags"(
        graph: *mut *mut c_void,
        captured: *mut c_void,
        flags: c_ulonglong
    );
    launch_graph = "cuGraphLaunch"(graph: *mut c_void, stream: *mut c_void);
    destroy_graph = "cuGraphExecDestroy"(graph: *mut c_void);
    destroy_captured = "cuGraphDestroy"(captured: *mut c_void);
    load_module = "cuModuleLoadData"(module: *mut *mut c_void, image: *const c_void);
    unload_module = "cuModuleUnload"(module: *mut c_void);
    find_kernel = "cuModuleGetFunction"(
        kernel: *mut *mut c_void,
        module: *mut c_void,
        name: *const c_char
    );
    launch = "cuLaunchKernel"(
        kernel: *mut c_void,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared_bytes: c_uint,
        stream: *mut c_void,
        arguments: *mut *mut c_void,
        extra: *mut *mut c_void
    );
}

impl Driver {
    fn refusal(&self, function: &'static str, code: Code) -> Refusal {
        let mut name = std::ptr::null();
        // SAFETY: it writes the address of a text that stays, or none.
        let known = unsafe { (self.name_of)(code, &raw mut name) };
        let name = if known == 0 && !name.is_null() {
            // SAFETY: the text ends with a zero and stays.
            let name = unsafe { CStr::from_ptr(name) };
            name.to_string_lossy().into_owned()
        } else {
            format!("error {code}")
        };
        Refusal { function, code, name }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Driver").finish_non_exhaustive()
    }
}

fn find() -> Result<libloading::Library, CudaError> {
    // SAFETY: what runs when it is loaded is the driver's own, which any program on a card loads.
    let found = unsafe { libloading::Library::new(NAME) };
    found.map_err(|error| CudaError::NoDriver { reason: error.to_string() })
}

/// A function of the library, of the type that it is declared with where it is kept.
fn function<T: Copy>(library: &libloading::Library, symbol: &'static str) -> Result<T, CudaError> {
    // SAFETY: the types in the table are those of the driver's header.
    let found = unsafe { library.get::<T>(symbol.as_bytes()) };
    found.map(|found| *found).map_err(|_| CudaError::TooOld { missing: symbol })
}
