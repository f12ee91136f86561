"""The calls of an NVIDIA driver that `calibrate.py` times, from Python."""

import ctypes
import sys

PAGE = 2 << 20

SPIN = b"""
.version 7.0
.target sm_60
.address_size 64
.visible .entry spin(.param .u64 nanos)
{
    .reg .u64 %t<4>;
    .reg .pred %again;
    ld.param.u64 %t0, [nanos];
    mov.u64 %t1, %globaltimer;
LOOP:
    mov.u64 %t2, %globaltimer;
    sub.u64 %t3, %t2, %t1;
    setp.lt.u64 %again, %t3, %t0;
    @%again bra LOOP;
    ret;
}
\0"""


class Location(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("id", ctypes.c_int)]


class Properties(ctypes.Structure):
    """CUmemAllocationProp."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("handle_types", ctypes.c_int),
        ("location", Location),
        ("windows", ctypes.c_void_p),
        ("flags", ctypes.c_ubyte * 8),
    ]


class Access(ctypes.Structure):
    """CUmemAccessDesc."""

    _fields_ = [("location", Location), ("flags", ctypes.c_int)]


class Refused(Exception):
    """A call that the driver did not carry out."""


class Driver:
    """The calls, each of which raises `Refused` where it fails."""

    def __init__(self, ordinal):
        try:
            self.loaded = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            sys.exit(f"no NVIDIA driver: {error}")
        self.call("cuInit", 0)
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), ordinal)
        self.device = device.value
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self.call("cuCtxSetCurrent", context)
        device_memory = Location(type=1, id=self.device)
        self.properties = Properties(type=1, location=device_memory)
        self.access = Access(location=device_memory, flags=3)

    def call(self, name, *arguments):
        code = getattr(self.loaded, name)(*arguments)
        if code != 0:
            raise Refused(f"{name} failed: error {code} of the driver")

    def name(self):
        text = ctypes.create_string_buffer(100)
        self.call("cuDeviceGetName", text, 100, self.device)
        return text.value.decode()

    def version(self):
        version = ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        return f"{version.value // 1000}.{version.value % 1000 // 10}"

    def granule(self):
        size = ctypes.c_size_t()
        self.call("cuMemGetAllocationGranularity", ctypes.byref(size), ctypes.byref(self.properties), 0)
        return size.value

    def reserve(self, size):
        addr = ctypes.c_uint64()
        nothing = ctypes.c_uint64(0)
        size, align = ctypes.c_size_t(size), ctypes.c_size_t(0)
        self.call("cuMemAddressReserve", ctypes.byref(addr), size, align, nothing, nothing)
        return addr.value

    def unreserve(self, addr, size):
        self.call("cuMemAddressFree", ctypes.c_uint64(addr), ctypes.c_size_t(size))

    def create(self, pages=1):
        handle = ctypes.c_uint64()
        size, nothing = ctypes.c_size_t(pages * PAGE), ctypes.c_uint64(0)
        self.call("cuMemCreate", ctypes.byref(handle), size, ctypes.byref(self.properties), nothing)
        return handle.value

    def maps_part(self, addr, handle, offset):
        """Whether one page of a larger handle is mapped from an offset on."""
        size, nothing = ctypes.c_size_t(PAGE), ctypes.c_uint64(0)
        part = ctypes.c_size_t(offset)
        return self.loaded.cuMemMap(ctypes.c_uint64(addr), size, part, ctypes.c_uint64(handle), nothing) == 0

    def release(self, handle):
        self.call("cuMemRelease", ctypes.c_uint64(handle))

    def map(self, addr, handle, pages=1):
        size, offset, nothing = ctypes.c_size_t(pages * PAGE), ctypes.c_size_t(0), ctypes.c_uint64(0)
        self.call("cuMemMap", ctypes.c_uint64(addr), size, offset, ctypes.c_uint64(handle), nothing)

    def set_access(self, addr, size):
        one = ctypes.c_size_t(1)
        self.call("cuMemSetAccess", ctypes.c_uint64(addr), ctypes.c_size_t(size), ctypes.byref(self.access), one)

    def unmap(self, addr, size):
        self.call("cuMemUnmap", ctypes.c_uint64(addr), ctypes.c_size_t(size))

    def allocate(self, size):
        addr = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(addr), ctypes.c_size_t(size))
        return addr.value

    def free(self, addr):
        self.call("cuMemFree_v2", ctypes.c_uint64(addr))

    def fill(self, addr, byte, size):
        self.call("cuMemsetD8_v2", ctypes.c_uint64(addr), ctypes.c_ubyte(byte), ctypes.c_size_t(size))

    def byte_at(self, addr):
        byte = ctypes.c_ubyte()
        self.call("cuMemcpyDtoH_v2", ctypes.byref(byte), ctypes.c_uint64(addr), ctypes.c_size_t(1))
        return byte.value

    def spin_kernel(self):
        """A kernel that runs as long as it is told; None where the driver cannot compile it."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        if self.loaded.cuModuleLoadData(ctypes.byref(module), SPIN) != 0:
            return None
        self.call("cuModuleGetFunction", ctypes.byref(function), module, b"spin")
        return function

    def launch(self, kernel, milliseconds, stream):
        nanos = ctypes.c_uint64(milliseconds * 1_000_000)
        arguments = (ctypes.c_void_p * 1)(ctypes.cast(ctypes.byref(nanos), ctypes.c_void_p))
        self.call("cuLaunchKernel", kernel, 1, 1, 1, 1, 1, 1, 0, stream, arguments, None)

    def stream(self):
        stream = ctypes.c_void_p()
        non_blocking = 1
        self.call("cuStreamCreate", ctypes.byref(stream), non_blocking)
        return stream

    def event(self):
        event = ctypes.c_void_p()
        self.call("cuEventCreate", ctypes.byref(event), 0)
        return event

    def begin_capture(self, stream, mode):
        self.call("cuStreamBeginCapture_v2", stream, mode)

    def end_capture(self, stream):
        """Whether the capture came out whole."""
        graph = ctypes.c_void_p()
        if self.loaded.cuStreamEndCapture(stream, ctypes.byref(graph)) != 0:
            return False
        self.call("cuGraphDestroy", graph)
        return True

    def is_done(self, stream):
        return self.loaded.cuStreamQuery(stream) == 0

    def synchronize(self):
        self.call("cuCtxSynchronize")
